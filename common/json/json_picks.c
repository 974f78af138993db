#include "common/json/json_picks.h"

#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/base/text.h"

#include <assert.h>
#include <stdlib.h>

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
    struct pick picks[JSON_PICKS_MAX];
    size_t count;
};

_Static_assert(JSON_PICKS_MAX <= 16, "json_pick_set is 16 bits wide");

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
    buf_init(&b, JSON_PICKS_PART_MAX);
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
        if (out->count == JSON_PICKS_PARTS)
            return fail(e, ERR_INVALID, "a JSON pointer has at most %d parts", JSON_PICKS_PARTS);
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
    if (n > JSON_PICKS_MAX)
        return fail(e, ERR_TOO_BIG, "at most %d JSON pointers", JSON_PICKS_MAX);
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

size_t json_picks_count(const struct json_picks *p)
{
    return p ? p->count : 0;
}

json_pick_set json_picks_next(const struct json_picks *p, json_pick_set active, size_t depth,
                              const struct slice *key, int64_t index)
{
    json_pick_set hit = 0;
    for (size_t i = 0; active; i++, active = (json_pick_set)(active >> 1)) {
        if (!(active & 1))
            continue;
        assert(depth < p->picks[i].count);
        const struct token *t = &p->picks[i].tokens[depth];
        if (key ? slice_eq(*key, slice_make(t->text, t->len)) : t->index == index)
            hit |= (json_pick_set)(1u << i);
    }
    return hit;
}

json_pick_set json_picks_ended(const struct json_picks *p, json_pick_set active, size_t depth)
{
    json_pick_set ended = 0;
    for (size_t i = 0; active; i++, active = (json_pick_set)(active >> 1))
        if ((active & 1) && p->picks[i].count == depth)
            ended |= (json_pick_set)(1u << i);
    return ended;
}
