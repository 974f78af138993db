#include "common/json/json_scan.h"

#include "common/base/alloc.h"
#include "common/json/json_text.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <yajl/yajl_parse.h>

_Static_assert(JSON_PICKS_PARTS == JSON_SCAN_DEPTH, "a pointer leads as deep as a document goes");

struct frame { /* an open object or array */
    bool is_array;
    int64_t next_index;
    json_pick_set active; /* the path to here is how these pointers begin */
    json_pick_set hit;    /* the current member continues these pointers */
    json_pick_set seen;   /* these found their key in this object before */
};

#define ARENA_BYTES 8192

struct picked {
    enum json_pick_state state;
    size_t at, len; /* in values */
};

struct json_scan {
    const struct json_picks *picks;
    yajl_handle yajl;
    struct json_text text;
    size_t consumed; /* bytes before the piece at hand */
    size_t depth;
    const char *refused;                      /* why a callback stopped yajl */
    struct frame frames[JSON_SCAN_DEPTH + 1]; /* [0] stands around the document */
    struct picked picked[JSON_PICKS_MAX];
    struct buf values;
    /* yajl has no reset, and makes five allocations a document: they come from here. */
    size_t arena_used;
    _Alignas(16) char arena[ARENA_BYTES];
};

struct chunk_head { /* in front of every allocation, which keeps it 16-aligned */
    size_t size;
    size_t unused;
};

static bool in_arena(const struct json_scan *s, const void *ptr)
{
    return (uintptr_t)ptr >= (uintptr_t)s->arena &&
           (uintptr_t)ptr < (uintptr_t)s->arena + ARENA_BYTES;
}

static void *arena_malloc(void *ctx, size_t size)
{
    struct json_scan *s = ctx;
    size_t need = sizeof(struct chunk_head) + ((size + 15) & ~(size_t)15);
    struct chunk_head *head;
    if (need <= ARENA_BYTES - s->arena_used) {
        head = (struct chunk_head *)(void *)(s->arena + s->arena_used);
        s->arena_used += need;
    } else {
        head = xrealloc(NULL, need, 1);
    }
    head->size = size;
    return head + 1;
}

static void arena_free(void *ctx, void *ptr)
{
    if (ptr && !in_arena(ctx, ptr))
        free((struct chunk_head *)ptr - 1);
}

static void *arena_realloc(void *ctx, void *ptr, size_t size)
{
    void *to = arena_malloc(ctx, size);
    if (ptr) {
        size_t old = ((struct chunk_head *)ptr - 1)->size;
        memcpy(to, ptr, old < size ? old : size);
        arena_free(ctx, ptr);
    }
    return to;
}

static void keep(struct json_scan *s, size_t i, enum json_pick_state state, struct slice value)
{
    struct picked *p = &s->picked[i];
    if (p->state == JSON_PICK_TWICE)
        return;
    p->state = state;
    if (state != JSON_PICK_TEXT)
        return;
    if (value.len > JSON_SCAN_VALUE_MAX) {
        p->state = JSON_PICK_TOO_LONG;
        return;
    }
    p->at = s->values.len;
    p->len = value.len;
    buf_add_slice(&s->values, value);
    assert(!s->values.failed);
}

/* A value begins. Keeps it for the pointers that end here; returns those that go on inside. */
static json_pick_set value(struct json_scan *s, enum json_pick_state state, struct slice text)
{
    struct frame *f = &s->frames[s->depth];
    if (f->is_array) {
        f->hit =
            f->active ? json_picks_next(s->picks, f->active, s->depth - 1, NULL, f->next_index) : 0;
        f->next_index++;
    }
    if (!f->hit)
        return 0;
    json_pick_set ended = json_picks_ended(s->picks, f->hit, s->depth);
    for (size_t i = 0; ended >> i; i++)
        if (ended >> i & 1)
            keep(s, i, state, text);
    return (json_pick_set)(f->hit & ~ended);
}

static int on_null(void *ctx)
{
    value(ctx, JSON_PICK_MISSING, SLICE_LIT(""));
    return 1;
}

static int on_boolean(void *ctx, int b)
{
    value(ctx, JSON_PICK_TEXT, b ? SLICE_LIT("true") : SLICE_LIT("false"));
    return 1;
}

/* The same limit for those in one piece: what is said to a body does not depend on how it was cut. */
static int on_number(void *ctx, const char *text, size_t len)
{
    struct json_scan *s = ctx;
    if (len > JSON_TEXT_NUMBER_MAX) {
        s->refused = "number too long";
        return 0;
    }
    value(ctx, JSON_PICK_TEXT, slice_make(text, len));
    return 1;
}

static int on_string(void *ctx, const unsigned char *text, size_t len)
{
    value(ctx, JSON_PICK_TEXT, slice_make(text, len));
    return 1;
}

static int open_frame(struct json_scan *s, bool is_array)
{
    json_pick_set inside = value(s, JSON_PICK_OTHER, SLICE_LIT(""));
    if (s->depth == JSON_SCAN_DEPTH) {
        s->refused = "nested too deep";
        return 0;
    }
    s->frames[++s->depth] = (struct frame){.is_array = is_array, .active = inside};
    return 1;
}

static int on_open_object(void *ctx)
{
    return open_frame(ctx, false);
}

static int on_open_array(void *ctx)
{
    return open_frame(ctx, true);
}

static int on_close(void *ctx)
{
    struct json_scan *s = ctx;
    s->depth--;
    return 1;
}

static int on_key(void *ctx, const unsigned char *text, size_t len)
{
    struct json_scan *s = ctx;
    struct frame *f = &s->frames[s->depth];
    if (!f->active)
        return 1;
    struct slice key = slice_make(text, len);
    f->hit = json_picks_next(s->picks, f->active, s->depth - 1, &key, 0);
    json_pick_set twice = f->hit & f->seen;
    for (size_t i = 0; twice >> i; i++)
        if (twice >> i & 1)
            s->picked[i].state = JSON_PICK_TWICE;
    f->seen |= f->hit;
    return 1;
}

static const yajl_callbacks callbacks = {
    .yajl_null = on_null,
    .yajl_boolean = on_boolean,
    .yajl_number = on_number, /* with this set yajl converts nothing: ids keep their digits */
    .yajl_string = on_string,
    .yajl_start_map = on_open_object,
    .yajl_map_key = on_key,
    .yajl_end_map = on_close,
    .yajl_start_array = on_open_array,
    .yajl_end_array = on_close,
};

struct json_scan *json_scan_new(const struct json_picks *picks)
{
    struct json_scan *s = NEW(struct json_scan);
    buf_init(&s->values, JSON_PICKS_MAX * JSON_SCAN_VALUE_MAX);
    json_scan_reset(s, picks);
    return s;
}

void json_scan_free(struct json_scan *s)
{
    if (!s)
        return;
    if (s->yajl)
        yajl_free(s->yajl);
    buf_clear(&s->values);
    free(s);
}

void json_scan_reset(struct json_scan *s, const struct json_picks *picks)
{
    if (s->yajl)
        yajl_free(s->yajl);
    s->arena_used = 0;
    yajl_alloc_funcs funcs = {
        .malloc = arena_malloc, .realloc = arena_realloc, .free = arena_free, .ctx = s};
    s->yajl = yajl_alloc(&callbacks, &funcs, s);
    assert(s->yajl);
    /* json_text checks strings, and more strictly. */
    yajl_config(s->yajl, yajl_dont_validate_strings, 1);
    s->text = (struct json_text){0};
    s->picks = picks;
    s->consumed = 0;
    s->depth = 0;
    s->refused = NULL;
    s->frames[0] = (struct frame){.hit = (json_pick_set)((1u << json_picks_count(picks)) - 1)};
    memset(s->picked, 0, sizeof s->picked);
    buf_reset(&s->values);
}

static enum err refuse(struct json_scan *s, size_t at, struct error *e)
{
    if (s->refused)
        return fail(e, ERR_INVALID, "%s (byte %zu)", s->refused, at);
    unsigned char *why = yajl_get_error(s->yajl, 0, NULL, 0);
    size_t len = strcspn((const char *)why, "\n");
    enum err rc = fail(e, ERR_INVALID, "%.*s (byte %zu)", (int)len, (const char *)why, at);
    yajl_free_error(s->yajl, why);
    return rc;
}

enum err json_scan_feed(struct json_scan *s, struct slice bytes, struct error *e)
{
    struct slice rest = bytes;
    while (rest.len) {
        struct slice span;
        const char *wrong = json_text_next(&s->text, &rest, &span);
        size_t before = s->consumed + (size_t)(span.ptr - bytes.ptr);
        if (span.len &&
            yajl_parse(s->yajl, (const unsigned char *)span.ptr, span.len) != yajl_status_ok)
            return refuse(s, before + yajl_get_bytes_consumed(s->yajl), e);
        if (wrong)
            return fail(e, ERR_INVALID, "%s (byte %zu)", wrong, before + span.len);
    }
    s->consumed += bytes.len;
    return OK;
}

enum err json_scan_end(struct json_scan *s, struct error *e)
{
    /* yajl does not notice one that begins behind the document: to it the token is not there yet. */
    if (s->text.in_string)
        return fail(e, ERR_INVALID, "ends inside of a string (byte %zu)", s->consumed);
    if (yajl_complete_parse(s->yajl) != yajl_status_ok)
        return refuse(s, s->consumed, e);
    return OK;
}

bool json_scan_accepts(struct slice text)
{
    struct json_scan *s = json_scan_new(NULL);
    struct error e;
    bool ok = json_scan_feed(s, text, &e) == OK && json_scan_end(s, &e) == OK;
    json_scan_free(s);
    return ok;
}

enum json_pick_state json_scan_pick(const struct json_scan *s, size_t i, struct slice *value)
{
    assert(i < json_picks_count(s->picks));
    const struct picked *p = &s->picked[i];
    if (p->state == JSON_PICK_TEXT)
        *value = slice_make(buf_slice(&s->values).ptr + p->at, p->len);
    return p->state;
}
