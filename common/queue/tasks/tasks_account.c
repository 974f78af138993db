/* Settings that accounts have made. Every partition has the same settings. One script call sets all that a caller names. */
#include "common/base/alloc.h"
#include "common/base/text.h"
#include "common/config/config.h"
#include "common/config/partition.h"
#include "common/queue/keys.h"
#include "common/queue/tasks/tasks_private.h"

#include <stdlib.h>

#define KEY_BYTES 1024

enum { ASK_STAMP, ASK_DELAY };

/* The fields of settings:<account>. The first are words of a stamp. */
static const char *const fields[] = {"tls", "payload", "gzip", "sign", "id", "sealed", "made"};
#define FIELDS (sizeof fields / sizeof *fields)
#define FIELD_MADE (FIELDS - 1)

struct settings_call {
    struct shards_call call; /* first */
    struct queue_tasks *q;
    char *account;
    struct account_settings found;
    struct buf text; /* of the found stamp */
    bool is_refused; /* by setting.lua */
    settings_fn fn;
    void *ctx;
};

static struct settings_call *settings_call_new(struct queue_tasks *q, struct slice account,
                                               settings_fn fn, void *ctx)
{
    struct settings_call *c = NEW(struct settings_call);
    shards_call_begin(&c->call, q->loop, q->shards);
    c->q = q;
    c->account = xslicedup(account);
    c->found = (struct account_settings){.delay_ms = -1, .stamp = stamp_none()};
    buf_init(&c->text, STAMP_MAX);
    c->fn = fn;
    c->ctx = ctx;
    return c;
}

static void settings_call_free(struct settings_call *c)
{
    buf_clear(&c->text);
    free(c->account);
    free(c);
}

/* {own, top}, as put.lua reads them. */
static void take_delays(struct settings_call *c, const struct redis_reply *r)
{
    const struct config *conf = c->q->conf;
    const struct config_account *a = map_get(&conf->accounts, slice_str(c->account));
    struct account_settings *s = &c->found;
    const struct redis_reply *own = redis_at(r, 0), *top = redis_at(r, 1);
    s->has_own_delay = redis_kind(own) != REDIS_NIL;
    if (s->has_own_delay)
        s->delay_ms = redis_int(own);
    else if (a && a->settings->has_own_delay)
        s->delay_ms = a->settings->delay_ms;
    else
        s->delay_ms = redis_kind(top) != REDIS_NIL ? redis_int(top) : conf->delay_ms;
}

/* Keeps a copy of the values, which are borrowed for the call. */
static bool take_stamp(struct settings_call *c, const struct redis_reply *r)
{
    for (size_t i = 0; i < FIELDS; i++) {
        struct slice value = redis_text(redis_at(r, i));
        if (redis_kind(redis_at(r, i)) == REDIS_NIL)
            continue;
        if (i == FIELD_MADE) {
            uint64_t at = 0;
            if (text_u64(value, INT64_MAX, &at) == OK)
                c->found.made_at = (wall_ms)at;
            continue;
        }
        if (c->text.len)
            buf_add_char(&c->text, ' ');
        buf_addf(&c->text, "%s=%.*s", fields[i], SLICE_FMT(value));
    }
    return !c->text.failed && stamp_read(buf_slice(&c->text), &c->found.stamp) == OK;
}

static bool settings_on_reply(struct shards_call *call, size_t which, const struct redis_reply *r)
{
    struct settings_call *c = (struct settings_call *)call;
    if (which == ASK_STAMP)
        return redis_count(r) == FIELDS && take_stamp(c, r);
    if (redis_count(r) != 2)
        return false;
    take_delays(c, r);
    return true;
}

static void settings_on_end(struct shards_call *call)
{
    struct settings_call *c = (struct settings_call *)call;
    c->fn(c->ctx, call->rc, call->rc == OK ? &c->found : NULL);
    settings_call_free(c);
}

void queue_tasks_settings(struct queue_tasks *q, struct slice account, settings_fn fn, void *ctx)
{
    struct settings_call *c = settings_call_new(q, account, fn, ctx);
    /* That of the account's tasks: a shard that is away stops only its own. */
    struct shard *shard = shards_at(q->shards, partition_of(account, shards_count(q->shards)));
    struct args a;
    struct buf key;
    c->call.on_reply = settings_on_reply;
    c->call.on_end = settings_on_end;
    args_init(&a, TASKS_ARGS_MAX);
    buf_init(&key, KEY_BYTES);
    keys_account_settings(&key, shard_base(shard), account);
    for (size_t i = 0; i < FIELDS; i++)
        args_add(&a, slice_str(fields[i]));
    shards_call_command(&c->call, ASK_STAMP, shard, "HMGET", buf_slice(&key), &a);
    args_reset(&a);
    buf_reset(&key);
    keys_settings(&key, shard_base(shard));
    size_t mark = args_mark(&a);
    buf_add_str(&a.text, "delay:account:");
    buf_add_slice(&a.text, account);
    args_add_since(&a, mark);
    args_add(&a, SLICE_LIT("delay"));
    shards_call_command(&c->call, ASK_DELAY, shard, "HMGET", buf_slice(&key), &a);
    shards_call_sent(&c->call);
    buf_clear(&key);
    args_clear(&a);
}

static bool change_on_reply(struct shards_call *call, size_t which, const struct redis_reply *r)
{
    (void)which;
    if (redis_kind(r) == REDIS_INT && redis_int(r) == 0)
        ((struct settings_call *)call)->is_refused = true;
    return redis_kind(r) == REDIS_INT;
}

static void change_on_end(struct shards_call *call)
{
    struct settings_call *c = (struct settings_call *)call;
    if (call->rc != OK)
        c->fn(c->ctx, call->rc, NULL);
    else if (c->is_refused)
        c->fn(c->ctx, ERR_INVALID, NULL);
    else
        queue_tasks_settings(c->q, slice_str(c->account), c->fn, c->ctx);
    settings_call_free(c);
}

/* The hash and the field of CHANGE. */
static void add_place(struct args *a, struct slice account, const char *field)
{
    bool is_delay = strcmp(field, SETTING_DELAY) == 0;
    size_t mark = args_mark(a);
    buf_add_str(&a->text, "settings");
    if (!is_delay) {
        buf_add_char(&a->text, ':');
        buf_add_slice(&a->text, account);
    }
    args_add_since(a, mark);
    mark = args_mark(a);
    buf_add_str(&a->text, is_delay ? "delay:account:" : field);
    if (is_delay)
        buf_add_slice(&a->text, account);
    args_add_since(a, mark);
}

void queue_tasks_change(struct queue_tasks *q, struct slice account,
                        const struct setting_change *changes, size_t count, settings_fn fn,
                        void *ctx)
{
    struct settings_call *c = settings_call_new(q, account, fn, ctx);
    struct args a;
    c->call.on_reply = change_on_reply;
    c->call.on_end = change_on_end;
    args_init(&a, TASKS_ARGS_MAX);
    for (size_t i = 0; i < count; i++) {
        add_place(&a, account, changes[i].field);
        args_add(&a, changes[i].value);
    }
    shards_call_all_or_none(&c->call, &q->setting, &a);
    shards_call_sent(&c->call);
    args_clear(&a);
}
