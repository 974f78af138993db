/* fault - named points at which a test kills or stops the process.   [edge: signals]
 *
 * In a build with -DHOOKPACE_FAULTS=ON, $HOOKPACE_FAULT_AT chooses one point: `<name>[:<n>][!stop]` raises SIGKILL (or
 * SIGSTOP) when the process passes it for the n-th time, by default the first. A process has one point, because a killed
 * process passes no second. In all other builds the points are compiled to nothing.
 */
#ifndef COMMON_BASE_FAULT_H
#define COMMON_BASE_FAULT_H

#ifdef HOOKPACE_FAULTS
void fault_point(const char *name);
#define FAULT_POINT(name) fault_point(name)
/* Does ACTION, then passes the point. ACTION writes to Redis what a release build writes at the end of the turn, so that
 * the process dies after the write and not before it. So a build with faults writes in smaller pieces and earlier. No
 * outcome depends on it: a release build too writes early when a batch is full, commands keep their order, and both
 * read the answers in a later turn. The window between a send and its report is a little longer in a release build. */
#define FAULT_POINT_AFTER(action, name) ((action), fault_point(name))
#else
#define FAULT_POINT(name) ((void)0)
#define FAULT_POINT_AFTER(action, name) ((void)0)
#endif

#endif
