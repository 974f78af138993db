#include "common/config/config_read.h"

#include "common/base/alloc.h"
#include "common/base/text.h"
#include "common/config/config_include.h"
#include "common/config/config_problems.h"
#include "common/config/config_set.h"
#include "common/config/config_table.h"
#include "common/crypto/crypto.h"
#include "common/json/json.h"
#include "common/webhook/ids.h"

#include <assert.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>

#define DELIVERY_KEYS "delivery" /* what the paths of the shared rows start with */

static void read_keys(struct config_reader *r, const char *prefix, const struct json *object,
                      void *base);

/* json_get cannot tell a null from nothing. */
static bool find_member(const struct json *object, const char *name, const struct json **value)
{
    size_t at = 0;
    struct slice key;
    while (json_next(object, &at, &key, value))
        if (slice_eq(key, slice_str(name)))
            return true;
    *value = NULL;
    return false;
}

static void guess_key(struct text_guess *guess, const char *prefix)
{
    for (size_t i = 0; i < config_key_count; i++) {
        const char *leaf = config_key_leaf(&config_keys[i], prefix);
        if (leaf && config_keys[i].type == KEY_SHARED)
            guess_key(guess, config_keys[i].children);
        else if (leaf)
            text_guess_try(guess, slice_str(leaf));
    }
}

static void report_unknown(struct config_reader *r, const char *prefix, struct slice key)
{
    char guessed[TEXT_GUESS_MAX];
    struct text_guess guess = text_guess(key);
    guess_key(&guess, prefix);
    size_t mark = config_path_push(r, key);
    config_wrong(r, "unknown key%s", text_guess_write(&guess, "", guessed));
    config_path_pop(r, mark);
}

static bool read_object(struct config_reader *r, const struct config_key *key,
                        const struct json *value, void *base)
{
    bool is_object = json_kind(value) == JSON_OBJECT;
    if (!is_object)
        config_wrong(r, "must be an object, not %s", config_kind_word(value));
    /* Even then: the keys in it get their defaults. */
    read_keys(r, key->children, is_object ? value : NULL, base);
    return true;
}

static bool read_optional(struct config_reader *r, const struct config_key *key,
                          const struct json *value, void *field)
{
    enum config_given *given = field;
    if (json_kind(value) == JSON_NULL && key->fallback) {
        *given = CONFIG_NOT_GIVEN;
        return true;
    }
    *given = CONFIG_GIVEN_WRONG;
    if (json_kind(value) != JSON_OBJECT) {
        config_wrong(r, "must be an object, not %s", config_kind_word(value));
        return true;
    }
    size_t before = r->problems->count;
    read_keys(r, key->children, value, field);
    *given = r->problems->count == before ? CONFIG_GIVEN : CONFIG_GIVEN_WRONG;
    return true;
}

/* Reads ITEM of a map of objects into BASE. */
static void read_item(struct config_reader *r, const struct config_key *key, struct slice name,
                      const struct json *item, char *base)
{
    memset(base, 0, key->item_size);
    *(char **)(void *)base = xslicedup(name);
    if (!name_is_valid(name))
        config_wrong(r, "is not allowed as a name: use 1 to %d letters, digits, '_' and '-'",
                     NAME_MAX_LEN);
    if (json_kind(item) != JSON_OBJECT)
        config_wrong(r, "must be an object, not %s", config_kind_word(item));
    else
        read_keys(r, key->children, item, base);
}

/* Notes which file has NAME, which is at the path. False after a problem: another file has the name too. */
static bool note_origin(struct config_reader *r, struct slice name)
{
    const char *file = r->file ? r->file : "", *before = map_get(r->origins, buf_slice(&r->path));
    if (!before)
        map_set(r->origins, buf_slice(&r->path), (void *)(uintptr_t)file);
    else if (name_is_valid(name)) /* paths cut long names, so that two of them may look alike */
        config_wrong_in_file(r, "is in %s too; remove one of them", *before ? before : r->name);
    return !before || !name_is_valid(name);
}

static bool read_map(struct config_reader *r, const struct config_key *key,
                     const struct json *value, void *field)
{
    struct raw_list *list = field;
    if (json_kind(value) != JSON_OBJECT) {
        config_wrong(r, "must be an object, not %s", config_kind_word(value));
        return false;
    }
    size_t at = 0;
    struct slice name;
    const struct json *item;
    list->items = xrealloc(list->items, list->count + json_length(value), key->item_size);
    while (json_next(value, &at, &name, &item)) {
        if (config_is_remark(name))
            continue;
        size_t mark = config_path_push(r, name);
        if (note_origin(r, name))
            read_item(r, key, name, item, (char *)list->items + list->count++ * key->item_size);
        config_path_pop(r, mark);
    }
    return true;
}

static bool set(struct config_reader *r, const struct config_key *key, const struct json *value,
                void *base)
{
    void *field = (char *)base + key->offset;
    switch (key->type) {
    case KEY_OBJECT:
        return read_object(r, key, value, base);
    case KEY_OPTIONAL:
        return read_optional(r, key, value, field);
    case KEY_MAP:
        return read_map(r, key, value, field);
    default:
        return config_set(r, key, value, field);
    }
}

static void set_default(struct config_reader *r, const struct config_key *key, void *base)
{
    struct json *value = NULL;
    enum err rc = json_parse(slice_str(key->fallback), &value, NULL);
    assert(rc == OK);
    bool fits = rc == OK && set(r, key, value, base);
    assert(fits); /* the tests load {} and so every default */
    (void)fits;
    json_free(value);
}

/* The value of the variable that wins over the file, and its name; NULL if none is set. */
static const char *find_variable(const struct config_key *key, char variable[CONFIG_VARIABLE_MAX])
{
    if (key->override && config_env(key->override)) {
        snprintf(variable, CONFIG_VARIABLE_MAX, "%s", key->override);
        return config_env(variable);
    }
    return config_key_variable(key, variable) ? config_env(variable) : NULL;
}

/* The same if R is at the path of KEY in the main file. */
static const char *find_override(const struct config_reader *r, const struct config_key *key,
                                 char variable[CONFIG_VARIABLE_MAX])
{
    if (r->file || !slice_eq(buf_slice(&r->path), slice_str(key->path)))
        return NULL;
    return find_variable(key, variable);
}

static void read_key(struct config_reader *r, const struct config_key *key, const char *leaf,
                     const struct json *object, void *base)
{
    size_t mark = config_path_push(r, slice_str(leaf));
    const struct json *value = NULL;
    char variable[CONFIG_VARIABLE_MAX];
    const char *override = find_override(r, key, variable);
    bool is_set = false;
    if (override)
        is_set = config_set_override(r, key, variable, override, (char *)base + key->offset);
    else if (find_member(object, leaf, &value))
        is_set = set(r, key, value, base);
    else if (!key->fallback && !(key->type == KEY_MAP && r->has_includes))
        config_wrong(r, "is missing and has no default");
    if (!is_set && key->fallback)
        set_default(r, key, base);
    config_path_pop(r, mark);
}

/* The known keys of one object. */
static void read_rows(struct config_reader *r, const char *prefix, const struct json *object,
                      void *base)
{
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *row = &config_keys[i];
        const char *leaf = config_key_leaf(row, prefix);
        if (leaf && row->type == KEY_SHARED)
            read_rows(r, row->children, object, (char *)base + row->offset);
        else if (leaf)
            read_key(r, row, leaf, object, base);
    }
}

/* The keys of one object, known and unknown. OBJECT may be NULL: all defaults. */
static void read_keys(struct config_reader *r, const char *prefix, const struct json *object,
                      void *base)
{
    size_t at = 0;
    struct slice key;
    const struct json *value;
    while (json_next(object, &at, &key, &value))
        if (!config_is_remark(key) && !config_key_find(prefix, key))
            report_unknown(r, prefix, key);
    read_rows(r, prefix, object, base);
}

/* --- included files --- */

void raw_texts_clear(struct raw_texts *texts)
{
    for (size_t i = 0; i < texts->count; i++)
        free(texts->items[i]);
    free(texts->items);
    *texts = (struct raw_texts){0};
}

#define SECTIONS "an included file has accounts, sources and destinations"

static void read_section(struct config_reader *r, struct slice name, const struct json *value,
                         struct raw_config *d)
{
    const struct config_key *key = config_key_find("", name);
    size_t mark = config_path_push(r, name);
    if (!key)
        config_wrong_in_file(r, "unknown key; " SECTIONS);
    else if (key->type != KEY_MAP)
        config_wrong_in_file(r, "may be in %s only; " SECTIONS, r->name);
    else if (json_kind(value) != JSON_OBJECT)
        config_wrong_in_file(r, "must be an object, not %s", config_kind_word(value));
    else
        (void)read_map(r, key, value, (char *)d + key->offset);
    config_path_pop(r, mark);
}

static void read_sections(struct config_reader *r, const struct json *root, struct raw_config *d)
{
    size_t at = 0;
    struct slice name;
    const struct json *value;
    if (json_kind(root) != JSON_OBJECT) {
        config_wrong_in_file(r, "must be an object, not %s", config_kind_word(root));
        return;
    }
    while (json_next(root, &at, &name, &value))
        if (!config_is_remark(name))
            read_section(r, name, value, d);
}

/* Takes the bytes of FILE off *ROOM. */
static void read_included(struct config_reader *r, const char *file, size_t *room,
                          struct raw_config *d)
{
    struct buf text;
    struct error e;
    struct json *root = NULL;
    char *copy = xstrdup(file); /* dirname writes into it */
    const char *dir = r->dir;
    r->file = file;
    r->dir = dirname(copy);
    buf_init(&text, *room);
    enum err rc = config_read_file(file, &text, &e);
    if (rc == ERR_TOO_BIG)
        config_wrong_in_file(r, "brings the included files to over %zu bytes", CONFIG_TEXT_MAX);
    else if (rc != OK)
        config_wrong_in_file(r, "%s", e.text);
    else if (json_parse(buf_slice(&text), &root, &e) != OK)
        config_wrong_in_file(r, "not valid JSON: %s", e.text);
    else
        read_sections(r, root, d);
    sha256_add(r->text, buf_slice(&text));
    *room = rc == ERR_TOO_BIG ? 0 : *room - text.len;
    json_free(root);
    buf_clear(&text);
    free(copy);
    r->dir = dir;
    r->file = NULL;
}

static void read_includes(struct config_reader *r, struct raw_config *d)
{
    size_t room = CONFIG_TEXT_MAX;
    size_t mark = config_path_push(r, SLICE_LIT("include"));
    config_find_files(r, &d->include, &d->files);
    config_path_pop(r, mark);
    for (size_t i = 0; i < d->files.count && room; i++)
        read_included(r, d->files.items[i], &room, d);
}

void config_read(const struct json *root, const char *name, struct sha256 *text,
                 struct raw_config *d, struct config_problems *problems)
{
    char *copy = xstrdup(name); /* dirname writes into it */
    struct config_reader r = {.problems = problems,
                              .name = name,
                              .dir = dirname(copy),
                              .values = sha256_start(),
                              .text = text,
                              .origins = &d->origins};
    buf_init(&r.path, CONFIG_PATH_MAX);
    map_init(&d->origins);
    if (json_kind(root) != JSON_OBJECT) {
        config_problems_add(problems, SLICE_LIT("(document)"), "must be an object, not %s",
                            config_kind_word(root));
    } else {
        r.has_includes = json_length(json_get(root, "include")) > 0;
        read_keys(&r, "", root, d);
        read_includes(&r, d);
    }
    sha256_end(r.values, d->out.values);
    buf_clear(&r.path);
    free(copy);
}

/* Appends the variable that sets the value at PATH, in brackets. */
static void add_variable(struct buf *out, struct slice path)
{
    char variable[CONFIG_VARIABLE_MAX];
    for (size_t i = 0; i < config_key_count; i++)
        if (slice_eq(path, slice_str(config_keys[i].path)) &&
            find_variable(&config_keys[i], variable))
            buf_addf(out, " (%s)", variable);
}

static void name_variables(struct buf *text)
{
    struct slice rest = buf_slice(text);
    struct buf out;
    buf_init(&out, text->max * 2);
    while (rest.len) {
        struct slice line = slice_cut(&rest, '\n');
        struct slice what = line, path = slice_cut(&what, ':');
        buf_add_slice(&out, path);
        add_variable(&out, path);
        buf_add_slice(&out, slice_skip(line, path.len));
        buf_add_char(&out, '\n');
    }
    buf_clear(text);
    *text = out;
}

void config_name_variables(struct config_problems *p)
{
    name_variables(&p->text);
    name_variables(&p->warnings);
}

static void free_keys(const char *prefix, void *base);

static void free_key(const struct config_key *key, void *base)
{
    void *field = (char *)base + key->offset;
    struct raw_list *list = field;
    switch (key->type) {
    case KEY_OBJECT:
        free_keys(key->children, base);
        break;
    case KEY_OPTIONAL:
    case KEY_SHARED:
        free_keys(key->children, field);
        break;
    case KEY_MAP:
        for (size_t i = 0; i < list->count; i++) {
            char *item = (char *)list->items + i * key->item_size;
            free(*(char **)(void *)item);
            free_keys(key->children, item);
        }
        free(list->items);
        *list = (struct raw_list){0};
        break;
    case KEY_TEXT:
    case KEY_SECRET:
    case KEY_PATH:
        free(*(char **)field);
        *(char **)field = NULL;
        break;
    case KEY_TEXTS:
    case KEY_SECRETS:
        raw_texts_clear(field);
        break;
    case KEY_HEADERS:
        raw_texts_clear(&((struct raw_headers *)field)->names);
        raw_texts_clear(&((struct raw_headers *)field)->values);
        break;
    case KEY_WAITS:
        free(((struct raw_waits *)field)->ms);
        *(struct raw_waits *)field = (struct raw_waits){0};
        break;
    default:
        break;
    }
}

static void free_keys(const char *prefix, void *base)
{
    for (size_t i = 0; i < config_key_count; i++)
        if (config_key_leaf(&config_keys[i], prefix))
            free_key(&config_keys[i], base);
}

void raw_clear(struct raw_config *d)
{
    free_keys("", d);
    map_clear(&d->origins);
    raw_texts_clear(&d->files);
}

void raw_delivery_init(struct raw_delivery *d)
{
    struct config_problems none;
    struct config_reader r = {.problems = &none, .dir = "."};
    *d = (struct raw_delivery){0};
    config_problems_init(&none);
    buf_init(&r.path, CONFIG_PATH_MAX);
    read_rows(&r, DELIVERY_KEYS, NULL, d);
    assert(none.count == 0); /* each of these keys has a default */
    buf_clear(&r.path);
    config_problems_clear(&none);
}

void raw_delivery_clear(struct raw_delivery *d)
{
    free_keys(DELIVERY_KEYS, d);
}

struct raw_account *raw_account_at(const struct raw_config *d, size_t i)
{
    assert(i < d->accounts.count);
    return (struct raw_account *)d->accounts.items + i;
}

struct raw_source *raw_source_at(const struct raw_config *d, size_t i)
{
    assert(i < d->sources.count);
    return (struct raw_source *)d->sources.items + i;
}

struct raw_destination *raw_destination_at(const struct raw_config *d, size_t i)
{
    assert(i < d->destinations.count);
    return (struct raw_destination *)d->destinations.items + i;
}
