/* The command that searches the queue for what contradicts itself. */
#include "cli/commands.h"

#include "common/base/json_write.h"
#include "common/base/text.h"

#include <stdlib.h>
#include <unistd.h>

struct search {
    struct cli *cli;
    struct buf items; /* the JSON of all that was found */
    struct json_write writer;
    struct table table;
    int64_t looked, unsure;
    struct buf missing; /* the JSON of the partitions that were passed over; empty: none */
    size_t found, mended;
};

static const char *const titles[] = {"problem", "id", "repaired"};

static void add_value(struct table *t, const struct json *value, enum show_color color)
{
    struct buf text;
    buf_init(&text, 1 << 16);
    show_add_value(&text, value);
    table_add(t, buf_slice(&text), color);
    buf_clear(&text);
}

static void take_item(struct search *s, const struct json *item)
{
    bool is_mended = json_bool(json_get(item, "repaired"));
    add_value(&s->table, json_get(item, "problem"), COLOR_NONE);
    add_value(&s->table, json_get(item, "id"), COLOR_NONE);
    table_add(&s->table, is_mended ? SLICE_LIT("yes") : SLICE_LIT("no"),
              is_mended ? COLOR_GOOD : COLOR_BAD);
    jw_open(&s->writer, NULL, '{');
    jw_text(&s->writer, "id", json_string(json_get(item, "id")));
    jw_text(&s->writer, "problem", json_string(json_get(item, "problem")));
    jw_int(&s->writer, "partition", json_int(json_get(item, "partition")));
    jw_bool(&s->writer, "repaired", is_mended);
    jw_close(&s->writer, '}');
    s->found++;
    s->mended += is_mended;
}

static void take_missing(struct search *s, const struct json *missing)
{
    for (size_t i = 0; i < json_length(missing); i++)
        buf_addf(&s->missing, "%s%lld", s->missing.len ? "," : "",
                 (long long)json_int(json_at(missing, i)));
}

/* Takes the answer of one call; CURSOR gets where the next one goes on. */
static void take_answer(struct search *s, const struct json *doc, struct buf *cursor)
{
    const struct json *items = json_get(doc, "items");
    for (size_t i = 0; i < json_length(items); i++) {
        const struct json *item = json_at(items, i);
        take_item(s, item);
    }
    take_missing(s, json_get(doc, "missing"));
    s->looked += json_int(json_get(doc, "looked_at"));
    s->unsure += json_int(json_get(doc, "unsure"));
    buf_reset(cursor);
    buf_add_slice(cursor, json_string(json_get(doc, "next")));
}

static void show_progress(const struct search *s)
{
    if (isatty(STDERR_FILENO) && !s->cli->json)
        fprintf(stderr, "\r%lld looked at, %zu found ", (long long)s->looked, s->found);
}

/* Makes one call. */
static int step(struct search *s, struct buf *cursor)
{
    struct buf body;
    bool wants_json = s->cli->json;
    buf_init(&body, 1 << 16);
    struct json_write w = json_write_to(&body);
    jw_open(&w, NULL, '{');
    jw_bool(&w, "repair", s->cli->options.values[OPTION_REPAIR] != NULL);
    jw_text_or_null(&w, "cursor", buf_slice(cursor));
    jw_close(&w, '}');
    struct slice posted = buf_slice(&body);
    s->cli->json = false; /* all answers are printed as one */
    struct json *doc = cli_call(s->cli, "/api/check", &posted);
    s->cli->json = wants_json;
    if (doc)
        take_answer(s, doc, cursor);
    json_free(doc);
    buf_clear(&body);
    return doc ? EXIT_DONE : EXIT_FAILED;
}

static void print_json(struct search *s)
{
    struct buf out;
    buf_init(&out, (size_t)1 << 30);
    struct json_write w = json_write_to(&out);
    jw_open(&w, NULL, '{');
    jw_raw(&w, "items", buf_slice(&s->items));
    jw_null(&w, "next");
    jw_int(&w, "looked_at", s->looked);
    jw_int(&w, "unsure", s->unsure);
    if (s->missing.len) {
        jw_open(&w, "missing", '[');
        buf_add_slice(&out, buf_slice(&s->missing));
        jw_close(&w, ']');
    }
    jw_close(&w, '}');
    fwrite(out.ptr, 1, out.len, stdout);
    fputc('\n', stdout);
    buf_clear(&out);
}

static void print_found(struct search *s)
{
    const struct cli *c = s->cli;
    if (isatty(STDERR_FILENO))
        fputc('\n', stderr);
    if (s->found)
        table_print(&s->table, stdout, c->use_colors);
    printf("%lld looked at, %zu found, %zu repaired\n", (long long)s->looked, s->found, s->mended);
    if (s->unsure)
        printf("%lld could not be judged: their lists are very long\n", (long long)s->unsure);
    if (s->missing.len)
        printf("not looked at: partition %s\n", s->missing.ptr);
    if (s->found > s->mended && !c->options.values[OPTION_REPAIR])
        fputs("hookpace check --repair mends what can be mended\n", stderr);
}

int command_check(struct cli *c)
{
    struct search s = {.cli = c, .table = table_new(titles, sizeof titles / sizeof *titles)};
    struct buf cursor;
    buf_init(&cursor, 1 << 16);
    buf_init(&s.items, (size_t)1 << 30);
    buf_init(&s.missing, 1 << 16);
    s.writer = json_write_to(&s.items);
    jw_open(&s.writer, NULL, '[');
    int code;
    do {
        code = step(&s, &cursor);
        show_progress(&s);
    } while (code == EXIT_DONE && cursor.len);
    jw_close(&s.writer, ']');
    if (code == EXIT_DONE && c->json)
        print_json(&s);
    else if (code == EXIT_DONE)
        print_found(&s);
    table_clear(&s.table);
    buf_clear(&s.items);
    bool is_whole = s.missing.len == 0;
    buf_clear(&s.missing);
    buf_clear(&cursor);
    if (code == EXIT_DONE && !s.found && !is_whole)
        return EXIT_FAILED;
    return code != EXIT_DONE ? code : s.found ? EXIT_FOUND : EXIT_DONE;
}
