#include "common/queue/queue_put.h"

#include "common/base/alloc.h"
#include "common/base/fault.h"
#include "common/base/log.h"
#include "common/base/pool.h"
#include "common/config/config.h"
#include "common/crypto/crypto.h"
#include "common/net/loop.h"
#include "common/queue/args.h"
#include "common/queue/keys.h"
#include "common/queue/put/put_args.h"
#include "common/queue/put/put_route.h"
#include "common/queue/record.h"
#include "common/queue/scripts.h"
#include "common/queue/shard.h"
#include "common/webhook/ids.h"

#include <stdlib.h>

#define BATCH_EVENTS 32 /* of one call: Redis works on them while this turn collects the next */
#define BATCH_BYTES (512 * 1024)
#define BATCH_DELIVERIES 128       /* events with many destinations: 3 ms of Redis' time */
#define NOT_SAID (-1)              /* no revision has this number */
#define COLLECT_US 2000            /* events wait this long at most for the answer to a call */
#define ARGS_MAX ((size_t)1 << 30) /* of one call; the batch is flushed long before */
#define HEAD_ARGS 3                /* dedup_ms, done_ms, count */
#define NAME_BYTES 42              /* two numbers of 64 bits, and a hyphen */
#define KEY_MAX 1024
#define SPARE_BATCHES 64
#define SPARE_PUTS 4096

struct put { /* one submitted request; owned by the batches it waits for, or by the pool */
    struct list_link link;
    put_fn fn;
    void *ctx;
    unsigned waiting; /* partitions that have not answered */
    bool failed, queued, taken, not_open, many_tasks, many_bytes;
    unsigned requeued, revision;
    wall_ms received_at, first_at;
};

struct staged { /* the record of the large event at the end of a batch; no name: there is none */
    char name[NAME_BYTES];
    size_t name_len;
    size_t at, head_len; /* the head, in the text of the batch's arguments */
    size_t packed_len;   /* of the packed body behind it; 0: `body` follows */
    struct slice body;   /* borrowed, or of `taken` */
    char *taken;         /* the body's memory, or NULL */
};

struct batch { /* one script call; owned by its queue_put, or by the call while it runs */
    struct list_link link; /* in the pool, or in under_way */
    mono_us sent_at;
    struct queue_put *q;
    unsigned partition;
    struct args args;
    struct buf plan; /* of the last event in it */
    struct put *puts[BATCH_EVENTS];
    struct staged staged;
    size_t count;
    size_t deliveries; /* of all its events, in every partition */
};

struct queue_put {
    struct loop *loop;
    struct shards *shards; /* borrowed */
    struct config *conf;
    struct redis_script script, requeue;
    uint64_t stage_owner, stages; /* of the names: at random, and how many there were */
    struct packer *packer;
    struct buf key;            /* of the event at hand */
    struct buf names, secrets; /* of the deliveries of the event at hand */
    struct buf plan;           /* of the event at hand */
    struct batch **open;       /* per partition, NULL if empty */
    struct list *under_way;    /* per partition: batches that are not answered, the oldest first */
    struct loop_timer *collected;
    unsigned partitions;
    struct pool batches, puts; /* to be used again */
    bool flush_due;
};

static void flush_all(void *ctx);

struct queue_put *queue_put_new(struct loop *l, struct shards *shards, struct config *conf)
{
    struct queue_put *q = NEW(struct queue_put);
    q->loop = l;
    q->shards = shards;
    pool_init(&q->batches, SPARE_BATCHES);
    pool_init(&q->puts, SPARE_PUTS);
    q->conf = config_ref(conf);
    q->packer = packer_new();
    buf_init(&q->names, RECORD_HEAD_MAX);
    buf_init(&q->key, ID_KEY_MAX);
    buf_init(&q->secrets, RECORD_HEAD_MAX);
    buf_init(&q->plan, RECORD_HEAD_MAX);
    q->partitions = shards_count(shards);
    q->open = xcalloc(q->partitions, sizeof(struct batch *));
    q->under_way = xcalloc(q->partitions, sizeof(struct list));
    for (unsigned i = 0; i < q->partitions; i++)
        list_init(&q->under_way[i]);
    q->collected = loop_timer_new(l, flush_all, q);
    redis_script_init(&q->script, "put", lua_put, lua_put_len);
    q->script.is_acknowledged = true;
    crypto_random(&q->stage_owner, sizeof q->stage_owner);
    redis_script_init(&q->requeue, "requeue", lua_requeue, lua_requeue_len);
    q->requeue.is_acknowledged = true;
    return q;
}

static void batch_free(struct batch *b)
{
    args_clear(&b->args);
    buf_clear(&b->plan);
    free(b);
}

void queue_put_free(struct queue_put *q)
{
    if (!q)
        return;
    for (unsigned i = 0; i < q->partitions; i++)
        if (q->open[i])
            batch_free(q->open[i]);
    for (struct batch *b; (b = POOL_TAKE(&q->batches, struct batch, link));)
        batch_free(b);
    for (struct put *p; (p = POOL_TAKE(&q->puts, struct put, link));)
        free(p);
    packer_free(q->packer);
    buf_clear(&q->names);
    buf_clear(&q->key);
    buf_clear(&q->secrets);
    buf_clear(&q->plan);
    config_unref(q->conf);
    loop_timer_free(q->collected);
    free(q->under_way);
    free(q->open);
    free(q);
}

/* The partitions are fixed for the life of a process; the rest of CONF is taken over. */
void queue_put_set_config(struct queue_put *q, struct config *conf)
{
    config_ref(conf);
    config_unref(q->conf);
    q->conf = conf;
}

/* --- answers --- */

static void flush_soon(struct queue_put *q);

static void put_recycle(struct queue_put *q, struct put *p)
{
    if (!pool_put(&q->puts, &p->link))
        free(p);
}

static void put_answer(struct queue_put *q, struct put *p)
{
    if (--p->waiting > 0)
        return;
    enum put_result result = p->failed       ? PUT_UNAVAILABLE
                             : p->taken      ? PUT_TAKEN
                             : p->not_open   ? PUT_NOT_OPEN
                             : p->many_tasks ? PUT_MANY_TASKS
                             : p->many_bytes ? PUT_MANY_BYTES
                             : p->queued     ? PUT_QUEUED
                                             : PUT_DUPLICATE;
    struct put_answer answer = {
        .result = result,
        .received_at = result == PUT_DUPLICATE ? p->first_at : p->received_at,
        .requeued = p->requeued,
        .revision = p->revision,
    };
    p->fn(p->ctx, &answer);
    put_recycle(q, p);
}

/* R is the script's reply for one event (put.lua). */
static void read_result(struct put *p, const struct redis_reply *r)
{
    if (redis_kind(r) == REDIS_LIST && redis_count(r) >= 2) {
        p->requeued += (unsigned)redis_int(redis_at(r, 1));
        r = redis_at(r, 0);
    }
    int64_t said = redis_kind(r) == REDIS_INT ? redis_int(r) : NOT_SAID;
    if (said <= 0 && said != NOT_SAID) {
        p->queued = true;
        p->revision = (unsigned)-said;
    } else if (said > 5) {
        if (p->first_at == 0 || said < p->first_at)
            p->first_at = said;
    } else if (said == 3) {
        p->taken = true;
    } else if (said == 1) {
        p->not_open = true;
    } else if (said == 4) {
        p->many_tasks = true;
    } else if (said == 5) {
        p->many_bytes = true;
    } else {
        p->failed = true;
    }
}

static void batch_recycle(struct batch *b)
{
    args_reset(&b->args);
    if (b->args.text.cap > 2 * BATCH_BYTES)
        args_clear(&b->args);
    b->count = b->deliveries = 0;
    if (!pool_put(&b->q->batches, &b->link))
        batch_free(b);
}

/* --- repeats of events with many dead deliveries: one call of put queues some of them, requeue.lua the others --- */

struct requeue { /* one put whose event has more dead deliveries; owned by the call under way */
    struct queue_put *q;
    struct put *p;
    unsigned partition;
    char *event; /* its key */
};

static void requeue_on_reply(void *ctx, enum err rc, const struct redis_reply *r);

static void requeue_free(struct requeue *a)
{
    free(a->event);
    free(a);
}

/* The event is not queued as a whole: its sender hears that, and repeats. */
static void requeue_failed(void *ctx)
{
    struct requeue *a = ctx;
    a->p->failed = true;
    put_answer(a->q, a->p);
    requeue_free(a);
}

/* One step behind the first PASSED destinations. Takes A. */
static void requeue_step(struct requeue *a, int64_t passed)
{
    struct args args;
    args_init(&args, ARGS_MAX);
    args_add_int(&args, a->q->conf->retention.done_s * 1000);
    args_add(&args, slice_str(a->event));
    args_add_int(&args, passed);
    struct shard *shard = shards_at(a->q->shards, a->partition);
    if (shard_run(shard, &a->q->requeue, &args, requeue_on_reply, a) != OK)
        loop_defer(a->q->loop, requeue_failed, a);
    else
        shard_flush(shard);
    args_clear(&args);
}

static void requeue_on_reply(void *ctx, enum err rc, const struct redis_reply *r)
{
    struct requeue *a = ctx;
    if (rc != OK || redis_kind(r) != REDIS_LIST || redis_count(r) != 2) {
        LOG_RARELY(LL_WARN, "put.failed", LS("reason", err_word(rc)), LSL("reply", redis_text(r)),
                   LI("events", 1));
        requeue_failed(a);
        return;
    }
    a->p->requeued += (unsigned)redis_int(redis_at(r, 0));
    int64_t passed = redis_int(redis_at(r, 1));
    if (passed > 0) {
        requeue_step(a, passed);
        return;
    }
    put_answer(a->q, a->p);
    requeue_free(a);
}

/* The script has answered R for P. P is over, or more of its event's deliveries are to be queued again. */
static void settle_put(struct batch *b, struct put *p, const struct redis_reply *r)
{
    read_result(p, r);
    if (redis_kind(r) != REDIS_LIST || redis_count(r) != 4) {
        put_answer(b->q, p);
        return;
    }
    struct requeue *a = NEW(struct requeue);
    *a = (struct requeue){.q = b->q,
                          .p = p,
                          .partition = b->partition,
                          .event = xslicedup(redis_text(redis_at(r, 2)))};
    requeue_step(a, redis_int(redis_at(r, 3)));
}

static void on_reply(void *ctx, enum err rc, const struct redis_reply *r)
{
    struct batch *b = ctx;
    bool answered = rc == OK && redis_kind(r) == REDIS_LIST && redis_count(r) == b->count;
    FAULT_POINT("enq_reply");
    if (!answered)
        LOG_RARELY(LL_WARN, "put.failed", LS("reason", err_word(rc)), LSL("reply", redis_text(r)),
                   LI("events", b->count));
    else
        LOG_EVENT(LL_DEBUG, "put.done", LI("events", b->count), LI("partition", b->partition));
    for (size_t i = 0; i < b->count; i++) {
        if (answered) {
            settle_put(b, b->puts[i], redis_at(r, i));
        } else {
            b->puts[i]->failed = true;
            put_answer(b->q, b->puts[i]);
        }
    }
    struct queue_put *q = b->q;
    list_remove(&b->link);
    if (q->open[b->partition])
        flush_soon(q);
    batch_recycle(b);
}

static void on_not_sent(void *ctx)
{
    on_reply(ctx, ERR_UNAVAIL, NULL);
}

/* --- requests --- */

static struct batch *batch_open(struct queue_put *q, unsigned partition)
{
    struct batch *b = q->open[partition];
    if (b)
        return b;
    b = POOL_TAKE(&q->batches, struct batch, link);
    if (!b) {
        b = NEW(struct batch);
        b->q = q;
        args_init(&b->args, ARGS_MAX);
        buf_init(&b->plan, RECORD_HEAD_MAX);
    }
    args_add_int(&b->args, q->conf->retention.dedup_s * 1000);
    args_add_int(&b->args, q->conf->retention.done_s * 1000);
    args_add_int(&b->args, 0); /* the count, known when it is sent */
    b->partition = partition;
    q->open[partition] = b;
    return b;
}

/* Runs the script for B, whose last event may be staged. */
static enum err batch_run(struct batch *b, struct shard *shard)
{
    struct queue_put *q = b->q;
    struct staged *s = &b->staged;
    if (s->name_len == 0)
        return shard_run(shard, &q->script, &b->args, on_reply, b);
    const char *head = b->args.text.ptr + s->at;
    struct buf key;
    buf_init(&key, KEY_MAX);
    keys_staged(&key, shard_base(shard), slice_make(s->name, s->name_len));
    struct redis_stage stage = {
        .key = buf_slice(&key),
        .head = slice_make(head, s->head_len),
        .tail = s->packed_len ? slice_make(head + s->head_len, s->packed_len) : s->body,
        .taken = s->taken};
    *s = (struct staged){0};
    enum err rc = shard_run_staged(shard, &q->script, &b->args, &stage, on_reply, b);
    buf_clear(&key);
    return rc;
}

/* Sends what is collected for PARTITION; a failure is answered in the next turn. */
static void flush(struct queue_put *q, unsigned partition)
{
    struct batch *b = q->open[partition];
    if (!b)
        return;
    q->open[partition] = NULL;
    if (b->count == 0) {
        batch_recycle(b);
        return;
    }
    char count[8];
    struct buf digits = buf_over(count);
    buf_add_u64(&digits, b->count);
    b->args.list[HEAD_ARGS - 1] = (struct arg){count, 0, digits.len};
    struct shard *shard = shards_at(q->shards, partition);
    b->sent_at = clock_mono_us();
    list_add_last(&q->under_way[partition], &b->link);
    if (batch_run(b, shard) != OK)
        loop_defer(q->loop, on_not_sent, b);
    FAULT_POINT_AFTER(shard_flush(shard), "enq_sent");
}

static void flush_all(void *ctx)
{
    struct queue_put *q = ctx;
    for (unsigned i = 0; i < q->partitions; i++)
        flush(q, i);
}

/* Events wait here while Redis works on a call, because a call costs Redis as much as four events. The answer of the call
 * that it works on brings us back here; full batches do not wait for it. */
static void flush_idle(void *ctx)
{
    struct queue_put *q = ctx;
    q->flush_due = false;
    for (unsigned i = 0; i < q->partitions; i++) {
        if (list_is_empty(&q->under_way[i]))
            flush(q, i);
        else if (q->open[i] && !loop_timer_armed(q->collected))
            loop_timer_arm(q->collected, COLLECT_US);
    }
}

static void flush_soon(struct queue_put *q)
{
    if (q->flush_due)
        return;
    q->flush_due = true;
    loop_defer(q->loop, flush_idle, q);
}

/* The key of the task that REQ's event belongs to. */
static struct slice task_key(struct queue_put *q, const struct put_request *req)
{
    buf_reset(&q->key);
    if (req->announced.len)
        return req->announced;
    id_add_key(&q->key, req->event->id);
    return buf_slice(&q->key);
}

static void add_task_id(struct args *a, const struct put_request *req, struct slice key)
{
    if (req->event->kind != EVENT_TASK) {
        args_add(a, key);
        return;
    }
    size_t mark = args_mark(a);
    keys_task(&a->text, req->event->account, req->event->id);
    args_add_since(a, mark);
}

/* The event as it is recorded: with the names of its destinations. */
static struct event prepare(struct queue_put *q, const struct put_request *req, struct slice key)
{
    struct event e = *req->event;
    bool is_announcement = e.kind == EVENT_ANNOUNCEMENT;
    /* A staged record cannot be changed if its id is taken. */
    e.is_renamed = is_announcement || e.body.len >= PUT_LARGE || !slice_eq(key, e.id);
    if (req->stage == PUT_RESULT)
        return e; /* its names and secrets are those of the task */
    buf_reset(&q->names);
    if (is_announcement)
        buf_add_str(&q->names, req->source->fetch->name);
    for (size_t i = 0; !is_announcement && i < req->to_count; i++) {
        if (i > 0)
            buf_add_char(&q->names, ' ');
        buf_add_str(&q->names, req->to[i]->name);
    }
    e.destinations = buf_slice(&q->names);
    buf_reset(&q->secrets);
    put_secrets(&q->secrets, req);
    e.secrets = buf_slice(&q->secrets);
    return e;
}

/* Adds the plan of the event at hand, or nothing if it is that of the event before. */
static void add_plan(struct batch *b, struct buf *plan)
{
    struct slice now = buf_slice(plan);
    if (b->count > 0 && slice_eq(now, buf_slice(&b->plan))) {
        args_add(&b->args, slice_make("", 0));
        return;
    }
    args_add(&b->args, now);
    struct buf before = b->plan;
    b->plan = *plan;
    *plan = before;
}

/* A task that failed is always recorded: its result is short. */
static struct put_flags flags_of(const struct queue_put *q, const struct event *e, bool is_home,
                                 bool is_staged)
{
    struct put_flags flags = {
        .is_home = is_home, .is_named = e->is_renamed, .is_staged = is_staged};
    if (e->kind != EVENT_TASK)
        return flags;
    const struct config_account *account = map_get(&q->conf->accounts, e->account);
    flags.pending_ms = q->conf->retention.pending_s * 1000;
    if (account) {
        flags.max_tasks = account->max_tasks;
        flags.max_bytes = e->error.len ? 0 : account->max_bytes;
    }
    return flags;
}

/* Results of tasks are packed also if they are large: they stay for days. Bodies of sources are not: packing delays their answer.
 * Appends the record of E to the arguments of B, or its head if it is to be staged. */
static enum err add_record(struct batch *b, const struct event *e, struct staged *s)
{
    struct buf *out = &b->args.text;
    enum err rc;
    bool is_large = e->body.len >= PUT_LARGE, is_whole = false;
    *s = (struct staged){.at = out->len};
    if (!is_large) {
        rc = record_write(e, b->q->packer, out);
    } else if (e->kind == EVENT_TASK) {
        rc = record_write_packed(e, b->q->packer, out, &s->head_len, &is_whole);
    } else {
        rc = record_write_head(e, out);
        s->head_len = out->len - s->at;
    }
    if (rc != OK)
        return rc;
    args_add_since(&b->args, s->at);
    if (!is_large || (is_whole && out->len - s->at < PUT_LARGE))
        return OK;
    b->args.list[b->args.count - 1].len = s->head_len;
    if (is_whole)
        s->packed_len = out->len - s->at - s->head_len;
    else
        s->body = e->body;
    struct buf name = buf_over(s->name);
    buf_add_u64(&name, b->q->stage_owner);
    buf_add_char(&name, '-');
    buf_add_u64(&name, ++b->q->stages);
    s->name_len = name.len;
    return OK;
}

/* TAKEN: the body's memory if this is the last partition to need it, else NULL. */
static enum err add_event(struct queue_put *q, unsigned partition, bool is_home,
                          const struct put_request *req, char *taken, struct put *p)
{
    struct batch *b = batch_open(q, partition);
    struct args *a = &b->args;
    struct slice key = task_key(q, req);
    struct event e = prepare(q, req, key);
    size_t count = a->count, text = a->text.len;
    add_task_id(a, req, key);
    args_add_int(a, e.received_at);
    struct staged staged;
    enum err rc = add_record(b, &e, &staged);
    if (rc != OK) { /* leaves the batch as it was */
        a->count = count;
        a->text.len = text;
        a->text.failed = false;
        return rc;
    }
    bool is_staged = staged.name_len > 0;
    buf_reset(&q->plan);
    put_plan(&q->plan, req, partition, flags_of(q, &e, is_home, is_staged));
    add_plan(b, &q->plan);
    if (is_staged)
        args_add(a, slice_make(staged.name, staged.name_len));
    if (req->repeat_name.len)
        args_add(a, req->repeat_name);
    b->puts[b->count++] = p;
    p->waiting++;
    if (staged.body.len)
        staged.taken = taken;
    else
        free(taken);
    if (is_staged)
        b->staged = staged;
    b->deliveries += req->to_count;
    if (is_staged || b->count == BATCH_EVENTS || a->text.len >= BATCH_BYTES ||
        b->deliveries >= BATCH_DELIVERIES) {
        flush(q, partition);
        shard_flush(shards_at(q->shards, partition));
    }
    return OK;
}

static struct put *put_new(struct queue_put *q, const struct put_request *req, put_fn fn, void *ctx)
{
    struct put *p = POOL_TAKE(&q->puts, struct put, link);
    if (!p)
        p = NEW(struct put);
    *p = (struct put){.fn = fn, .ctx = ctx, .received_at = req->event->received_at};
    return p;
}

/* Can all partitions that the event goes to be reached? */
static bool are_ready(struct queue_put *q, const struct put_request *req, unsigned home)
{
    if (!shard_is_ready(shards_at(q->shards, home)))
        return false;
    for (size_t i = 0; req->event->kind == EVENT_WEBHOOK && i < req->to_count; i++)
        if (!shard_is_ready(shards_at(q->shards, req->to[i]->partition)))
            return false;
    return true;
}

mono_us queue_put_oldest(const struct queue_put *q, unsigned partition)
{
    const struct batch *oldest = LIST_FIRST(&q->under_way[partition], struct batch, link);
    return oldest ? oldest->sent_at : 0;
}

size_t queue_put_body_max(const struct queue_put *q)
{
    size_t most = shards_argument_max(q->shards);
    return most > RECORD_HEAD_MAX ? most - RECORD_HEAD_MAX : 0; /* both are one value */
}

enum err queue_put_submit(struct queue_put *q, const struct put_request *req, put_fn fn, void *ctx)
{
    if (req->event->body.len > queue_put_body_max(q))
        return ERR_TOO_BIG;
    unsigned home = put_home_partition(q->conf, req);
    if (!are_ready(q, req, home))
        return ERR_UNAVAIL;
    struct put *p = put_new(q, req, fn, ctx);
    enum err rc = OK;
    if (req->to_count == 0 || req->event->kind != EVENT_WEBHOOK) {
        rc = add_event(q, home, true, req, req->taken, p);
    } else {
        size_t last = put_last_partition(req);
        for (size_t i = 0; rc == OK && i < req->to_count; i++) {
            unsigned partition = req->to[i]->partition;
            if (put_is_first_of_partition(req, i))
                rc = add_event(q, partition, partition == home, req, i == last ? req->taken : NULL,
                               p);
        }
    }
    if (rc != OK) { /* the head is the same in every partition: only the first can fail */
        put_recycle(q, p);
        return rc;
    }
    flush_soon(q);
    return OK;
}
