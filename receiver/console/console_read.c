/* Reads the query and the body of a call. */
#include "common/base/text.h"
#include "common/json/json_scan.h"
#include "receiver/console/console_private.h"

#define WHY_MAX 160

MUST_CHECK static enum flow read_refuse(struct ops_call *c, const char *what, struct slice name,
                                        const char *why)
{
    char text[WHY_MAX];
    struct buf out = buf_over(text);
    buf_addf(&out, "%s '", what);
    buf_add_slice(&out, slice_head(name, 40));
    buf_addf(&out, "' %s", why);
    console_error(c, 400, "bad_request", text);
    return ENDED;
}

static struct console_param *find_param(struct console_param *params, size_t count,
                                        struct slice name)
{
    for (size_t i = 0; i < count; i++)
        if (slice_eq(name, slice_str(params[i].name)))
            return &params[i];
    return NULL;
}

/* Takes one "name=value" of the query. TEXT has room for the whole query, so that it never moves. */
MUST_CHECK static enum flow read_pair(struct ops_call *c, struct slice pair,
                                      struct console_param *params, size_t count, struct buf *text)
{
    struct slice value = pair;
    struct slice name = slice_cut(&value, '=');
    struct console_param *p = find_param(params, count, name);
    if (!p)
        return read_refuse(c, "the parameter", name, "is not known here");
    if (p->is_given)
        return read_refuse(c, "the parameter", name, "is there twice");
    size_t mark = text->len;
    if (text_unpercent(text, value, true) != OK || text->failed)
        return read_refuse(c, "the parameter", name, "has a broken escape");
    p->is_given = true;
    p->value = slice_skip(buf_slice(text), mark);
    if (!text_is_utf8(p->value) || text_has_control(p->value))
        return read_refuse(c, "the parameter", name, "is no text");
    return GO_ON;
}

enum flow console_read_query(struct ops_call *c, struct console_param *params, size_t count,
                             struct buf *text)
{
    struct slice query = c->http ? http_query(c->http) : SLICE_LIT("");
    buf_init(text, query.len + 1);
    buf_reserve(text, query.len + 1);
    while (query.len) {
        struct slice pair = slice_cut(&query, '&');
        if (pair.len && read_pair(c, pair, params, count, text) == ENDED) {
            buf_clear(text);
            return ENDED;
        }
    }
    return GO_ON;
}

enum flow console_takes_no_query(struct ops_call *c)
{
    struct console_param none[1];
    struct buf text;
    if (console_read_query(c, none, 0, &text) == ENDED)
        return ENDED;
    buf_clear(&text);
    return GO_ON;
}

enum flow console_read_limit(struct ops_call *c, const struct console_param *p, size_t *limit)
{
    uint64_t n = CONSOLE_PAGE;
    if (p->is_given && (text_u64(p->value, CONSOLE_PAGE_MAX, &n) != OK || n == 0))
        return read_refuse(c, "the parameter", slice_str(p->name),
                           "must be a number from 1 to 1000");
    *limit = (size_t)n;
    return GO_ON;
}

enum flow console_read_moment(struct ops_call *c, const struct console_param *p, wall_ms *at)
{
    uint64_t ms;
    if (!p->is_given)
        return GO_ON;
    if (text_u64(p->value, CONSOLE_LAST_MOMENT, &ms) == OK)
        *at = (wall_ms)ms;
    else if (!clock_read_iso(p->value.ptr, p->value.len, at))
        return read_refuse(c, "the parameter", slice_str(p->name),
                           "must be a moment: RFC 3339 such as 2026-11-21T02:15:49Z, or "
                           "milliseconds since 1970");
    return GO_ON;
}

bool console_is_name(struct slice s)
{
    struct slice rest = s, head = slice_cut(&rest, '@');
    return name_is_valid(head) && (head.len == s.len || name_is_valid(rest));
}

enum flow console_read_body(struct ops_call *c, struct json_member *members, size_t count)
{
    struct slice body = json_cut_trim(buf_slice(&c->body));
    if (!body.len)
        return GO_ON;
    struct json_cut cut;
    if (!json_scan_accepts(body) || json_cut_kind(body) != '{' || !json_cut_open(body, &cut)) {
        console_error(c, 400, "bad_request", "the body must be one JSON object");
        return ENDED;
    }
    struct slice key, value;
    while (json_cut_next(&cut, &key, &value)) {
        size_t i = 0;
        while (i < count && !slice_eq(key, slice_str(members[i].name)))
            i++;
        if (i == count)
            return read_refuse(c, "the member", key, "is not known here");
        if (members[i].times++)
            return read_refuse(c, "the member", key, "is there twice");
        members[i].value = value;
    }
    return GO_ON;
}

void console_write_moment(struct json_write *w, const char *name, wall_ms at)
{
    char iso[CLOCK_ISO_LEN + 1];
    if (at <= 0) {
        jw_null(w, name);
        return;
    }
    clock_iso(at, iso);
    jw_plain(w, name, slice_str(iso));
}
