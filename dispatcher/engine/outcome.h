/* outcome - what becomes of a delivery after an attempt ended?   [pure]
 *
 * How an attempt can end is one table: a row has the word that is kept with the attempt, what
 * follows, whether the host counts as unreachable (the lane's circuit), and how long to wait
 * where the attempt is given back.
 */
#ifndef DISPATCHER_OUTCOME_H
#define DISPATCHER_OUTCOME_H

#include "common/queue/queue_take.h"

#include <stdbool.h>
#include <stdint.h>

/* id, word, verdict, unreachable, wait_ms of a release or deferral */
#define ATTEMPT_ENDS(X)                                                                            \
    /* final response headers are complete: the status decides, whatever became of the body */     \
    X(ANSWERED, "http", DONE, false, 0)                                                            \
    /* nothing left: the host could not be reached */                                              \
    X(DNS, "dns", RETRY, true, 0)                                                                  \
    X(CONNECT, "connect", RETRY, true, 0)                                                          \
    X(CONNECT_TIMEOUT, "connect_timeout", RETRY, true, 0)                                          \
    X(TLS, "tls", RETRY, true, 0)                                                                  \
    X(PROXY, "proxy", RETRY, true, 0)                                                              \
    /* the request left and no status came back: it may or may not have been taken */              \
    X(TIMEOUT, "timeout", RETRY, false, 0)                                                         \
    X(CLOSED, "closed", RETRY, false, 0)                                                           \
    X(UNKNOWN, "unknown", RETRY, false, 0)                                                         \
    X(BAD_RESPONSE, "bad_response", RETRY, false, 0)                                               \
    /* a fetch was answered 2xx, and not with a result */                                          \
    X(NOT_READY, "not_ready", RETRY, false, 0)                                                     \
    X(NO_RESULT, "task", RETRY, false, 0)                                                          \
    X(BAD_RESULT, "bad_result", RETRY, false, 0)                                                   \
    X(TOO_LARGE, "too_large", DEAD, false, 0)                                                      \
    /* refused by policy: would be refused again */                                                \
    X(BLOCKED, "blocked_address", DEAD, false, 0)                                                  \
    X(BAD_URL, "bad_url", DEAD, false, 0)                                                          \
    X(BAD_BODY, "bad_body", DEAD, false, 0)                                                        \
    /* not the destination's doing: the attempt is given back */                                   \
    X(WINDOW_OVER, "window_over", RELEASE, false, 0)                                               \
    X(TOO_EARLY, "too_early", RELEASE, false, 1)                                                   \
    X(DRAINING, "draining", RELEASE, false, 0)                                                     \
    X(LOCAL, "local_error", RELEASE, false, 500)                                                   \
    X(QUEUE, "queue_unavailable", DEFER, false, 1000)                                              \
    X(UNCONFIGURED, "unconfigured", DEFER, false, 5000)                                            \
    X(UNREADABLE, "unreadable", DEFER, false, 60000)

enum attempt_end {
#define ATTEMPT_END_ENUM(id, word, verdict, unreachable, wait_ms) END_##id,
    ATTEMPT_ENDS(ATTEMPT_END_ENUM)
#undef ATTEMPT_END_ENUM
        ATTEMPT_END_COUNT
};

struct outcome { /* plain value */
    enum settle_verdict verdict;
    bool unreachable;
    int64_t wait_ms; /* of a release or deferral */
    char error[24];  /* word for people: "timeout", "http_500", empty for a success */
};

/* STATUS counts with END_ANSWERED (of HTTP) and END_NO_RESULT (of the task) only. ATTEMPT_LEFT: a failure may be tried again. */
struct outcome outcome_judge(enum attempt_end end, int status, bool attempt_left);

/* The verdict's word in logs and metrics: "done", "retry", "dead", "release", "defer". */
const char *outcome_verdict_word(enum settle_verdict v);

#endif
