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

struct slice json_cut_trim(struct slice text)
{
    text = skip_space(text);
    while (text.len && is_space(text.ptr[text.len - 1]))
        text.len--;
    return text;
}

char json_cut_kind(struct slice value)
{
    value = skip_space(value);
    return value.len ? value.ptr[0] : '\0';
}

/* Length of the string at the start of S, with its quotes. */
static size_t string_len(struct slice s)
{
    size_t i = 1;
    while (i < s.len && s.ptr[i] != '"')
        i += s.ptr[i] == '\\' ? 2 : 1;
    return i < s.len ? i + 1 : s.len;
}

/* Length of the array or object at the start of S. */
static size_t nested_len(struct slice s)
{
    size_t depth = 0, i = 0;
    while (i < s.len) {
        char c = s.ptr[i];
        if (c == '"') {
            i += string_len(slice_skip(s, i));
            continue;
        }
        i++;
        if (c == '[' || c == '{')
            depth++;
        else if ((c == ']' || c == '}') && --depth == 0)
            return i;
    }
    return i;
}

static size_t value_len(struct slice s)
{
    if (!s.len)
        return 0;
    if (s.ptr[0] == '"')
        return string_len(s);
    if (s.ptr[0] == '[' || s.ptr[0] == '{')
        return nested_len(s);
    size_t i = 0;
    while (i < s.len && !is_space(s.ptr[i]) && !strchr(",]}:", s.ptr[i]))
        i++;
    return i;
}

bool json_cut_open(struct slice value, struct json_cut *c)
{
    char kind = json_cut_kind(value);
    if (kind != '[' && kind != '{')
        return false;
    *c = (struct json_cut){.rest = slice_skip(skip_space(value), 1), .is_object = kind == '{'};
    return true;
}

/* Takes a value off the front of *REST. */
static struct slice take(struct slice *rest)
{
    *rest = skip_space(*rest);
    struct slice value = slice_head(*rest, value_len(*rest));
    *rest = skip_space(slice_skip(*rest, value.len));
    return value;
}

static bool take_char(struct slice *rest, char c)
{
    if (!rest->len || rest->ptr[0] != c)
        return false;
    *rest = skip_space(slice_skip(*rest, 1));
    return true;
}

bool json_cut_next(struct json_cut *c, struct slice *key, struct slice *value)
{
    c->rest = skip_space(c->rest);
    (void)take_char(&c->rest, ',');
    if (!c->rest.len || c->rest.ptr[0] == ']' || c->rest.ptr[0] == '}')
        return false;
    if (c->is_object) {
        struct slice quoted = take(&c->rest);
        if (key)
            *key = quoted.len >= 2 ? slice_make(quoted.ptr + 1, quoted.len - 2) : quoted;
        if (!take_char(&c->rest, ':'))
            return false;
    }
    *value = take(&c->rest);
    return value->len > 0;
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

bool json_cut_is_list(struct slice value)
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
    return !c.is_object || n > 0;
}

struct slice json_cut_member(struct slice text, const char *key, unsigned *times)
{
    struct json_cut c;
    struct slice name = {0}, value, found = slice_make("", 0);
    unsigned n = 0;
    if (json_cut_kind(text) == '{' && json_cut_open(text, &c))
        while (json_cut_next(&c, &name, &value))
            if (slice_eq(name, slice_str(key))) {
                found = value;
                n++;
            }
    if (times)
        *times = n;
    return found;
}

void json_cut_compact(struct buf *out, struct slice value)
{
    while (value.len) {
        size_t n = 1;
        if (value.ptr[0] == '"')
            n = string_len(value);
        if (!is_space(value.ptr[0]))
            buf_add(out, value.ptr, n);
        value = slice_skip(value, n);
    }
}
