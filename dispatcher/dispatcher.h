/* dispatcher - the whole program: one struct owns all of it; start, signals, stop.   [wiring]
 */
#ifndef DISPATCHER_DISPATCHER_H
#define DISPATCHER_DISPATCHER_H

struct config;

/* Runs until a signal ends it. CONF is taken (one reference), PATH is read again on SIGHUP. The
 * program's exit code. */
int dispatcher_run(struct config *conf, const char *path);

#endif
