#include "receiver/ingest/trail.h"

#include "common/base/log.h"
#include "common/config/config.h"
#include "common/net/http_server.h"
#include "common/queue/queue_put.h"
#include "common/queue/tail.h"
#include "common/webhook/ids.h"

#define SHOWN_MAX 128               /* bytes of what a stranger wrote */
#define EVENT_MAX (ID_KEY_MAX + 16) /* bytes of an event's key */

void trail_begin(struct trail *t, const struct http_request *r, size_t bytes)
{
    t->peer = *http_peer(r);
    t->bytes = bytes;
    struct slice id = trace_id_of(http_header(r, "traceparent", NULL));
    t->trace_id_len = id.len;
    if (id.len)
        memcpy(t->trace_id, id.ptr, id.len);
}

static const char *text_of(const struct addr *a, struct peer_text *last)
{
    const struct addr *b = &last->addr;
    if (!last->text[0] || a->family != b->family || memcmp(a->ip, b->ip, sizeof a->ip) != 0) {
        last->addr = *a;
        addr_text(a, last->text);
    }
    return last->text;
}

/* Appends the key under which the queue keeps the event. */
static void add_event(struct buf *out, const struct identity *identity,
                      const struct put_answer *put)
{
    id_add_key(out, slice_make(identity->id, identity->id_len));
    if (put->revision)
        buf_addf(out, "~%u", put->revision);
}

void trail_accepted(const struct trail *t, const struct source *s, const struct identity *identity,
                    const struct put_answer *put, struct peer_text *last)
{
    if (put->result != PUT_QUEUED && put->result != PUT_DUPLICATE)
        return;
    char key[EVENT_MAX];
    struct buf event = buf_over(key);
    if (put->revision)
        add_event(&event, identity, put);
    LOG_EVENT(
        LL_INFO, "event.accepted", LS("source", s->name),
        LSL("id", slice_make(identity->id, identity->id_len)), LSO("event", buf_slice(&event)),
        LSL("tag", slice_make(identity->tag, identity->tag_len)), LI("destinations", s->to_count),
        LI("bytes", t->bytes), LT("duplicate", put->result == PUT_DUPLICATE),
        LIO("requeued", put->requeued), LSO("trace_id", slice_make(t->trace_id, t->trace_id_len)),
        LS("peer", text_of(&t->peer, last)));
}

#define DESTINATIONS_MAX 64

void trail_tell(struct tail *tail, const struct trail *t, const struct source *s,
                const struct identity *identity, const struct put_answer *put)
{
    struct slice to[DESTINATIONS_MAX];
    char key[EVENT_MAX];
    struct buf event = buf_over(key);
    size_t count = 0;
    if (put->result != PUT_QUEUED && put->result != PUT_DUPLICATE)
        return;
    while (count < s->to_count && count < DESTINATIONS_MAX) {
        to[count] = slice_str(s->to[count]->name);
        count++;
    }
    add_event(&event, identity, put);
    struct tail_fact f = {.event = buf_slice(&event),
                          .source = slice_str(s->name),
                          .tag = slice_make(identity->tag, identity->tag_len),
                          .destinations = to,
                          .destination_count = count,
                          .bytes = (int64_t)t->bytes,
                          .is_duplicate = put->result == PUT_DUPLICATE};
    tail_tell(tail, &f);
}

/* A 401 names the header in which the scheme looked. */
static const char *header_of(const struct source *s, enum answer a)
{
    if (answer_row(a)->status != 401)
        return "";
    return scheme_looks_for(s->verify, a == ANSWER_STALE_TIMESTAMP ? SCHEME_STALE : SCHEME_INVALID);
}

void trail_refused(const struct http_request *r, const struct source *s, enum answer a)
{
    char peer[ADDR_TEXT];
    const char *code = answer_row(a)->code;
    struct slice path = slice_head(http_path(r), SHOWN_MAX);
    struct slice agent = slice_head(http_header(r, "user-agent", NULL), SHOWN_MAX);
    addr_text(http_peer(r), peer);
    /* Two call sites: who guesses paths must not hide what is refused at the sources. */
    if (s)
        LOG_RARELY(LL_INFO, "event.refused", LS("source", s->name), LS("code", code),
                   LS("peer", peer), LSO("header", slice_str(header_of(s, a))), LSL("path", path),
                   LSO("user_agent", agent));
    else
        LOG_RARELY(LL_INFO, "event.refused", LS("source", "unknown"), LS("code", code),
                   LS("peer", peer), LSL("path", path), LSO("user_agent", agent));
}
