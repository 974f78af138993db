#include "receiver/ingest/ingest_private.h"

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/config/config.h"
#include "common/net/http_server.h"
#include "receiver/ingest/respond.h"
#include "receiver/ingest/tally.h"

#include <assert.h>
#include <stdlib.h>

#define POOL_MAX 256 /* requests kept for reuse */

struct request *ingest_request_new(struct ingest *in, struct http_request *http, struct source *s)
{
    struct request *r = in->pool;
    if (r) {
        in->pool = r->next;
        in->pooled--;
    } else {
        r = NEW(struct request);
    }
    r->in = in;
    r->prev = r->next = NULL;
    r->http = http;
    r->conf = config_ref(in->conf);
    r->source = s;
    r->tally = tally_row(in->tally, slice_str(s->name));
    r->is_waiting = r->is_inflating = false;
    return r;
}

void ingest_request_free(struct request *r)
{
    struct ingest *in = r->in;
    assert(!r->is_waiting);
    chores_remove(in->chores, &r->chore);
    intake_clear(&r->intake, INGEST_KEEP_BYTES);
    config_unref(r->conf);
    if (in->pooled == POOL_MAX) {
        buf_clear(&r->intake.wire);
        free(r);
        return;
    }
    r->next = in->pool;
    in->pool = r;
    in->pooled++;
}

static void log_refused(const struct request *r, enum answer a)
{
    char peer[ADDR_TEXT];
    addr_text(http_peer(r->http), peer);
    LOG_RARELY(LL_INFO, "event.refused", LS("source", r->source->name),
               LS("code", answer_row(a)->code), LS("peer", peer));
}

void ingest_finish(struct request *r, enum answer a, const char *detail)
{
    struct ingest *in = r->in;
    struct http_request *http = r->http;
    tally_count(in->tally, r->tally, a, http_started(http));
    log_refused(r, a);
    r->http = NULL;
    http_set_ctx(http, NULL);
    const char *headers = answer_row(a)->headers;
    if (answer_row(a)->status == 401)
        headers = judge_authenticate(scheme_name(r->source->verify));
    respond_error(http, a, headers, detail);
    ingest_request_free(r);
}

void ingest_wait_in_line(struct request *r)
{
    struct ingest *in = r->in;
    r->is_waiting = true;
    r->submitted = clock_mono_us();
    r->prev = in->last;
    r->next = NULL;
    *(in->last ? &in->last->next : &in->first) = r;
    in->last = r;
    in->waiting++;
}

void ingest_leave_line(struct request *r)
{
    struct ingest *in = r->in;
    *(r->prev ? &r->prev->next : &in->first) = r->next;
    *(r->next ? &r->next->prev : &in->last) = r->prev;
    r->is_waiting = false;
    in->waiting--;
}
