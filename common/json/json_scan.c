#include "common/json/json_scan.h"

#include "common/base/alloc.h"
#include "common/base/text.h"
#include "common/json/json_text.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <yajl/yajl_parse.h>

/* --- pointers --- */

struct token {
    char *text; /* ~0 and ~1 decoded */
    size_t len;
    int64_t index; /* as an array index, or -1 */
};

struct pick {
    struct token *tokens;
    size_t count;
};

struct json_picks {
    struct pick picks[JSON_SCAN_PICKS];
    size_t count;
};

typedef uint16_t pick_set; /* bit I: pick I */
_Static_assert(JSON_SCAN_PICKS <= 16, "pick_set is 16 bits wide");

static int64_t array_index(struct slice token)
{
    uint64_t v;
    if (token.len > 1 && token.ptr[0] == '0')
        return -1; /* RFC 6901 4: no leading zeros */
    return text_u64(token, INT32_MAX, &v) == OK ? (int64_t)v : -1;
}

static enum err parse_token(struct slice raw, struct token *out)
{
    struct buf b;
    buf_init(&b, JSON_SCAN_VALUE_MAX);
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.ptr[i];
        if (c == '~') {
            char next = i + 1 < raw.len ? raw.ptr[++i] : 0;
            if (next != '0' && next != '1') {
                buf_clear(&b);
                return ERR_INVALID;
            }
            c = next == '0' ? '~' : '/';
        }
        buf_add_char(&b, c);
    }
    if (b.failed || !text_is_utf8(buf_slice(&b))) {
        buf_clear(&b);
        return ERR_INVALID;
    }
    out->text = buf_take(&b, &out->len);
    out->index = array_index(slice_make(out->text, out->len));
    return OK;
}

static enum err parse_pointer(struct slice rest, struct pick *out, struct error *e)
{
    struct slice whole = rest;
    if (rest.len == 0)
        return OK; /* the whole document */
    if (rest.ptr[0] != '/')
        return fail(e, ERR_INVALID, "\"%.*s\" is not a JSON pointer: it must start with /",
                    SLICE_FMT(whole));
    rest = slice_skip(rest, 1);
    while (rest.ptr) {
        if (out->count == JSON_SCAN_DEPTH)
            return fail(e, ERR_INVALID, "a JSON pointer has at most %d parts", JSON_SCAN_DEPTH);
        out->tokens = xrealloc(out->tokens, out->count + 1, sizeof *out->tokens);
        if (parse_token(slice_cut(&rest, '/'), &out->tokens[out->count]) != OK)
            return fail(e, ERR_INVALID,
                        "\"%.*s\" is not a JSON pointer: ~ is written ~0, / is written ~1",
                        SLICE_FMT(whole));
        out->count++;
    }
    return OK;
}

enum err json_picks_new(const char *const *pointers, size_t n, struct json_picks **out,
                        struct error *e)
{
    if (n > JSON_SCAN_PICKS)
        return fail(e, ERR_TOO_BIG, "at most %d JSON pointers", JSON_SCAN_PICKS);
    struct json_picks *p = NEW(struct json_picks);
    for (; p->count < n; p->count++) {
        enum err rc = parse_pointer(slice_str(pointers[p->count]), &p->picks[p->count], e);
        if (rc != OK) {
            p->count++;
            json_picks_free(p);
            return rc;
        }
    }
    *out = p;
    return OK;
}

void json_picks_free(struct json_picks *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->count; i++) {
        for (size_t k = 0; k < p->picks[i].count; k++)
            free(p->picks[i].tokens[k].text);
        free(p->picks[i].tokens);
    }
    free(p);
}

/* --- the scan --- */

struct frame { /* an open object or array */
    bool is_array;
    int64_t next_index;
    pick_set active; /* the path to here is how these pointers begin */
    pick_set hit;    /* the current member continues these pointers */
    pick_set seen;   /* these found their key in this object before */
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
    struct picked picked[JSON_SCAN_PICKS];
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

/* The set of the active pointers whose next part, number DEPTH, is KEY or (KEY NULL) INDEX. */
static pick_set continues(const struct json_scan *s, pick_set active, size_t depth,
                          const struct slice *key, int64_t index)
{
    pick_set hit = 0;
    for (size_t i = 0; active; i++, active = (pick_set)(active >> 1)) {
        if (!(active & 1))
            continue;
        const struct token *t = &s->picks->picks[i].tokens[depth];
        if (key ? slice_eq(*key, slice_make(t->text, t->len)) : t->index == index)
            hit |= (pick_set)(1u << i);
    }
    return hit;
}

/* A value begins. Keeps it for the pointers that end here; returns those that go on inside. */
static pick_set value(struct json_scan *s, enum json_pick_state state, struct slice text)
{
    struct frame *f = &s->frames[s->depth];
    if (f->is_array) {
        f->hit = f->active ? continues(s, f->active, s->depth - 1, NULL, f->next_index) : 0;
        f->next_index++;
    }
    pick_set inside = 0;
    pick_set hit = f->hit;
    for (size_t i = 0; hit; i++, hit = (pick_set)(hit >> 1)) {
        if (!(hit & 1))
            continue;
        if (s->picks->picks[i].count == s->depth)
            keep(s, i, state, text);
        else
            inside |= (pick_set)(1u << i);
    }
    return inside;
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
    pick_set inside = value(s, JSON_PICK_OTHER, SLICE_LIT(""));
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
    f->hit = continues(s, f->active, s->depth - 1, &key, 0);
    for (size_t i = 0; i < s->picks->count; i++)
        if (f->hit & f->seen & (1u << i))
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
    buf_init(&s->values, JSON_SCAN_PICKS * JSON_SCAN_VALUE_MAX);
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
    size_t count = picks ? picks->count : 0;
    s->frames[0] = (struct frame){.hit = (pick_set)((1u << count) - 1)};
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
    assert(s->picks && i < s->picks->count);
    const struct picked *p = &s->picked[i];
    if (p->state == JSON_PICK_TEXT)
        *value = slice_make(buf_slice(&s->values).ptr + p->at, p->len);
    return p->state;
}
