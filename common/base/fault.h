/* fault - named points at which a test kills or stops the process.   [edge: signals]
 *
 * Compiled to nothing unless configured with -DHOOKPACE_FAULTS=ON. There $HOOKPACE_FAULT_AT chooses one point:
 * `<name>[:<n>][!stop]` raises SIGKILL (or SIGSTOP) at its n-th pass, the first by default. One point a
 * process, because a killed one passes no second.
 */
#ifndef COMMON_BASE_FAULT_H
#define COMMON_BASE_FAULT_H

#ifdef HOOKPACE_FAULTS
void fault_point(const char *name);
#define FAULT_POINT(name) fault_point(name)
/* Does ACTION first, such as to write what would otherwise be written at the end of the turn. */
#define FAULT_POINT_AFTER(action, name) ((action), fault_point(name))
#else
#define FAULT_POINT(name) ((void)0)
#define FAULT_POINT_AFTER(action, name) ((void)0)
#endif

#endif
