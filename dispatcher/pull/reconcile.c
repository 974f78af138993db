#include "dispatcher/pull/reconcile.h"

#include "common/base/alloc.h"
#include "common/base/list.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/crypto/crypto.h"
#include "common/net/http_line.h"
#include "common/net/loop.h"
#include "common/program/program.h"
#include "common/queue/keys.h"
#include "common/queue/queue_tasks.h"
#include "common/queue/record.h"
#include "common/queue/route_event.h"
#include "dispatcher/pull/ready_list.h"
#include "dispatcher/transport/egress.h"

#include <assert.h>
#include <stdlib.h>

#define LOOK_US                                                                                    \
    1000000 /* between two tries to get the lock; the first one comes after half of it */
#define HEADERS_MAX 16384
#define KEY_BYTES 1024

/* One source under one configuration, round after round. Owned by its reconcile. If a round is given up, the last answer
 * of Redis that is still to come frees it. */
struct watch {
    struct reconcile *owner; /* NULL: given up */
    struct list_link link;   /* in its owner's watches */
    struct result_connection *results;
    struct config *conf; /* referenced */
    struct source *source;
    struct endpoint *endpoint;
    struct loop_timer *timer;
    struct attempt *attempt;
    struct buf headers;
    unsigned awaited; /* answers of Redis */
    mono_us began;
    struct ready_list list;
    size_t known, announced, failed; /* of the list */
};

struct reconcile { /* Owned by the dispatcher; reconcile_free. */
    struct loop *loop;
    struct result_connection *results;
    struct config *conf; /* of the watches */
    struct egress egress;
    struct transport *transport; /* NULL once stopped */
    struct list watches;
};

/* ---- the end of a round ---- */

static void watch_end_round(struct watch *w)
{
    ready_list_clear(&w->list);
    loop_timer_arm(w->timer, LOOK_US);
}

static void watch_round_failed(struct watch *w, const char *reason, int status)
{
    LOG(LL_WARN, "reconcile.failed", LS("source", w->source->name), LS("reason", reason),
        LI("status", status));
    watch_end_round(w);
}

static void watch_round_done(struct watch *w)
{
    LOG(LL_INFO, "reconcile.done", LS("source", w->source->name), LI("listed", w->list.count),
        LI("known", w->known), LI("announced", w->announced), LI("failed", w->failed),
        LI("skipped", w->list.skipped), LI("ms", (clock_mono_us() - w->began) / 1000));
    watch_end_round(w);
}

static void watch_free(struct watch *w)
{
    assert(!w->owner && !w->awaited && !w->attempt);
    ready_list_clear(&w->list);
    if (w->headers.len)
        crypto_wipe(w->headers.ptr, w->headers.len);
    buf_clear(&w->headers);
    config_unref(w->conf);
    free(w);
}

/* Redis has answered. False if the round was given up meanwhile. */
static bool watch_is_awaited(struct watch *w)
{
    w->awaited--;
    if (w->owner)
        return true;
    if (!w->awaited)
        watch_free(w);
    return false;
}

/* ---- announce the unknown tasks ---- */

static void watch_on_put(void *ctx, const struct put_answer *answer)
{
    struct watch *w = ctx;
    if (!watch_is_awaited(w))
        return;
    if (answer->result == PUT_QUEUED)
        w->announced++;
    else if (answer->result == PUT_UNAVAILABLE)
        w->failed++;
    else
        w->known++;
    if (!w->awaited)
        watch_round_done(w);
}

/* Announces TASK as a pingback would. The digest is that of an empty body, as a pingback's is, so that Redis takes the one
 * as a repeat of the other. */
static void watch_announce(struct watch *w, const struct ready_task *task)
{
    unsigned char whole[32];
    char digest[RECORD_DIGEST_LEN];
    struct sha256 *sha = sha256_start();
    sha256_end(sha, whole);
    text_hex(whole, RECORD_DIGEST_LEN / 2, digest);
    struct event event = {
        .kind = EVENT_ANNOUNCEMENT,
        .id = task->id,
        .tag = task->tag,
        .source = slice_str(w->source->name),
        .received_at = clock_wall_ms(),
        .digest = slice_make(digest, sizeof digest),
    };
    struct route route = route_event(w->source, &event, NULL);
    struct put_request req = {
        .event = &event, .source = w->source, .to = route.to, .to_count = route.count};
    if (queue_put_submit(w->results->put, &req, watch_on_put, w) == OK)
        w->awaited++;
    else
        w->failed++;
}

/* True if T is a task of this source. Another source may have a task with the same id. */
static bool watch_knows(const struct watch *w, const struct task *t)
{
    return t->state == TASK_EXPIRED ||
           (t->state != TASK_UNKNOWN && slice_eq(t->event.source, slice_str(w->source->name)));
}

static void watch_on_looked(void *ctx, enum err rc, const struct task *tasks, size_t count)
{
    struct watch *w = ctx;
    if (!watch_is_awaited(w))
        return;
    if (rc != OK || count != w->list.count) {
        watch_round_failed(w, "queue_unavailable", 0);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (watch_knows(w, &tasks[i]))
            w->known++;
        else
            watch_announce(w, &w->list.tasks[i]);
    }
    if (!w->awaited)
        watch_round_done(w);
}

static void watch_look_up(struct watch *w)
{
    struct slice *ids = xcalloc(w->list.count, sizeof *ids);
    for (size_t i = 0; i < w->list.count; i++)
        ids[i] = w->list.tasks[i].id;
    w->awaited++;
    queue_tasks_look(w->results->tasks, (struct task_scope){.account = slice_make("", 0)}, ids,
                     w->list.count, watch_on_looked, w);
    free(ids);
}

/* ---- ask the provider ---- */

static bool watch_may_connect(void *ctx, const struct addr *a)
{
    const struct watch *w = ctx;
    return egress_allows(&w->owner->egress, a, false);
}

static enum attempt_end watch_may_send(void *ctx)
{
    (void)ctx;
    return END_NONE;
}

static void watch_unanswered(struct watch *w, const struct attempt_result *r)
{
    char word[ATTEMPT_ERROR_BYTES] = "bad_response"; /* a 2xx that broke off */
    if (r->too_large)
        attempt_error(END_TOO_LARGE, 0, word);
    else if (r->end != END_ANSWERED || r->status / 100 != 2)
        attempt_error(r->end, r->status, word);
    watch_round_failed(w, word, r->status);
}

static void watch_on_answer(void *ctx, const struct attempt_result *r)
{
    struct watch *w = ctx;
    struct error e = {{0}};
    w->attempt = NULL;
    if (!r->body || !r->is_whole)
        watch_unanswered(w, r);
    else if (ready_list_read(buf_slice(r->body), &w->list, &e) != OK)
        watch_round_failed(w, e.text, r->status);
    else if (w->list.count == 0)
        watch_round_done(w);
    else
        watch_look_up(w);
}

static const struct transport_hooks watch_hooks = {
    .may_connect = watch_may_connect, .may_send = watch_may_send, .on_done = watch_on_answer};

static void watch_ask(struct watch *w)
{
    w->began = clock_mono_us();
    w->known = w->announced = w->failed = 0;
    buf_reset(&w->headers);
    http_line_add(&w->headers, SLICE_LIT("User-Agent"), SLICE_LIT("Hookpace/" HOOKPACE_VERSION));
    http_line_add(&w->headers, SLICE_LIT("Accept-Encoding"), SLICE_LIT("gzip"));
    if (w->source->fetch_authorization)
        http_line_add(&w->headers, SLICE_LIT("Authorization"),
                      slice_str(w->source->fetch_authorization));
    struct attempt_request q = {
        .url = w->source->ready_url, .headers = w->headers.ptr, .headers_len = w->headers.len};
    w->attempt = transport_send(w->endpoint, &q, w);
    if (!w->attempt)
        watch_round_failed(w, "local_error", 0);
}

/* ---- the lock: one dispatcher gets it, once an interval ---- */

static void watch_on_lock(void *ctx, enum err rc, const struct redis_reply *r)
{
    struct watch *w = ctx;
    if (!watch_is_awaited(w))
        return;
    if (rc == OK && redis_kind(r) == REDIS_TEXT)
        watch_ask(w);
    else
        loop_timer_arm(w->timer, LOOK_US);
}

static void watch_try_lock(void *ctx)
{
    struct watch *w = ctx;
    struct shard *shard = result_connection_shard(w->results, w->source->fetch->partition);
    if (!shard) {
        loop_timer_arm(w->timer, LOOK_US);
        return;
    }
    struct buf key, ms;
    buf_init(&key, KEY_BYTES);
    buf_init(&ms, 32);
    keys_reconcile(&key, shard_base(shard), slice_str(w->source->name));
    buf_add_i64(&ms, w->source->reconcile_ms);
    struct slice argv[] = {SLICE_LIT("SET"), buf_slice(&key), slice_str(w->results->name),
                           SLICE_LIT("NX"),  SLICE_LIT("PX"), buf_slice(&ms)};
    if (shard_command(shard, argv, 6, watch_on_lock, w) == OK)
        w->awaited++;
    else
        loop_timer_arm(w->timer, LOOK_US);
    buf_clear(&key);
    buf_clear(&ms);
}

/* ---- watches ---- */

static void watch_begin(struct reconcile *r, struct source *s)
{
    struct watch *w = NEW(struct watch);
    w->owner = r;
    list_add_last(&r->watches, &w->link);
    w->results = r->results;
    w->conf = config_ref(r->conf);
    w->source = s;
    buf_init(&w->headers, HEADERS_MAX);
    struct endpoint_options options = {.timeout_ms = s->fetch->settings->timeout_ms,
                                       .connect_timeout_ms = s->fetch->settings->connect_timeout_ms,
                                       .verify_tls = s->fetch->settings->verify_tls,
                                       .ca_file = s->fetch->settings->ca_file,
                                       .body_max = READY_BODY_MAX,
                                       .hooks = &watch_hooks};
    w->endpoint = transport_open(r->transport, &options);
    w->timer = loop_timer_new(r->loop, watch_try_lock, w);
    loop_timer_arm(w->timer, LOOK_US / 2);
}

void reconcile_stop(struct reconcile *r)
{
    for (struct watch *w; (w = LIST_TAKE_FIRST(&r->watches, struct watch, link));) {
        if (w->attempt)
            transport_cancel(w->attempt);
        loop_timer_free(w->timer);
        w->attempt = NULL;
        w->timer = NULL;
        w->owner = NULL;
        if (!w->awaited)
            watch_free(w);
    }
    transport_close(r->transport);
    r->transport = NULL;
}

void reconcile_set_config(struct reconcile *r, struct config *conf, struct transport *transport)
{
    reconcile_stop(r);
    config_ref(conf);
    config_unref(r->conf);
    r->conf = conf;
    r->transport = transport;
    r->egress = egress_of(&conf->dispatcher);
    size_t at = 0;
    struct slice name;
    void *value;
    while (map_next(&conf->sources, &at, &name, &value))
        if (((struct source *)value)->reconcile_ms)
            watch_begin(r, value);
}

struct reconcile *reconcile_new(struct loop *l, struct config *conf,
                                struct result_connection *results, struct transport *transport)
{
    struct reconcile *r = NEW(struct reconcile);
    r->loop = l;
    list_init(&r->watches);
    r->results = results;
    reconcile_set_config(r, conf, transport);
    return r;
}

void reconcile_free(struct reconcile *r)
{
    if (!r)
        return;
    reconcile_stop(r);
    config_unref(r->conf);
    free(r);
}
