#include "common/config/config_set.h"

#include "common/base/alloc.h"
#include "common/base/text.h"
#include "common/config/config_problems.h"
#include "common/crypto/crypto.h"
#include "common/json/json.h"
#include "common/webhook/ids.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define VALUE_MAX 65536 /* bytes of one value */
#define NOTED_FILE_MAX ((size_t)4 << 20)

/* --- where values come from: the file itself, env:NAME, file:PATH --- */

const char *config_env(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static char *file_path(struct slice path, const char *dir)
{
    struct buf b;
    buf_init(&b, VALUE_MAX * 2);
    if (path.len && path.ptr[0] != '/') {
        buf_add_str(&b, dir);
        buf_add_char(&b, '/');
    }
    buf_add_slice(&b, path);
    return buf_take(&b, NULL);
}

static enum err read_all(int fd, const char *path, struct buf *out, struct error *e)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return fail(e, ERR_IO, "cannot read the file %s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return fail(e, ERR_IO, "cannot read the file %s: not a regular file", path);
    for (;;) {
        char piece[8192];
        ssize_t n = read(fd, piece, sizeof piece);
        if (n < 0)
            return fail(e, ERR_IO, "cannot read the file %s: %s", path, strerror(errno));
        if (n == 0)
            return OK;
        buf_add(out, piece, (size_t)n);
        if (out->failed)
            return fail(e, ERR_TOO_BIG, "the file %s is over %zu bytes", path, out->max);
    }
}

enum err config_read_file(const char *path, struct buf *out, struct error *e)
{
    /* O_NONBLOCK: opening a FIFO must not hang a reload. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return fail(e, ERR_IO, "cannot open the file %s: %s", path, strerror(errno));
    enum err rc = read_all(fd, path, out, e);
    close(fd);
    return rc;
}

static void cut_newline(struct buf *b)
{
    if (b->len == 0 || b->ptr[b->len - 1] != '\n')
        return;
    b->ptr[--b->len] = 0;
    if (b->len && b->ptr[b->len - 1] == '\r')
        b->ptr[--b->len] = 0;
}

static enum err from_env(struct slice name, struct buf *out, struct error *e)
{
    char *z = xslicedup(name);
    const char *value = getenv(z);
    free(z);
    if (name.len == 0)
        return fail(e, ERR_INVALID, "names no variable after env:");
    if (!value)
        return fail(e, ERR_INVALID, "the environment variable %.*s is not set", SLICE_FMT(name));
    buf_add_str(out, value);
    if (out->failed)
        return fail(e, ERR_TOO_BIG, "the environment variable %.*s is over %zu bytes",
                    SLICE_FMT(name), out->max);
    cut_newline(out);
    return OK;
}

static enum err from_file(struct slice name, const char *dir, struct buf *out, struct error *e)
{
    if (name.len == 0)
        return fail(e, ERR_INVALID, "names no file after file:");
    char *path = file_path(name, dir);
    enum err rc = config_read_file(path, out, e);
    free(path);
    if (rc == OK)
        cut_newline(out);
    return rc;
}

/* Appends the value of RAW: the content of a variable or file without its last newline, or RAW itself. E names the
 * variable or file, never its content. */
static enum err add_value(struct slice raw, const char *dir, struct buf *out, struct error *e)
{
    const struct slice env = SLICE_LIT("env:"), file = SLICE_LIT("file:");
    if (slice_starts(raw, env))
        return from_env(slice_skip(raw, env.len), out, e);
    if (slice_starts(raw, file))
        return from_file(slice_skip(raw, file.len), dir, out, e);
    buf_add_slice(out, raw);
    return out->failed ? fail(e, ERR_TOO_BIG, "is over %zu bytes", out->max) : OK;
}

/* --- paths and problems --- */

size_t config_path_push(struct config_reader *r, struct slice key)
{
    size_t mark = r->path.len;
    bool plain = key.len > 0 && key.len <= NAME_MAX_LEN && name_is_valid(key);
    if (mark)
        buf_add_char(&r->path, '.');
    if (key.len > 2 * NAME_MAX_LEN)
        key.len = 2 * NAME_MAX_LEN;
    buf_add_str(&r->path, plain ? "" : "\"");
    if (plain)
        buf_add_slice(&r->path, key);
    else
        text_add_json(&r->path, key);
    buf_add_str(&r->path, plain ? "" : "\"");
    return mark;
}

static size_t push_index(struct config_reader *r, size_t i)
{
    size_t mark = r->path.len;
    buf_addf(&r->path, "[%zu]", i);
    return mark;
}

void config_path_pop(struct config_reader *r, size_t mark)
{
    r->path.failed = false;
    if (mark < r->path.len)
        r->path.ptr[r->path.len = mark] = 0;
}

void config_wrong(struct config_reader *r, const char *fmt, ...)
{
    char what[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    config_problems_add(r->problems, buf_slice(&r->path), "%s", what);
}

const char *config_kind_word(const struct json *value)
{
    static const char *const words[] = {
        [JSON_NULL] = "null",        [JSON_BOOL] = "true or false", [JSON_INT] = "a number",
        [JSON_DOUBLE] = "a number",  [JSON_STRING] = "a string",    [JSON_ARRAY] = "an array",
        [JSON_OBJECT] = "an object",
    };
    return words[json_kind(value)];
}

/* --- one function per type --- */

static bool may_be_null(const struct config_key *key)
{
    return key->fallback && strcmp(key->fallback, "null") == 0;
}

/* True for a null if null is the default. */
static bool is_no_value(const struct config_key *key, const struct json *value)
{
    return json_kind(value) == JSON_NULL && may_be_null(key);
}

static bool set_number(struct config_reader *r, const struct config_key *key,
                       const struct json *value, void *field)
{
    int64_t v = json_int(value);
    if (is_no_value(key, value)) {
        v = -1;
    } else if (json_kind(value) != JSON_INT || v < key->min || v > key->max) {
        bool is_number = json_kind(value) == JSON_INT || json_kind(value) == JSON_DOUBLE;
        config_wrong(r, "must be a whole number from %" PRId64 " to %" PRId64 "%s%s", key->min,
                     key->max, is_number ? "" : ", not ", is_number ? "" : config_kind_word(value));
        return false;
    }
    if (key->type == KEY_UINT)
        *(unsigned *)field = (unsigned)v;
    else if (key->type == KEY_SIZE)
        *(size_t *)field = (size_t)v;
    else
        *(int64_t *)field = v;
    return true;
}

/* Checks only the type: config_build checks the rule, which needs delay_step_ms. */
static bool set_delay(struct config_reader *r, const struct config_key *key,
                      const struct json *value, int64_t *field)
{
    if (json_kind(value) != JSON_INT && !is_no_value(key, value)) {
        config_wrong(r, "must be a whole number of milliseconds, not %s",
                     json_kind(value) == JSON_DOUBLE ? "a fraction" : config_kind_word(value));
        return false;
    }
    *field = json_kind(value) == JSON_INT ? json_int(value) : RAW_NO_DELAY;
    return true;
}

static bool set_bool(struct config_reader *r, const struct json *value, bool *field)
{
    if (json_kind(value) != JSON_BOOL) {
        config_wrong(r, "must be true or false, not %s", config_kind_word(value));
        return false;
    }
    *field = json_bool(value);
    return true;
}

static bool set_share(struct config_reader *r, const struct config_key *key,
                      const struct json *value, double *field)
{
    double v = json_double(value);
    bool is_number = json_kind(value) == JSON_INT || json_kind(value) == JSON_DOUBLE;
    if (!is_number || !(v >= (double)key->min && v <= (double)key->max)) {
        config_wrong(r, "must be a number from %" PRId64 " to %" PRId64, key->min, key->max);
        return false;
    }
    *field = v;
    return true;
}

static void note_value(struct config_reader *r, struct slice value)
{
    if (!r->values)
        return;
    uint64_t len = value.len;
    sha256_add(r->values, slice_make((const char *)&len, sizeof len));
    sha256_add(r->values, value);
}

/* The content of a file that the configuration only names, such as a certificate. Whether it can be read is checked later. */
static void note_file(struct config_reader *r, const char *path)
{
    struct buf content;
    struct error ignored;
    buf_init(&content, NOTED_FILE_MAX);
    if (config_read_file(path, &content, &ignored) == OK)
        note_value(r, buf_slice(&content));
    buf_clear(&content);
}

/* The value of RAW as a C string of MIN to MAX bytes, for the caller to free; NULL after reporting a problem. */
static char *resolve(struct config_reader *r, struct slice raw, int64_t min, int64_t max)
{
    struct buf b;
    struct error e;
    buf_init(&b, VALUE_MAX);
    enum err rc = add_value(raw, r->dir, &b, &e);
    note_value(r, buf_slice(&b));
    if (rc != OK)
        config_wrong(r, "%s", e.text);
    else if ((int64_t)b.len < min && b.len == 0)
        config_wrong(r, "must not be empty");
    else if ((int64_t)b.len < min)
        config_wrong(r, "must have at least %" PRId64 " bytes", min);
    else if ((int64_t)b.len > max)
        config_wrong(r, "must have at most %" PRId64 " bytes", max);
    else if (!text_is_utf8(buf_slice(&b)) || text_has_control(buf_slice(&b)))
        config_wrong(r, "must be text (UTF-8) without control characters");
    else
        return buf_take(&b, NULL);
    buf_clear(&b);
    return NULL;
}

/* The value of a string of the document. */
static char *read_text(struct config_reader *r, const struct json *value, int64_t min, int64_t max)
{
    if (json_kind(value) != JSON_STRING) {
        config_wrong(r, "must be a string, not %s", config_kind_word(value));
        return NULL;
    }
    return resolve(r, json_string(value), min, max);
}

static bool set_text(struct config_reader *r, const struct config_key *key,
                     const struct json *value, char **field)
{
    if (is_no_value(key, value)) {
        *field = NULL;
        return true;
    }
    char *text = read_text(r, value, key->min, key->max);
    if (!text)
        return false;
    *field = text;
    if (key->type == KEY_PATH) {
        *field = file_path(slice_str(text), r->dir);
        note_file(r, *field);
        free(text);
    }
    return true;
}

static bool set_choice(struct config_reader *r, const struct config_key *key,
                       const struct json *value, int *field)
{
    if (is_no_value(key, value)) {
        *field = -1;
        return true;
    }
    char *text = read_text(r, value, 0, VALUE_MAX);
    if (!text)
        return false;
    struct text_guess guess = text_guess(slice_str(text));
    char guessed[TEXT_GUESS_MAX];
    struct slice rest = slice_str(key->choices);
    int found = -1;
    for (int i = 0; rest.len && found < 0; i++) {
        struct slice choice = slice_cut(&rest, '|');
        text_guess_try(&guess, choice);
        if (slice_eq(choice, slice_str(text)))
            found = i;
    }
    if (found < 0)
        config_wrong(r, "must be one of %s%s%s", key->choices, may_be_null(key) ? ", or null" : "",
                     text_guess_write(&guess, "", guessed));
    else
        *field = found;
    free(text);
    return found >= 0;
}

void raw_texts_add(struct raw_texts *texts, char *text)
{
    texts->items = xrealloc(texts->items, texts->count + 1, sizeof *texts->items);
    texts->items[texts->count++] = text;
}

/* Reports bad items and leaves them out. */
static bool set_texts(struct config_reader *r, const struct config_key *key,
                      const struct json *value, struct raw_texts *texts)
{
    if (is_no_value(key, value))
        return true;
    if (json_kind(value) != JSON_ARRAY) {
        config_wrong(r, "must be an array of strings, not %s", config_kind_word(value));
        return false;
    }
    if (json_length(value) > (size_t)key->max) {
        config_wrong(r, "may have at most %" PRId64 " entries", key->max);
        return false;
    }
    int64_t min = key->type == KEY_SECRETS ? SECRET_MIN : 0;
    texts->given = true;
    for (size_t i = 0; i < json_length(value); i++) {
        size_t mark = push_index(r, i);
        char *text = read_text(r, json_at(value, i), min, VALUE_MAX);
        if (text)
            raw_texts_add(texts, text);
        else
            texts->broken = true;
        config_path_pop(r, mark);
    }
    return true;
}

static bool read_wait(struct config_reader *r, const struct config_key *key,
                      const struct json *value, int64_t *ms)
{
    double v = json_double(value);
    bool is_number = json_kind(value) == JSON_INT || json_kind(value) == JSON_DOUBLE;
    if (!is_number || !(v >= 0.001 && v <= (double)key->max)) {
        config_wrong(r, "must be a number of seconds above 0, at most %" PRId64, key->max);
        return false;
    }
    *ms = llround(v * 1000);
    return true;
}

static bool set_waits(struct config_reader *r, const struct config_key *key,
                      const struct json *value, struct raw_waits *waits)
{
    if (json_kind(value) != JSON_ARRAY) {
        config_wrong(r, "must be an array of seconds, not %s", config_kind_word(value));
        return false;
    }
    size_t n = json_length(value), good = 0;
    if (n > CONFIG_WAITS_MAX) {
        config_wrong(r, "may have at most %d entries", CONFIG_WAITS_MAX);
        return false;
    }
    int64_t *ms = xcalloc(n, sizeof *ms);
    for (size_t i = 0; i < n; i++) {
        size_t mark = push_index(r, i);
        good += read_wait(r, key, json_at(value, i), &ms[good]);
        config_path_pop(r, mark);
    }
    *waits = (struct raw_waits){ms, good};
    return true;
}

static bool set_statuses(struct config_reader *r, const struct config_key *key,
                         const struct json *value, struct status_set *statuses)
{
    if (json_kind(value) != JSON_ARRAY) {
        config_wrong(r, "must be an array of HTTP statuses, not %s", config_kind_word(value));
        return false;
    }
    *statuses = (struct status_set){{0}};
    for (size_t i = 0; i < json_length(value); i++) {
        size_t mark = push_index(r, i);
        const struct json *item = json_at(value, i);
        int64_t status = json_kind(item) == JSON_INT ? json_int(item) : 0;
        if (status >= key->min && status <= key->max)
            status_set_add(statuses, (int)status);
        else
            config_wrong(r, "must be an HTTP status from %" PRId64 " to %" PRId64, key->min,
                         key->max);
        config_path_pop(r, mark);
    }
    return true;
}

static bool set_headers(struct config_reader *r, const struct config_key *key,
                        const struct json *value, struct raw_headers *headers)
{
    if (json_kind(value) != JSON_OBJECT) {
        config_wrong(r, "must be an object of strings, not %s", config_kind_word(value));
        return false;
    }
    if (json_length(value) > (size_t)key->max) {
        config_wrong(r, "may have at most %" PRId64 " entries", key->max);
        return false;
    }
    size_t at = 0;
    struct slice name;
    const struct json *item;
    while (json_next(value, &at, &name, &item)) {
        if (config_is_remark(name))
            continue;
        size_t mark = config_path_push(r, name);
        char *text = read_text(r, item, 0, VALUE_MAX);
        if (text) {
            raw_texts_add(&headers->names, xslicedup(name));
            raw_texts_add(&headers->values, text);
        }
        config_path_pop(r, mark);
    }
    return true;
}

bool config_set(struct config_reader *r, const struct config_key *key, const struct json *value,
                void *field)
{
    switch (key->type) {
    case KEY_INT:
    case KEY_UINT:
    case KEY_SIZE:
        return set_number(r, key, value, field);
    case KEY_DELAY:
        return set_delay(r, key, value, field);
    case KEY_BOOL:
        return set_bool(r, value, field);
    case KEY_SHARE:
        return set_share(r, key, value, field);
    case KEY_CHOICE:
        return set_choice(r, key, value, field);
    case KEY_TEXT:
    case KEY_SECRET:
    case KEY_PATH:
        return set_text(r, key, value, field);
    case KEY_TEXTS:
    case KEY_SECRETS:
        return set_texts(r, key, value, field);
    case KEY_WAITS:
        return set_waits(r, key, value, field);
    case KEY_STATUSES:
        return set_statuses(r, key, value, field);
    case KEY_HEADERS:
        return set_headers(r, key, value, field);
    case KEY_OBJECT:
    case KEY_OPTIONAL:
    case KEY_MAP:
    case KEY_SHARED:
        break;
    }
    return false;
}

bool config_is_remark(struct slice key)
{
    return slice_eq(key, SLICE_LIT("$schema")) || slice_eq(key, SLICE_LIT("$comment"));
}

/* TEXT as a value of JSON. Text that is none is a string, so that the type's own check says what it must be. */
static struct json *value_of(const struct config_key *key, struct slice text)
{
    struct json *value = NULL;
    if (!config_key_is_text(key) && json_parse(text, &value, NULL) == OK)
        return value;
    struct buf quoted;
    buf_init(&quoted, VALUE_MAX * 6 + 2);
    buf_add_char(&quoted, '"');
    text_add_json(&quoted, text);
    buf_add_char(&quoted, '"');
    enum err rc = json_parse(buf_slice(&quoted), &value, NULL);
    buf_clear(&quoted);
    return rc == OK ? value : NULL;
}

/* A number or switch may come from a file or another variable, as texts may. */
static struct json *read_override(struct config_reader *r, const struct config_key *key,
                                  const char *text)
{
    bool is_plain = text_is_utf8(slice_str(text)) && !text_has_control(slice_str(text));
    if (config_key_is_text(key) && is_plain)
        return value_of(key, slice_str(text));
    char *resolved =
        resolve(r, slice_str(text), 1, VALUE_MAX); /* it reports text that is not plain */
    struct json *value = resolved ? value_of(key, slice_str(resolved)) : NULL;
    free(resolved);
    return value;
}

bool config_set_override(struct config_reader *r, const struct config_key *key, const char *name,
                         const char *text, void *field)
{
    size_t mark = r->path.len;
    buf_addf(&r->path, " (%s)", name);
    struct json *value = read_override(r, key, text);
    bool is_set = value && config_set(r, key, value, field);
    json_free(value);
    config_path_pop(r, mark);
    return is_set;
}
