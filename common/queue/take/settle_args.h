/* settle_args - the words of a claim's reply and of a result, to and from C.   [pure]
 */
#ifndef COMMON_QUEUE_SETTLE_ARGS_H
#define COMMON_QUEUE_SETTLE_ARGS_H

#include "common/queue/args.h"
#include "common/queue/queue_take.h"

struct config;

#define RESPONSE_SHORT 48

/* Fills D from the WORDS and the RECORD of one claim of claim.lua's reply; the kind is as CONF says. The caller has set
 * d->claimed_at, and d->send_from to the moment at which the claim was granted. d->readable is false if the record could
 * not be read. False if the words are not of that shape. */
bool claim_read(struct slice words, struct slice record, const struct config *conf,
                struct delivery *d);

/* A result that waits to be recorded; plain value. */
struct result {
    enum settle_verdict verdict, counted;
    int64_t wait_ms, told_ms;
    int status;
    bool was_sent, unreachable;
    char error[48];
    int64_t duration_ms;
    char response[RESPONSE_SHORT + 1]; /* the answer if it is that short and printable */
    struct buf attempt; /* the attempt as JSON, for attempts:<delivery id>; may be empty */
    struct buf failure; /* the failed attempt as the API lists it, JSON; or empty */
};

/* Makes R (whose buffer is reused) from S; AT is the wall clock now. */
void result_make(struct result *r, const struct delivery *d, const struct settlement *s,
                 wall_ms at);
/* Appends settle.lua's arguments for one delivery. */
void result_add_args(const struct result *r, const struct delivery *d, struct args *a);

#endif
