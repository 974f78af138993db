/* json_write - writes JSON into a buffer: commas, quotes and escapes come by themselves.   [pure]
 *
 *     struct json_write w = json_write_to(&buf);
 *     jw_open(&w, NULL, '{');
 *     jw_text(&w, "id", id);
 *     jw_open(&w, "tags", '[');
 *     jw_text(&w, NULL, tag);
 *     jw_close(&w, ']');
 *     jw_close(&w, '}');             {"id":"..","tags":[".."]}
 *
 * KEY is the name of a member of an object, written as it is; NULL for an element of an array and for the outermost value.
 * Nothing is allocated but the buffer's own bytes. A buffer that passes its ceiling has `failed` set, as always.
 */
#ifndef COMMON_BASE_JSON_WRITE_H
#define COMMON_BASE_JSON_WRITE_H

#include "common/base/buf.h"

struct json_write { /* a plain value; the buffer is borrowed */
    struct buf *out;
    bool has_value; /* of the object or array being written: the next value needs a comma */
};

static inline struct json_write json_write_to(struct buf *out)
{
    return (struct json_write){.out = out};
}

/* Begins the next value: writes what must stand before it. */
void json_write_key(struct json_write *w, const char *key, size_t len);

static inline void jw_key(struct json_write *w, const char *key)
{
    json_write_key(w, key, key ? strlen(key) : 0);
}

/* BRACE is '{' or '['. */
static inline void jw_open(struct json_write *w, const char *key, char brace)
{
    jw_key(w, key);
    buf_add_char(w->out, brace);
    w->has_value = false;
}

/* BRACE is '}' or ']'. */
static inline void jw_close(struct json_write *w, char brace)
{
    buf_add_char(w->out, brace);
    w->has_value = true;
}

/* VALUE is a JSON text. */
static inline void jw_raw(struct json_write *w, const char *key, struct slice value)
{
    jw_key(w, key);
    buf_add_slice(w->out, value);
}

/* VALUE is any text. Bytes that are no UTF-8 become U+FFFD. */
void json_write_text(struct json_write *w, struct slice value);
static inline void jw_text(struct json_write *w, const char *key, struct slice value)
{
    jw_key(w, key);
    json_write_text(w, value);
}

static inline void jw_str(struct json_write *w, const char *key, const char *value)
{
    jw_text(w, key, slice_str(value));
}

/* VALUE has no character that needs an escape, such as an id or a moment. */
void json_write_plain(struct json_write *w, struct slice value);
static inline void jw_plain(struct json_write *w, const char *key, struct slice value)
{
    jw_key(w, key);
    json_write_plain(w, value);
}

static inline void jw_int(struct json_write *w, const char *key, int64_t value)
{
    jw_key(w, key);
    buf_add_i64(w->out, value);
}

static inline void jw_bool(struct json_write *w, const char *key, bool value)
{
    jw_raw(w, key, value ? SLICE_LIT("true") : SLICE_LIT("false"));
}

static inline void jw_null(struct json_write *w, const char *key)
{
    jw_raw(w, key, SLICE_LIT("null"));
}

/* VALUE, or null if it is empty. */
static inline void jw_text_or_null(struct json_write *w, const char *key, struct slice value)
{
    if (value.len)
        jw_text(w, key, value);
    else
        jw_null(w, key);
}

#endif
