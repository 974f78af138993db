/* probes - /healthz, /readyz and /metrics of a program.   [on common/ops/ops]
 *
 * The program says whether it is ready and brings its gauges up to date; see `struct probes_setup`.
 */
#ifndef COMMON_OPS_PROBES_H
#define COMMON_OPS_PROBES_H

#include "common/base/err.h"

struct metrics;
struct ops;
struct ops_call;
struct probes;

typedef void (*probes_done)(void *ctx, enum err rc);

struct probes_setup { /* all borrowed, and must outlive the probes */
    struct metrics *metrics;
    /* Answers /readyz: ends C with probes_ready or probes_unready, now or later. c->state is free for its use. */
    void (*check_ready)(void *ctx, struct ops_call *c);
    /* Brings gauges up to date for /metrics and then calls DONE, now or later, exactly once. If RC is no OK, gauges
     * are absent, and the counters are right all the same. */
    void (*refresh)(void *ctx, probes_done done, void *done_ctx);
    void *ctx;
};

struct probes *probes_new(const struct probes_setup *setup);
/* Adds the three routes to O. */
void probes_add(struct probes *p, struct ops *o);
/* After the listener is closed, and no check_ready and no refresh is under way. NULL is fine. */
void probes_free(struct probes *p);

/* Ends C as ready. WARNING: a sentence that the answer has, or NULL. */
void probes_ready(struct ops_call *c, const char *warning);
/* 503 with CODE, a word for programs, and WHY, a sentence for people. */
void probes_unready(struct ops_call *c, const char *code, const char *why);

#endif
