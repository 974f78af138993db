#include "common/program/schema.h"

#include "common/base/json_write.h"
#include "common/config/config.h"
#include "common/config/config_table.h"

#include <assert.h>

#define ELSEWHERE "^(env|file):" /* such a text is not the value itself */
#define NAMES "^[A-Za-z0-9_-]{1,64}$"
#define UTF8_MAX 4 /* bytes of a character: the schema counts characters, the program bytes */
#define TEXT_BYTES 4096
#define DEPTH_MAX 32

extern const unsigned char configuration_page[];
extern const size_t configuration_page_len;

/* --- descriptions: the last cell of a key's row in the documentation --- */

/* The start of KEY's row. The page has the keys of several objects under the name of one of them. */
static void add_row_start(struct buf *out, const char *path)
{
    const char *shown = "", *rest = path;
    if (strncmp(path, "scheme.", 7) == 0) {
        shown = "verify.";
        rest = path + 7;
    } else if (strncmp(path, "delivery.", 9) == 0) {
        shown = "destinations.*.";
        rest = path + 9;
    }
    buf_addf(out, "\n| `%s%s` | ", shown, rest);
}

/* The last cell of the row LINE, which ends with " |". */
static struct slice last_cell(struct slice line)
{
    const struct slice bar = SLICE_LIT(" | ");
    if (line.len < 2)
        return (struct slice){0};
    line.len -= 2;
    for (const char *at; (at = memmem(line.ptr, line.len, bar.ptr, bar.len));)
        line = slice_skip(line, (size_t)(at - line.ptr) + bar.len);
    return line;
}

/* Appends TEXT of the page as plain text: "[ids](#ids)" is "ids". */
static void add_plain(struct buf *out, struct slice text)
{
    while (text.len) {
        const char *middle = text.ptr[0] == '[' ? memmem(text.ptr, text.len, "](", 2) : NULL;
        const char *end =
            middle ? memchr(middle, ')', text.len - (size_t)(middle - text.ptr)) : NULL;
        bool is_link = end && !memchr(text.ptr + 1, '[', (size_t)(middle - text.ptr - 1));
        if (is_link) {
            buf_add(out, text.ptr + 1, (size_t)(middle - text.ptr - 1));
            text = slice_skip(text, (size_t)(end - text.ptr) + 1);
            continue;
        }
        if (text.ptr[0] == '\\' && text.len > 1)
            text = slice_skip(text, 1);
        buf_add_char(out, text.ptr[0]);
        text = slice_skip(text, 1);
    }
}

static void write_description(struct json_write *w, const struct config_key *key)
{
    const struct slice page = slice_make(configuration_page, configuration_page_len);
    struct buf start, text;
    buf_init(&start, 256);
    buf_init(&text, 4096);
    add_row_start(&start, key->path);
    const char *row = memmem(page.ptr, page.len, start.ptr, start.len);
    if (row) {
        struct slice rest = slice_skip(page, (size_t)(row - page.ptr) + start.len);
        add_plain(&text, last_cell(slice_cut(&rest, '\n')));
    }
    if (key->restart)
        buf_addf(&text, "%sA change needs a restart.", text.len ? ". " : "");
    if (text.len)
        jw_text(w, "description", buf_slice(&text));
    buf_clear(&start);
    buf_clear(&text);
}

/* --- one function per kind of type --- */

static bool may_be_null(const struct config_key *key)
{
    return key->fallback && strcmp(key->fallback, "null") == 0;
}

static void write_type(struct json_write *w, const struct config_key *key, const char *type)
{
    if (!may_be_null(key)) {
        jw_str(w, "type", type);
        return;
    }
    jw_open(w, "type", '[');
    jw_str(w, NULL, type);
    jw_str(w, NULL, "null");
    jw_close(w, ']');
}

static void write_range(struct json_write *w, int64_t min, int64_t max)
{
    jw_int(w, "minimum", min);
    jw_int(w, "maximum", max);
}

static void write_elsewhere(struct json_write *w)
{
    jw_open(w, NULL, '{');
    jw_str(w, "type", "string");
    jw_str(w, "pattern", ELSEWHERE);
    jw_close(w, '}');
}

static void write_words(struct json_write *w, const struct config_key *key)
{
    const char *word;
    jw_str(w, "type", "string");
    jw_open(w, "anyOf", '[');
    jw_open(w, NULL, '{');
    jw_open(w, "enum", '[');
    for (size_t i = 0; (word = key->words(i)) != NULL; i++)
        jw_str(w, NULL, word);
    jw_close(w, ']');
    jw_close(w, '}');
    write_elsewhere(w);
    jw_close(w, ']');
}

static void write_choice(struct json_write *w, const struct config_key *key)
{
    struct slice rest = slice_str(key->choices);
    jw_open(w, "anyOf", '[');
    jw_open(w, NULL, '{');
    jw_open(w, "enum", '[');
    while (rest.len)
        jw_text(w, NULL, slice_cut(&rest, '|'));
    if (may_be_null(key))
        jw_null(w, NULL);
    jw_close(w, ']');
    jw_close(w, '}');
    write_elsewhere(w);
    jw_close(w, ']');
}

static void write_text(struct json_write *w, const struct config_key *key)
{
    if (key->words) {
        write_words(w, key);
        return;
    }
    write_type(w, key, "string");
    if (key->min > 0)
        jw_int(w, "minLength", (key->min + UTF8_MAX - 1) / UTF8_MAX);
    if (key->max >= TEXT_BYTES)
        return;
    jw_open(w, "anyOf", '[');
    jw_open(w, NULL, '{');
    jw_int(w, "maxLength", key->max);
    jw_close(w, '}');
    jw_open(w, NULL, '{');
    jw_str(w, "pattern", ELSEWHERE);
    jw_close(w, '}');
    jw_close(w, ']');
}

static void write_list(struct json_write *w, const struct config_key *key)
{
    write_type(w, key, "array");
    if (key->type != KEY_STATUSES)
        jw_int(w, "maxItems", key->type == KEY_WAITS ? CONFIG_WAITS_MAX : key->max);
    jw_open(w, "items", '{');
    if (key->type == KEY_WAITS) {
        jw_str(w, "type", "number");
        jw_int(w, "exclusiveMinimum", 0);
        jw_int(w, "maximum", key->max);
    } else if (key->type == KEY_STATUSES) {
        jw_str(w, "type", "integer");
        write_range(w, key->min, key->max);
    } else {
        jw_str(w, "type", "string");
        if (key->type == KEY_SECRETS)
            jw_int(w, "minLength", SECRET_MIN / UTF8_MAX);
    }
    jw_close(w, '}');
}

static void write_remarks(struct json_write *w)
{
    jw_raw(w, "$schema", SLICE_LIT("true"));
    jw_raw(w, "$comment", SLICE_LIT("true"));
}

static void write_headers(struct json_write *w, const struct config_key *key)
{
    jw_str(w, "type", "object");
    jw_int(w, "maxProperties", key->max);
    jw_open(w, "properties", '{');
    write_remarks(w);
    jw_close(w, '}');
    jw_open(w, "additionalProperties", '{');
    jw_str(w, "type", "string");
    jw_close(w, '}');
}

/* --- objects --- */

static void write_properties(struct json_write *w, const char *prefix);

static void write_required(struct json_write *w, const char *prefix)
{
    for (size_t i = 0; i < config_key_count; i++) {
        const char *leaf = config_key_leaf(&config_keys[i], prefix);
        if (leaf && *leaf && !config_keys[i].fallback)
            jw_str(w, NULL, leaf);
    }
}

static void write_object(struct json_write *w, const char *prefix)
{
    jw_open(w, "properties", '{');
    write_properties(w, prefix);
    write_remarks(w);
    jw_close(w, '}');
    jw_open(w, "required", '[');
    write_required(w, prefix);
    jw_close(w, ']');
    jw_bool(w, "additionalProperties", false);
}

static void write_map(struct json_write *w, const struct config_key *key)
{
    jw_str(w, "type", "object");
    jw_open(w, "properties", '{');
    write_remarks(w);
    jw_close(w, '}');
    jw_open(w, "patternProperties", '{');
    jw_open(w, NAMES, '{');
    jw_str(w, "type", "object");
    write_object(w, key->children);
    jw_close(w, '}');
    jw_close(w, '}');
    jw_bool(w, "additionalProperties", false);
}

static void write_value(struct json_write *w, const struct config_key *key)
{
    switch (key->type) {
    case KEY_OBJECT:
    case KEY_OPTIONAL:
        write_type(w, key, "object");
        write_object(w, key->children);
        break;
    case KEY_MAP:
        write_map(w, key);
        break;
    case KEY_INT:
    case KEY_UINT:
    case KEY_SIZE:
        write_type(w, key, "integer");
        write_range(w, key->min, key->max);
        break;
    case KEY_DELAY:
        write_type(w, key, "integer");
        write_range(w, 0, CONFIG_DELAY_MAX_MS);
        break;
    case KEY_BOOL:
        write_type(w, key, "boolean");
        break;
    case KEY_SHARE:
        write_type(w, key, "number");
        write_range(w, key->min, key->max);
        break;
    case KEY_CHOICE:
        write_choice(w, key);
        break;
    case KEY_TEXT:
    case KEY_SECRET:
    case KEY_PATH:
        write_text(w, key);
        break;
    case KEY_TEXTS:
    case KEY_SECRETS:
    case KEY_WAITS:
    case KEY_STATUSES:
        write_list(w, key);
        break;
    case KEY_HEADERS:
        write_headers(w, key);
        break;
    case KEY_SHARED: /* write_properties has its keys */
        break;
    }
}

static void write_properties(struct json_write *w, const char *prefix)
{
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        const char *leaf = config_key_leaf(key, prefix);
        if (leaf && key->type == KEY_SHARED)
            write_properties(w, key->children);
        else if (leaf) {
            jw_open(w, leaf, '{');
            write_description(w, key);
            write_value(w, key);
            if (key->fallback)
                jw_raw(w, "default", slice_str(key->fallback));
            jw_close(w, '}');
        }
    }
}

/* A main file has sources and destinations, or names files that may have them. An included file has nothing but accounts,
 * sources and destinations. */
#define KINDS_OF_FILES                                                                             \
    "[{\"required\":[\"sources\",\"destinations\"]},"                                              \
    "{\"required\":[\"include\"],\"properties\":{\"include\":{\"minItems\":1}}},"                  \
    "{\"minProperties\":1,\"propertyNames\":"                                                      \
    "{\"enum\":[\"accounts\",\"sources\",\"destinations\",\"$schema\",\"$comment\"]}}]"

static void write_root(struct json_write *w)
{
    jw_open(w, NULL, '{');
    jw_str(w, "$schema", "https://json-schema.org/draft/2020-12/schema");
    jw_str(w, "title", "The configuration of Hookpace");
    jw_str(w, "type", "object");
    jw_open(w, "properties", '{');
    write_properties(w, "");
    write_remarks(w);
    jw_close(w, '}');
    jw_raw(w, "anyOf", SLICE_LIT(KINDS_OF_FILES));
    jw_bool(w, "additionalProperties", false);
    jw_close(w, '}');
}

/* --- layout --- */

static void add_newline(struct buf *out, unsigned level)
{
    buf_add_char(out, '\n');
    while (level--)
        buf_add_str(out, "  ");
}

/* Copies the text that begins at JSON[I] with its quotes. Returns where it ends. */
static size_t copy_text(struct buf *out, struct slice json, size_t i)
{
    size_t start = i++;
    while (json.ptr[i] != '"')
        i += json.ptr[i] == '\\' ? 2 : 1;
    buf_add(out, json.ptr + start, i + 1 - start);
    return i;
}

/* JSON is as json_write writes it. Each member of an object gets a line, an array stays on one. */
static void indent(struct buf *out, struct slice json)
{
    bool is_object[DEPTH_MAX] = {false};
    unsigned depth = 0, level = 0;
    for (size_t i = 0; i < json.len; i++) {
        char c = json.ptr[i], next = i + 1 < json.len ? json.ptr[i + 1] : 0;
        if (c == '"') {
            i = copy_text(out, json, i);
            continue;
        }
        if (c == '}' && json.ptr[i - 1] != '{')
            add_newline(out, level - 1);
        buf_add_char(out, c);
        if (c == '{' || c == '[') {
            assert(depth + 1 < DEPTH_MAX);
            is_object[++depth] = c == '{';
        }
        level += c == '{';
        level -= c == '}';
        if ((c == '{' && next != '}') || (c == ',' && is_object[depth]))
            add_newline(out, level);
        else if (c == ':' || c == ',')
            buf_add_char(out, ' ');
        depth -= c == '}' || c == ']';
    }
    buf_add_char(out, '\n');
}

void schema_write(struct buf *out)
{
    struct buf compact;
    buf_init(&compact, SCHEMA_MAX_BYTES);
    struct json_write w = json_write_to(&compact);
    write_root(&w);
    indent(out, buf_slice(&compact));
    buf_clear(&compact);
}
