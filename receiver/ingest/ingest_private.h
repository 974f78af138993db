/* ingest_private - what the files of ingest share: a request's life, from its headers to its answer.   [wiring]
 */
#ifndef RECEIVER_INGEST_PRIVATE_H
#define RECEIVER_INGEST_PRIVATE_H

#include "common/webhook/scheme.h"
#include "receiver/ingest/chores.h"
#include "receiver/ingest/intake.h"
#include "receiver/ingest/judge.h"

#define INGEST_KEEP_BYTES (16 * 1024) /* larger body buffers are not kept for the next request */

struct queue_put;
struct tally;
struct tally_row;

struct request { /* Owned by its ingest; from on_request until it is answered or gone, and not
                    queued */
    struct ingest *in;
    struct request *prev,
        *next;                 /* in the line of those that wait for Redis; next also in the pool */
    struct http_request *http; /* NULL: the client is gone */
    struct config *conf;
    struct source *source;
    struct tally_row *tally;
    struct intake intake;
    mono_us submitted;
    bool is_waiting; /* in the line: queue_put will call back */
    bool is_pingback;
    bool is_inflating;  /* what that takes is charged */
    struct chore chore; /* queued: the body is not read on until it caught up */
    struct identity identity;
};

struct ingest {
    struct shards *shards; /* borrowed */
    struct queue_put *put;
    struct config *conf;
    struct intake_pool *intakes;
    struct chores *chores;
    struct request *pool;
    size_t pooled;
    struct request *first, *last; /* wait for Redis, oldest first */
    size_t waiting;
    struct tally *tally;
    struct buf scratch, headers;
};

/* --- ingest_request.c --- */

/* A request for S, from the pool. */
struct request *ingest_request_new(struct ingest *in, struct http_request *http, struct source *s);
void ingest_request_free(struct request *r);
/* Refuses R with A and frees it. DETAIL (may be NULL) says more than A's own message. */
void ingest_finish(struct request *r, enum answer a, const char *detail);
/* From here on queue_put has R, until it calls back. */
void ingest_wait_in_line(struct request *r);
void ingest_leave_line(struct request *r);

/* --- ingest_complete.c --- */

/* What a scheme may see of R; borrowed from it. */
struct scheme_request ingest_scheme_request(struct request *r);
/* The whole request was read and looked at: puts its event, or answers why not. */
void ingest_complete(struct request *r);

#endif
