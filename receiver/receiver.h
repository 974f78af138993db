/* receiver - the whole program: configuration, workers, admin listener, signals.   [wiring] */
#ifndef RECEIVER_RECEIVER_H
#define RECEIVER_RECEIVER_H

struct config;

/* Runs until SIGTERM or SIGINT and returns the exit code. Takes the reference to CONF. SIGHUP reads PATH again. */
int receiver_run(struct config *conf, const char *path);

#endif
