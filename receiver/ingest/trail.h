/* trail - the log lines that say what became of a webhook: event.accepted and event.refused.   [on common/base/log] */
#ifndef RECEIVER_INGEST_TRAIL_H
#define RECEIVER_INGEST_TRAIL_H

#include "common/net/addr.h"
#include "common/webhook/companion.h"
#include "receiver/ingest/judge.h"

struct http_request;
struct put_answer;
struct source;
struct tail;

struct trail { /* what the line says about the request, which may be gone by then; a plain value */
    struct addr peer;
    size_t bytes; /* of the body as received */
    char trace_id[TRACE_ID_LEN];
    size_t trace_id_len; /* 0: the sender names no trace */
};

struct peer_text { /* the text of the last address: most events come from few; zero at first */
    struct addr addr;
    char text[ADDR_TEXT];
};

/* The event of R, with BYTES of body, goes to the queue. */
void trail_begin(struct trail *t, const struct http_request *r, size_t bytes);
/* The queue has confirmed the event. */
void trail_accepted(const struct trail *t, const struct source *s, const struct identity *identity,
                    const struct put_answer *put, struct peer_text *last);
/* The same for those who listen. */
void trail_tell(struct tail *tail, const struct trail *t, const struct source *s,
                const struct identity *identity, const struct put_answer *put);
/* R gets answer A, which is no 200. S is NULL if the path is no source's. */
void trail_refused(const struct http_request *r, const struct source *s, enum answer a);

#endif
