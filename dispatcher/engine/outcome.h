/* outcome - what happens to a delivery after an attempt ended?   [pure]
 *
 * transport.h lists how an attempt can end (enum attempt_end). A table in outcome.c has the consequences of each end: the
 * verdict, whether the host is unreachable (that counts towards its origin's circuit), and how long to wait if the attempt
 * is given back.
 */
#ifndef DISPATCHER_OUTCOME_H
#define DISPATCHER_OUTCOME_H

#include "common/queue/queue_take.h"
#include "dispatcher/transport/transport.h"

#include <stdbool.h>
#include <stdint.h>

struct outcome { /* plain value */
    enum settle_verdict verdict;
    bool unreachable;
    int64_t wait_ms;                 /* of a release or deferral */
    char error[ATTEMPT_ERROR_BYTES]; /* attempt_error's word; empty for a success */
};

/* STATUS is the HTTP status with END_ANSWERED, the task's code with END_NO_RESULT, and ignored with any other END.
 * ATTEMPT_LEFT: a failure may be tried again. END is not END_NONE. */
struct outcome outcome_judge(enum attempt_end end, int status, bool attempt_left);

/* The verdict's word in logs and metrics: "done", "retry", "dead", "release", "defer". */
const char *outcome_verdict_word(enum settle_verdict v);

#endif
