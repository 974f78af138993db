/* receiver - the whole program: configuration, workers, admin listener, signals.   [wiring] */
#ifndef RECEIVER_RECEIVER_H
#define RECEIVER_RECEIVER_H

struct config;

/* Runs until told to stop. Takes the reference to CONF; PATH is read again on SIGHUP. The exit
 * code. */
int receiver_run(struct config *conf, const char *path);

#endif
