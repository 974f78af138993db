/* docs/reference/configuration.md has every key with the type, default and range of the table.
 */
#include "common/base/buf.h"
#include "common/config/config_table.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define DOCS "../docs/reference/configuration.md"
#define FILE_MAX ((size_t)1 << 20)

static const char *const type_words[] = {
    [KEY_OBJECT] = "object",
    [KEY_OPTIONAL] = "object",
    [KEY_MAP] = "object by name",
    [KEY_INT] = "whole number",
    [KEY_UINT] = "whole number",
    [KEY_SIZE] = "bytes",
    [KEY_DELAY] = "delay",
    [KEY_BOOL] = "true, false",
    [KEY_SHARE] = "number",
    [KEY_CHOICE] = "choice",
    [KEY_TEXT] = "text",
    [KEY_SECRET] = "secret",
    [KEY_PATH] = "file",
    [KEY_TEXTS] = "list of texts",
    [KEY_SECRETS] = "list of secrets",
    [KEY_WAITS] = "list of seconds",
    [KEY_STATUSES] = "list of statuses",
    [KEY_HEADERS] = "texts by name",
};

static void add_range(struct buf *out, const struct config_key *key)
{
    switch (key->type) {
    case KEY_INT:
    case KEY_UINT:
    case KEY_SIZE:
    case KEY_SHARE:
    case KEY_STATUSES:
        buf_addf(out, "%" PRId64 " to %" PRId64, key->min, key->max);
        break;
    case KEY_DELAY:
        buf_add_str(out, "0, 50, n x step");
        break;
    case KEY_CHOICE:
        for (const char *c = key->choices; *c; c++)
            buf_add_str(out, *c == '|' ? ", " : (char[]){*c, 0});
        break;
    case KEY_SECRET:
        buf_addf(out, "%" PRId64 " bytes or more", key->min);
        break;
    case KEY_TEXTS:
    case KEY_SECRETS:
    case KEY_HEADERS:
        buf_addf(out, "at most %" PRId64, key->max);
        break;
    case KEY_WAITS:
        buf_addf(out, "at most 50, each up to %" PRId64, key->max);
        break;
    default:
        break;
    }
}

/* Appends the start of KEY's row in the docs. */
static void add_row(struct buf *out, const struct config_key *key)
{
    struct slice path = slice_str(key->path), scheme = SLICE_LIT("scheme.");
    struct slice delivery = SLICE_LIT("delivery.");
    buf_add_str(out, "| `");
    /* The docs tell shared keys once, under the name most will look for. */
    if (slice_starts(path, scheme)) {
        buf_add_str(out, "verify.");
        path = slice_skip(path, scheme.len);
    } else if (slice_starts(path, delivery)) {
        buf_add_str(out, "destinations.*.");
        path = slice_skip(path, delivery.len);
    }
    buf_add_slice(out, path);
    buf_addf(out, "` | %s | ", type_words[key->type]);
    buf_addf(out, key->fallback ? "`%s`" : "%s", key->fallback ? key->fallback : "required");
    buf_add_str(out, " | ");
    add_range(out, key);
    buf_addf(out, " | %s |", key->restart ? "restart" : "reload");
}

static char *read_docs(void)
{
    FILE *f = fopen(DOCS, "rb");
    if (!f)
        fail_msg("cannot open %s", DOCS);
    char *text = calloc(1, FILE_MAX + 1);
    size_t n = fread(text, 1, FILE_MAX, f);
    fclose(f);
    assert_true(n > 0 && n < FILE_MAX);
    return text;
}

static void every_key_is_documented(void **state)
{
    (void)state;
    char *docs = read_docs();
    unsigned missing = 0;
    for (size_t i = 0; i < config_key_count; i++) {
        struct buf row;
        if (config_keys[i].type == KEY_SHARED)
            continue;
        buf_init(&row, 4096);
        buf_add_char(&row, '\n');
        add_row(&row, &config_keys[i]);
        if (!strstr(docs, row.ptr)) {
            print_error("not in %s:%s\n", DOCS, row.ptr);
            missing++;
        }
        buf_clear(&row);
    }
    free(docs);
    assert_int_equal(missing, 0);
}

static void nothing_else_is_documented(void **state)
{
    (void)state;
    char *docs = read_docs();
    size_t rows = 0, keys = 0;
    struct slice rest = slice_str(docs);
    while (rest.len) {
        struct slice line = slice_cut(&rest, '\n');
        char *z = strndup(line.ptr, line.len);
        if (slice_starts(line, SLICE_LIT("| `")) &&
            (strstr(z, "| reload |") || strstr(z, "| restart |")))
            rows++;
        free(z);
    }
    free(docs);
    for (size_t i = 0; i < config_key_count; i++)
        keys += config_keys[i].type != KEY_SHARED;
    assert_int_equal(rows, keys);
}

/* The words that begin with HOOKPACE_ in the code block of the list. */
static size_t count_listed(const char *docs)
{
    const char *start = strstr(docs, "\n```\nHOOKPACE_");
    assert_non_null(start);
    struct slice rest = slice_str(start + 5);
    size_t n = 0;
    while (slice_starts(rest, SLICE_LIT("HOOKPACE_"))) {
        slice_cut(&rest, '\n');
        n++;
    }
    assert_true(slice_starts(rest, SLICE_LIT("```")));
    return n;
}

static void every_variable_is_documented(void **state)
{
    (void)state;
    char *docs = read_docs(), line[CONFIG_VARIABLE_MAX + 2], variable[CONFIG_VARIABLE_MAX];
    size_t variables = 0;
    for (size_t i = 0; i < config_key_count; i++) {
        if (!config_key_variable(&config_keys[i], variable))
            continue;
        snprintf(line, sizeof line, "\n%s\n", variable);
        if (!strstr(docs, line))
            fail_msg("not in %s: %s", DOCS, variable);
        variables++;
    }
    assert_int_equal(count_listed(docs), variables);
    free(docs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_is_documented),
        cmocka_unit_test(nothing_else_is_documented),
        cmocka_unit_test(every_variable_is_documented),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
