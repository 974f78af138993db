#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/crypto/crypto.h"
#include "common/redis/redis_private.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* Each connection gives the server a script (SCRIPT LOAD) before its first EVALSHA of it, in the
 * same write. NOSCRIPT then only comes after SCRIPT FLUSH or on a server that forgets scripts; the
 * command's bytes are still there (struct out), so it is sent again behind another SCRIPT LOAD.
 * Loading rather than EVAL, because a thousand EVALSHAs in flight would otherwise come back with
 * the text in each. */

#define TRIES_MAX 6

void redis_script_init(struct redis_script *s, const char *name, const unsigned char *text,
                       size_t len)
{
    *s = (struct redis_script){.name = name, .text = text, .len = len};
    unsigned char sha1[DIGEST_MAX];
    digest_once(DIGEST_SHA1, slice_make(text, len), sha1);
    text_hex(sha1, digest_len(DIGEST_SHA1), s->sha);
}

static struct loaded *find_loaded(struct redis *r, const struct redis_script *s)
{
    for (size_t i = 0; i < r->loaded_count; i++)
        if (r->loaded[i].script == s)
            return &r->loaded[i];
    if (r->loaded_count == r->loaded_cap) {
        r->loaded_cap = r->loaded_cap ? r->loaded_cap * 2 : 16;
        r->loaded = xrealloc(r->loaded, r->loaded_cap, sizeof *r->loaded);
    }
    struct loaded *added = &r->loaded[r->loaded_count++];
    *added = (struct loaded){.script = s, .at = UINT64_MAX};
    return added;
}

static void on_loaded(void *ctx, enum err rc, const struct redis_reply *reply)
{
    const struct redis_script *s = ctx;
    if (rc == OK && redis_kind(reply) == REDIS_FAILED)
        LOG_RARELY(LL_ERROR, "redis.script_refused", LS("script", s->name),
                   LSL("reply", redis_text(reply)));
}

static void load(struct redis *r, struct loaded *l)
{
    l->at = r->out.end;
    const struct redis_script *s = l->script;
    struct slice argv[] = {SLICE_LIT("SCRIPT"), SLICE_LIT("LOAD"), slice_make(s->text, s->len)};
    redis_send(r, argv, 3, on_loaded, (void *)(uintptr_t)s);
}

/* The bytes that the call takes, those of its memory included. */
static size_t call_size(const struct slice *head, size_t head_count, const struct redis_call *c)
{
    return redis_sizes(head, head_count) + redis_sizes(c->lead, c->lead_count) +
           redis_sizes(c->argv, c->argc);
}

/* How many of them are not copied. */
static size_t taken_size(const struct redis_call *c)
{
    size_t size = 0;
    for (size_t i = 0; c->taken && i < c->argc; i++)
        if (c->argv[i].ptr == c->taken)
            size += c->argv[i].len;
    return size;
}

static void write_call(struct out *o, const struct redis_call *c)
{
    for (size_t i = 0; i < c->lead_count; i++)
        redis_out_arg(o, c->lead[i]);
    for (size_t i = 0; i < c->argc; i++) {
        if (c->taken && c->argv[i].ptr == c->taken)
            redis_out_take(o, c->argv[i]);
        else
            redis_out_arg(o, c->argv[i]);
    }
}

enum err redis_eval(struct redis *r, const struct redis_call *c)
{
    char count[24];
    int len = snprintf(count, sizeof count, "%zu", c->key_count);
    const struct slice head[] = {SLICE_LIT("EVALSHA"), slice_make(c->script->sha, 40),
                                 slice_make(count, (size_t)len)};
    size_t size = call_size(head, 3, c);
    enum err rc = redis_admit(r, size);
    if (rc != OK) {
        free(c->taken);
        return rc;
    }
    struct loaded *l = find_loaded(r, c->script);
    if (l->at == UINT64_MAX)
        load(r, l);
    redis_out_open(&r->out, 3 + c->lead_count + c->argc, size - taken_size(c));
    for (size_t i = 0; i < 3; i++)
        redis_out_arg(&r->out, head[i]);
    write_call(&r->out, c);
    redis_book(r, c->fn, c->ctx, c->script, 1);
    return OK;
}

bool redis_script_again(struct redis *r, const struct pending *item, uint64_t start,
                        const struct redis_reply *reply)
{
    if (redis_kind(reply) != REDIS_FAILED || item->tries >= TRIES_MAX ||
        !slice_starts(redis_text(reply), SLICE_LIT("NOSCRIPT")))
        return false;
    struct loaded *l = find_loaded(r, item->script);
    /* It ran behind the last load: the server has forgotten since. The second time the load goes
     * right before the call, so that hardly anything can come between them. */
    if (start >= l->at || item->tries > 1) {
        LOG_RARELY(LL_INFO, "redis.script_loaded_again", LS("script", item->script->name));
        load(r, l);
    }
    redis_out_repeat(&r->out, start, item->end);
    redis_book(r, item->fn, item->ctx, item->script, item->tries + 1);
    return true;
}
