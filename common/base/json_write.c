#include "common/base/json_write.h"

#include "common/base/text.h"

void json_write_key(struct json_write *w, const char *key, size_t len)
{
    char *to = buf_reserve(w->out, len + 4), *at = to;
    if (!to)
        return;
    if (w->has_value)
        *at++ = ',';
    w->has_value = true;
    if (key) {
        *at++ = '"';
        memcpy(at, key, len);
        at += len;
        *at++ = '"';
        *at++ = ':';
    }
    buf_wrote(w->out, (size_t)(at - to));
}

void json_write_text(struct json_write *w, struct slice value)
{
    buf_add_char(w->out, '"');
    text_add_json(w->out, value);
    buf_add_char(w->out, '"');
}

void json_write_plain(struct json_write *w, struct slice value)
{
    char *to = buf_reserve(w->out, value.len + 2);
    if (!to)
        return;
    to[0] = '"';
    if (value.len)
        memcpy(to + 1, value.ptr, value.len);
    to[value.len + 1] = '"';
    buf_wrote(w->out, value.len + 2);
}
