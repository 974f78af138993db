#include "common/redis/redis_scripts.h"

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/crypto/crypto.h"
#include "common/redis/redis_private.h"

#include <stdlib.h>
#include <string.h>

#define SCRIPT_TRIES_MAX 6 /* NOSCRIPT is handed over after so many */

void redis_script_init(struct redis_script *s, const char *name, const unsigned char *text,
                       size_t len)
{
    *s = (struct redis_script){.name = name, .text = text, .len = len};
    unsigned char sha1[DIGEST_MAX];
    digest_once(DIGEST_SHA1, slice_make(text, len), sha1);
    text_hex(sha1, digest_len(DIGEST_SHA1), s->sha);
}

struct loaded *redis_scripts_find(struct loaded_scripts *all, const struct redis_script *s)
{
    for (size_t i = 0; i < all->count; i++)
        if (memcmp(all->list[i].script.sha, s->sha, sizeof s->sha) == 0)
            return &all->list[i];
    if (all->count == all->cap) {
        all->cap = all->cap ? all->cap * 2 : 16;
        all->list = xrealloc(all->list, all->cap, sizeof *all->list);
    }
    struct loaded *added = &all->list[all->count++];
    *added = (struct loaded){.script = *s, .at = UINT64_MAX};
    return added;
}

void redis_scripts_forget(struct loaded_scripts *all)
{
    all->count = 0;
}

void redis_scripts_clear(struct loaded_scripts *all)
{
    free(all->list);
    *all = (struct loaded_scripts){0};
}

/* ---- loading ---- */

static void script_on_loaded(void *ctx, enum err rc, const struct redis_reply *reply)
{
    const char *name = ctx; /* a literal */
    if (rc == OK && redis_kind(reply) == REDIS_FAILED)
        LOG_RARELY(LL_ERROR, "redis.script_refused", LS("script", name),
                   LSL("reply", redis_text(reply)));
}

void redis_load_script(struct redis *r, struct loaded *l)
{
    l->at = r->out.end;
    const struct redis_script *s = &l->script;
    struct slice argv[] = {SLICE_LIT("SCRIPT"), SLICE_LIT("LOAD"), slice_make(s->text, s->len)};
    redis_send(r, argv, 3, script_on_loaded, (void *)(uintptr_t)s->name);
}

/* ---- staged texts ---- */

#define STAGED_MS                                                                                  \
    "60000" /* longer than any call waits, also one that is sent to another server of a cluster */

static void stage_on_reply(void *ctx, enum err rc, const struct redis_reply *reply)
{
    (void)ctx;
    if (rc == OK && redis_kind(reply) == REDIS_FAILED)
        LOG_RARELY(LL_WARN, "redis.stage_refused", LSL("reply", redis_text(reply)));
}

static size_t stage_size(const struct redis_stage *s)
{
    return s ? s->head.len + s->tail.len : 0;
}

/* Behind it the script finds the text, or nothing if Redis has refused it. */
static void write_stage(struct redis *r, const struct redis_stage *s)
{
    const struct slice before[] = {SLICE_LIT("SET"), s->key},
                       after[] = {SLICE_LIT("PX"), SLICE_LIT(STAGED_MS)};
    size_t text = stage_size(s), copied = s->taken ? s->head.len : text;
    redis_out_open(&r->out, 5,
                   redis_out_sizes(before, 2) + redis_out_frame(slice_make(NULL, text)) + copied +
                       redis_out_sizes(after, 2));
    redis_out_arg(&r->out, before[0]);
    redis_out_arg(&r->out, before[1]);
    redis_out_join(&r->out, s->head, s->tail, s->taken != NULL);
    redis_out_arg(&r->out, after[0]);
    redis_out_arg(&r->out, after[1]);
    redis_book(r, (struct pending){.fn = stage_on_reply, .may_move = true});
}

/* ---- calls of scripts ---- */

static void write_args(struct out *o, const struct slice *args, size_t n)
{
    for (size_t i = 0; i < n; i++)
        redis_out_arg(o, args[i]);
}

enum err redis_eval(struct redis *r, const struct redis_call *c)
{
    char text[24];
    struct buf count = buf_over(text);
    buf_add_u64(&count, c->key_count);
    const struct slice head[] = {SLICE_LIT("EVALSHA"), slice_make(c->script->sha, 40),
                                 buf_slice(&count)};
    size_t size = redis_out_sizes(head, 3) + redis_out_sizes(c->lead, c->lead_count) +
                  redis_out_sizes(c->argv, c->argc);
    enum err rc = redis_admit(r, size + stage_size(c->stage));
    bool waits = c->script->is_acknowledged && r->conf.wait_replicas;
    if (rc == OK && c->script->is_acknowledged && !redis_confirm_admits(r))
        rc = ERR_UNAVAIL;
    if (rc != OK) {
        if (c->stage)
            free(c->stage->taken);
        return rc;
    }
    struct loaded *l = redis_scripts_find(&r->loaded, c->script);
    if (l->at == UINT64_MAX)
        redis_load_script(r, l);
    if (c->stage)
        write_stage(r, c->stage);
    redis_out_open(&r->out, 3 + c->lead_count + c->argc, size);
    write_args(&r->out, head, 3);
    write_args(&r->out, c->lead, c->lead_count);
    write_args(&r->out, c->argv, c->argc);
    if (waits)
        redis_confirm_note(r, c->confirm_key);
    redis_book(r, (struct pending){.fn = c->fn,
                                   .ctx = c->ctx,
                                   .script = c->script,
                                   .tries = 1,
                                   .may_move = true,
                                   .waits = waits,
                                   .confirm_key = c->confirm_key});
    return OK;
}

bool redis_script_again(struct redis *r, const struct pending *item, uint64_t start,
                        const struct redis_reply *reply)
{
    if (redis_kind(reply) != REDIS_FAILED || item->tries >= SCRIPT_TRIES_MAX ||
        !slice_starts(redis_text(reply), SLICE_LIT("NOSCRIPT")))
        return false;
    struct loaded *l = redis_scripts_find(&r->loaded, item->script);
    /* The call ran behind the last load, so the server has forgotten the script since. From the second time on the
     * load goes right before the call, so that hardly anything can come between them. */
    if (start >= l->at || item->tries > 1) {
        LOG_RARELY(LL_INFO, "redis.script_loaded_again", LS("script", item->script->name));
        redis_load_script(r, l);
    }
    redis_out_repeat(&r->out, start, item->end);
    struct pending repeat = *item;
    repeat.tries++;
    if (repeat.waits)
        r->confirm.is_due = true;
    redis_book(r, repeat);
    return true;
}
