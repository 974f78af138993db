#include "common/json/json.h"

#include "common/base/map.h"
#include "common/json/json_events.h"

/* json-c has a type of the name of our json_bool(). */
#define json_bool json_c_bool
#include <json-c/json.h>
#undef json_bool

#define TEXT_MAX ((size_t)256 << 20) /* json-c counts in int */
#define KEY_MAX ((size_t)1 << 20)
#define WALK_OVER ((size_t)1) /* no entry has this address */

/* struct json is json-c's json_object under another name; JSON null is its NULL pointer. */
static struct json_object *raw(const struct json *j)
{
    return (struct json_object *)(uintptr_t)j;
}

/* --- the check in front of json-c, which accepts much that is not JSON --- */

struct check { /* one run over a document; keys[N]: of the open object at depth N */
    struct json_events events;
    struct buf key;
    struct map keys[JSON_DEPTH_MAX + 1];
};

/* Editors count characters, not bytes: so do the columns. */
static enum err wrong_at(struct slice text, size_t at, const char *what, struct error *e)
{
    size_t line = 1, column = 1;
    for (size_t i = 0; i < at && i < text.len; i++) {
        if (text.ptr[i] == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)text.ptr[i] & 0xc0) != 0x80) {
            column++;
        }
    }
    return fail(e, ERR_INVALID, "line %zu, column %zu: %s", line, column, what);
}

/* The fault of the key that has ended, or NULL. */
static const char *key_fault(struct check *c)
{
    struct map *keys = &c->keys[c->events.depth];
    if (c->key.failed)
        return "a key of over 1 MiB";
    return map_set(keys, buf_slice(&c->key), c) ? "the object has this key twice" : NULL;
}

static enum err check_events(struct check *c, struct slice text, struct error *e)
{
    struct slice rest = text;
    for (;;) {
        const char *fault = NULL;
        switch (json_events_next(&c->events, &rest)) {
        case JSON_EVENT_KEY:
            fault = key_fault(c);
            break;
        case JSON_EVENT_END:
            if (c->events.kind == '{')
                map_clear(&c->keys[c->events.depth + 1]);
            break;
        case JSON_EVENT_BEGIN:
            break;
        case JSON_EVENT_NONE:
            while (json_events_finish(&c->events) == JSON_EVENT_END)
                ;
            if (!c->events.wrong)
                return OK;
            return wrong_at(text, c->events.wrong_at, c->events.wrong, e);
        case JSON_EVENT_WRONG:
            return wrong_at(text, c->events.wrong_at, c->events.wrong, e);
        }
        if (fault)
            return wrong_at(text, c->events.token, fault, e);
    }
}

static enum err check(struct slice text, const struct json_rules *rules, struct error *e)
{
    struct check c;
    buf_init(&c.key, KEY_MAX);
    for (size_t i = 0; i <= JSON_DEPTH_MAX; i++)
        map_init(&c.keys[i]);
    json_events_start(&c.events, rules, JSON_DEPTH_MAX, &c.key);
    enum err rc = check_events(&c, text, e);
    for (size_t i = 0; i <= JSON_DEPTH_MAX; i++)
        map_clear(&c.keys[i]);
    buf_clear(&c.key);
    return rc;
}

/* --- the tree --- */

static enum err parse(struct slice text, const struct json_rules *rules, struct json **out,
                      struct error *e)
{
    *out = NULL;
    if (text.len > TEXT_MAX)
        return fail(e, ERR_TOO_BIG, "a document of over %zu bytes", TEXT_MAX);
    enum err rc = check(text, rules, e);
    if (rc != OK)
        return rc;
    /* json-c counts scalars as a level of their own, and one more for itself. */
    struct json_tokener *tok = json_tokener_new_ex((int)json_rules_tree.depth + 4);
    if (!tok)
        return fail(e, ERR_TOO_BIG, "out of memory");
    /* Not JSON_TOKENER_STRICT: the check before is stricter, and json-c 0.17 and up would then refuse
     * integers past 64 bits, which are valid JSON. */
    struct json_object *root = json_tokener_parse_ex(tok, text.ptr, (int)text.len);
    if (json_tokener_get_error(tok) == json_tokener_continue)
        root = json_tokener_parse_ex(tok, "", 1); /* only its NUL ends a bare number */
    enum json_tokener_error said = json_tokener_get_error(tok);
    json_tokener_free(tok);
    if (said != json_tokener_success) {
        json_object_put(root);
        return fail(e, ERR_INVALID, "%s", json_tokener_error_desc(said));
    }
    *out = (struct json *)root;
    return OK;
}

enum err json_parse(struct slice text, struct json **out, struct error *e)
{
    return parse(text, &json_rules_tree, out, e);
}

enum err json_parse_received(struct slice text, struct json **out, struct error *e)
{
    static const struct slice mark = {"\xef\xbb\xbf", 3};
    if (slice_starts(text, mark) && !slice_starts(slice_skip(text, mark.len), mark))
        text = slice_skip(text, mark.len);
    return parse(text, &json_rules_received, out, e);
}

void json_free(struct json *doc)
{
    json_object_put(raw(doc));
}

/* Integers past 64 bits are clamped by json-c: they count as doubles, so that nobody takes the
 * clamped value for what was written. */
static enum json_kind int_kind(struct json_object *o)
{
    int64_t v = json_object_get_int64(o);
    bool clamped = v == INT64_MIN || (v > 0 && json_object_get_uint64(o) > INT64_MAX);
    return clamped ? JSON_DOUBLE : JSON_INT;
}

enum json_kind json_kind(const struct json *j)
{
    switch (json_object_get_type(raw(j))) {
    case json_type_null:
        return JSON_NULL;
    case json_type_boolean:
        return JSON_BOOL;
    case json_type_int:
        return int_kind(raw(j));
    case json_type_double:
        return JSON_DOUBLE;
    case json_type_string:
        return JSON_STRING;
    case json_type_array:
        return JSON_ARRAY;
    case json_type_object:
        return JSON_OBJECT;
    }
    return JSON_NULL;
}

bool json_bool(const struct json *j)
{
    return json_kind(j) == JSON_BOOL && json_object_get_boolean(raw(j));
}

int64_t json_int(const struct json *j)
{
    return json_kind(j) == JSON_INT ? json_object_get_int64(raw(j)) : 0;
}

double json_double(const struct json *j)
{
    enum json_kind kind = json_kind(j);
    return kind == JSON_INT || kind == JSON_DOUBLE ? json_object_get_double(raw(j)) : 0;
}

struct slice json_string(const struct json *j)
{
    if (json_kind(j) != JSON_STRING)
        return (struct slice){NULL, 0};
    return slice_make(json_object_get_string(raw(j)), (size_t)json_object_get_string_len(raw(j)));
}

size_t json_length(const struct json *j)
{
    enum json_kind kind = json_kind(j);
    if (kind == JSON_ARRAY)
        return json_object_array_length(raw(j));
    return kind == JSON_OBJECT ? (size_t)json_object_object_length(raw(j)) : 0;
}

const struct json *json_at(const struct json *array, size_t i)
{
    if (json_kind(array) != JSON_ARRAY || i >= json_object_array_length(raw(array)))
        return NULL;
    return (const struct json *)json_object_array_get_idx(raw(array), i);
}

const struct json *json_get(const struct json *object, const char *key)
{
    struct json_object *value = NULL;
    if (json_kind(object) == JSON_OBJECT)
        json_object_object_get_ex(raw(object), key, &value);
    return (const struct json *)value;
}

/* *AT is 0 at the start, then the address of the next entry, then WALK_OVER. */
bool json_next(const struct json *object, size_t *at, struct slice *key, const struct json **value)
{
    if (json_kind(object) != JSON_OBJECT || *at == WALK_OVER)
        return false;
    const struct lh_entry *entry =
        *at ? (const struct lh_entry *)*at : lh_table_head(json_object_get_object(raw(object)));
    if (!entry)
        return false;
    *key = slice_str(lh_entry_k(entry));
    *value = lh_entry_v(entry);
    const struct lh_entry *next = lh_entry_next(entry);
    *at = next ? (size_t)next : WALK_OVER;
    return true;
}
