/* outcome - what happens to a delivery after an attempt ended?   [pure]
 *
 * transport.h lists how an attempt can end (enum attempt_end). A table in outcome.c has the consequences of each end:
 * the verdict, whether the host is unreachable, and how long to wait if the attempt is given back. An unreachable host
 * counts towards its origin's circuit. For an answer the status decides:
 *
 *   2xx                              done
 *   in give_up_on                    dead
 *   429, or 503 with Retry-After     wait: the origin asked for time, and no attempt is spent
 *   any other                        retry
 */
#ifndef DISPATCHER_OUTCOME_H
#define DISPATCHER_OUTCOME_H

#include "common/config/config.h"
#include "common/queue/queue_take.h"
#include "dispatcher/transport/transport.h"

#include <stdbool.h>
#include <stdint.h>

struct attempt_facts {      /* plain value */
    enum attempt_end end;   /* not END_NONE */
    int status;             /* HTTP status with END_ANSWERED, the task's code with END_NO_RESULT */
    int64_t retry_after_ms; /* -1: the answer did not say */
    bool attempt_left;      /* a failure may be tried again */
    const struct status_set *give_up_on; /* NULL: none */
};

struct outcome { /* plain value */
    enum settle_verdict verdict;
    enum settle_verdict counted; /* of a wait: the verdict if it counts as a failed attempt */
    int64_t told_ms;             /* of a wait: how long the origin asked for; 0: it did not say */
    bool unreachable;
    int64_t wait_ms;                 /* of a release or deferral */
    char error[ATTEMPT_ERROR_BYTES]; /* attempt_error's word; empty for a success */
};

struct outcome outcome_judge(const struct attempt_facts *a);

/* The verdict's word in logs and metrics: "done", "retry", "dead", "release", "defer", "wait". */
const char *outcome_verdict_word(enum settle_verdict v);

#endif
