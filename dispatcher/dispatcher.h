/* dispatcher - the whole program: start, signals, reload, stop.   [wiring]
 */
#ifndef DISPATCHER_DISPATCHER_H
#define DISPATCHER_DISPATCHER_H

struct config;

/* Runs until a signal ends it and returns the program's exit code. CONF is taken (one reference). PATH is read again on
 * SIGHUP. */
int dispatcher_run(struct config *conf, const char *path);

#endif
