/* follow - reads /api/tail, what happens as it happens, and connects again when the connection breaks.   [on cli/client]
 *
 * Facts of the time without a connection are lost: Redis keeps none. So each break ends with a message that says which time is
 * missing, and where the events of that time are.
 */
#ifndef CLI_LIVE_FOLLOW_H
#define CLI_LIVE_FOLLOW_H

#include "cli/commands.h"

struct follow_events {
    /* A fact, as its line and as JSON. */
    void (*fact)(void *ctx, const struct json *doc, struct slice line);
    /* Facts between SINCE and UNTIL may be missing. A message was printed to stderr. */
    void (*missed)(void *ctx, wall_ms since, wall_ms until);
    /* Runs after every wait. Returns after how many milliseconds it must run again. NULL: nothing runs. */
    int64_t (*turn)(void *ctx);
    void *ctx;
};

/* Follows the events that the options of C ask for, until SIGINT or SIGTERM. Returns the exit code: EXIT_DONE after a signal;
 * EXIT_FAILED if the receiver refuses, cannot be reached at the first time, or the standard output has failed. */
int follow_run(struct cli *c, const struct follow_events *events);

#endif
