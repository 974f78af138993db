#include "common/json/json_cut.h"

#include "common/base/text.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static struct slice skip_space(struct slice s)
{
    size_t n = 0;
    while (n < s.len && is_space(s.ptr[n]))
        n++;
    return slice_skip(s, n);
}

/* A body may begin with a byte order mark. */
static struct slice skip_mark(struct slice s)
{
    return slice_starts(s, SLICE_LIT("\xef\xbb\xbf")) ? slice_skip(s, 3) : s;
}

struct slice json_cut_trim(struct slice text)
{
    text = skip_space(skip_mark(text));
    while (text.len && is_space(text.ptr[text.len - 1]))
        text.len--;
    return text;
}

char json_cut_kind(struct slice value)
{
    value = skip_space(skip_mark(value));
    return value.len ? value.ptr[0] : '\0';
}

static struct slice span(struct slice text, size_t from, size_t to)
{
    return slice_make(text.ptr + from, to - from);
}

bool json_cut_open(struct slice value, struct json_cut *c)
{
    char kind = json_cut_kind(value);
    if (kind != '[' && kind != '{')
        return false;
    *c = (struct json_cut){.text = value, .rest = value, .is_object = kind == '{'};
    json_events_start(&c->events, &json_rules_body, 1, NULL);
    return true;
}

bool json_cut_next(struct json_cut *c, struct slice *key, struct slice *value)
{
    size_t begin = 0;
    for (;;) {
        enum json_event event = json_events_next(&c->events, &c->rest);
        if (event == JSON_EVENT_NONE || event == JSON_EVENT_WRONG)
            return false;
        if (event == JSON_EVENT_KEY && key)
            *key = span(c->text, c->events.token + 1, c->events.offset - 1);
        if (event == JSON_EVENT_BEGIN)
            begin = c->events.token;
        if (event == JSON_EVENT_END && c->events.depth == 1) {
            *value = span(c->text, begin, c->events.offset);
            return true;
        }
    }
}

size_t json_cut_count(struct slice value)
{
    struct json_cut c;
    struct slice key, one;
    size_t n = 0;
    if (json_cut_open(value, &c))
        while (json_cut_next(&c, &key, &one))
            n++;
    return n;
}

bool json_cut_is_list(struct slice value, size_t *count)
{
    struct json_cut c;
    struct slice key, one;
    uint64_t n = 0, index;
    if (!json_cut_open(value, &c))
        return false;
    for (; json_cut_next(&c, &key, &one); n++)
        if (c.is_object &&
            (text_u64(key, n, &index) != OK || index != n || (key.len > 1 && key.ptr[0] == '0')))
            return false;
    *count = (size_t)n;
    return !c.is_object || n > 0;
}

void json_cut_members(struct slice text, struct json_member *members, size_t count)
{
    struct json_cut c;
    struct slice key = {0}, value;
    for (size_t i = 0; i < count; i++) {
        members[i].value = slice_make("", 0);
        members[i].times = 0;
    }
    if (!json_cut_open(text, &c) || !c.is_object)
        return;
    while (json_cut_next(&c, &key, &value))
        for (size_t i = 0; i < count; i++)
            if (slice_eq(key, slice_str(members[i].name))) {
                members[i].value = value;
                members[i].times++;
            }
}

struct slice json_cut_member(struct slice text, const char *name)
{
    struct json_member m = {.name = name};
    json_cut_members(text, &m, 1);
    return m.value;
}

static void add_without_space(struct buf *out, struct slice s)
{
    for (s = skip_space(s); s.len; s = skip_space(s)) {
        size_t n = 0;
        while (n < s.len && !is_space(s.ptr[n]))
            n++;
        buf_add(out, s.ptr, n);
        s = slice_skip(s, n);
    }
}

void json_cut_compact(struct buf *out, struct slice value)
{
    struct json_events events;
    struct slice rest = value;
    size_t done = 0;
    enum json_event event;
    json_events_start(&events, &json_rules_body, JSON_DEPTH_MAX, NULL);
    while ((event = json_events_next(&events, &rest)) != JSON_EVENT_NONE &&
           event != JSON_EVENT_WRONG) {
        bool is_string = event == JSON_EVENT_END && events.kind == '"';
        if (event != JSON_EVENT_KEY && !is_string)
            continue;
        add_without_space(out, span(value, done, events.token));
        buf_add_slice(out, span(value, events.token, events.offset));
        done = events.offset;
    }
    add_without_space(out, slice_skip(value, done));
}
