#include "common/ops/router.h"

#include "common/base/text.h"

#include <assert.h>

static const struct {
    const char *name;
    unsigned bit;
} methods[] = {
    {"GET", METHOD_GET}, {"HEAD", METHOD_GET},    {"POST", METHOD_POST},
    {"PUT", METHOD_PUT}, {"PATCH", METHOD_PATCH}, {"DELETE", METHOD_DELETE},
};
#define METHODS (sizeof methods / sizeof *methods)

static unsigned method_bit(struct slice name)
{
    for (size_t i = 0; i < METHODS; i++)
        if (slice_eq(name, slice_str(methods[i].name)))
            return methods[i].bit;
    return 0;
}

static bool is_tree(struct slice pattern)
{
    return pattern.len >= 3 && memcmp(pattern.ptr + pattern.len - 3, "...", 3) == 0;
}

static struct slice skip_slashes(struct slice s)
{
    while (s.len && s.ptr[0] == '/')
        s = slice_skip(s, 1);
    return s;
}

static enum route_verdict add_param(struct slice raw, struct buf *text, struct route_match *m)
{
    assert(m->param_count < ROUTE_PARAMS_MAX);
    size_t from = text->len;
    if (raw.len == 0)
        return ROUTE_NONE;
    enum err rc = text_unpercent(text, raw, false);
    if (rc != OK)
        return rc == ERR_TOO_BIG ? ROUTE_NONE : ROUTE_MALFORMED;
    m->params[m->param_count++] = slice_make(m->text + from, text->len - from);
    return ROUTE_FOUND;
}

static bool begins_key(struct slice segment)
{
    return slice_starts(segment, SLICE_LIT("@")) || slice_starts(segment, SLICE_LIT("%40"));
}

/* Cuts the value of a parameter off *PATH: a segment, or both segments of a key if KEYS says so. */
static struct slice cut_value(struct slice *path, bool keys)
{
    struct slice segment = slice_cut(path, '/');
    if (!keys || !path->ptr || !begins_key(segment))
        return segment;
    struct slice id = slice_cut(path, '/');
    return slice_make(segment.ptr, (size_t)(id.ptr - segment.ptr) + id.len);
}

/* Does PATH fit PATTERN, whatever the method? After slice_cut has returned the last segment, the rest has no `ptr`. */
static enum route_verdict match_path(struct slice pattern, struct slice path, bool keys,
                                     struct route_match *m)
{
    struct buf text = buf_over(m->text);
    bool tree = is_tree(pattern);
    m->param_count = 0;
    if (!slice_starts(path, SLICE_LIT("/")))
        return ROUTE_NONE;
    (void)slice_cut(&pattern, '/');
    (void)slice_cut(&path, '/');
    while (pattern.ptr) {
        struct slice want = slice_cut(&pattern, '/');
        if (tree && !pattern.ptr)
            return ROUTE_FOUND;
        if (tree)
            path = skip_slashes(path);
        if (!path.ptr)
            return ROUTE_NONE;
        bool is_param = want.len && want.ptr[0] == '{';
        struct slice segment = cut_value(&path, keys && is_param);
        enum route_verdict v = is_param                  ? add_param(segment, &text, m)
                               : slice_eq(want, segment) ? ROUTE_FOUND
                                                         : ROUTE_NONE;
        if (v != ROUTE_FOUND)
            return v;
    }
    return path.ptr ? ROUTE_NONE : ROUTE_FOUND;
}

/* The row of PATTERN, from ROWS[I] on, that takes a method of BIT; NULL if none does. Collects what they all take. */
static const struct route *match_method(const struct route *rows, size_t count, size_t i,
                                        unsigned bit, struct route_match *m)
{
    const char *pattern = rows[i].pattern;
    const struct route *found = NULL;
    m->methods = 0;
    for (; i < count; i++) {
        if (strcmp(rows[i].pattern, pattern) != 0)
            continue;
        m->methods |= rows[i].methods;
        if (!found && ((rows[i].methods & bit) || rows[i].methods == METHOD_ANY))
            found = &rows[i];
    }
    return found;
}

static enum route_verdict find(const struct route *rows, size_t count, struct slice method,
                               struct slice path, bool keys, struct route_match *m)
{
    for (size_t i = 0; i < count; i++) {
        enum route_verdict v = match_path(slice_str(rows[i].pattern), path, keys, m);
        if (v == ROUTE_NONE)
            continue;
        if (v != ROUTE_FOUND)
            return v;
        m->route = match_method(rows, count, i, method_bit(method), m);
        return m->route ? ROUTE_FOUND : ROUTE_METHOD;
    }
    return ROUTE_NONE;
}

enum route_verdict route_find(const struct route *rows, size_t count, struct slice method,
                              struct slice path, struct route_match *m)
{
    enum route_verdict v = find(rows, count, method, path, false, m);
    return v == ROUTE_NONE ? find(rows, count, method, path, true, m) : v;
}

void route_add_allow(unsigned bits, struct buf *out)
{
    const char *between = "Allow: ";
    for (size_t i = 0; i < METHODS; i++) {
        if (!(bits & methods[i].bit))
            continue;
        buf_add_str(out, between);
        buf_add_str(out, methods[i].name);
        between = ", ";
    }
    buf_add_str(out, "\r\n");
}
