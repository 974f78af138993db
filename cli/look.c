/* The commands that look: status, lanes, list, show, body. */
#include "cli/commands.h"

#include <stdlib.h>
#include <string.h>

static void add_cell(struct table *t, const struct json *value, enum show_color color)
{
    struct buf text;
    buf_init(&text, 4096);
    show_add_value(&text, value);
    table_add(t, buf_slice(&text), color);
    buf_clear(&text);
}

static void add_age(struct table *t, const struct cli *c, const struct json *object,
                    const char *name)
{
    struct buf text;
    buf_init(&text, 64);
    show_add_age(&text, cli_text(object, name), c->now);
    table_add(t, buf_slice(&text), COLOR_NONE);
    buf_clear(&text);
}

/* Appends the numbers or texts of ARRAY. Nothing if they are objects or lists. */
static void add_elements(struct buf *out, const struct json *array)
{
    for (size_t i = 0; i < json_length(array); i++) {
        const struct json *value = json_at(array, i);
        enum json_kind kind = json_kind(value);
        if (kind == JSON_OBJECT || kind == JSON_ARRAY)
            return;
        if (i > 0)
            buf_add_str(out, kind == JSON_STRING ? "; " : ", ");
        show_add_value(out, value);
    }
}

static void print_member(const char *name, const struct json *value)
{
    struct buf text;
    buf_init(&text, 1 << 16);
    if (json_kind(value) == JSON_ARRAY)
        add_elements(&text, value);
    else
        show_add_value(&text, value);
    if (text.len || json_kind(value) != JSON_ARRAY)
        printf("%-18s %s\n", name, text.len ? text.ptr : "");
    buf_clear(&text);
}

/* Prints "name: value" for each member of OBJECT, nested ones with their path. Tables show lists of objects. */
static void print_members(const struct json *object, const char *prefix)
{
    size_t at = 0;
    struct slice key;
    const struct json *value;
    while (json_next(object, &at, &key, &value)) {
        struct buf name;
        buf_init(&name, 4096);
        buf_add_str(&name, prefix);
        show_add_text(&name, key);
        if (json_kind(value) == JSON_OBJECT) {
            buf_add_char(&name, '.');
            print_members(value, name.ptr);
        } else {
            print_member(name.ptr, value);
        }
        buf_clear(&name);
    }
}

/* A table of the objects in ARRAY, one column a name in NAMES. */
static void print_objects(const struct cli *c, const struct json *array, const char *const *names,
                          size_t count)
{
    struct table t = table_new(names, count);
    for (size_t i = 0; i < json_length(array); i++)
        for (size_t k = 0; k < count; k++)
            add_cell(&t, cli_member(json_at(array, i), names[k]),
                     strcmp(names[k], "state") == 0
                         ? show_state_color(cli_text(json_at(array, i), "state"))
                         : COLOR_NONE);
    table_print(&t, stdout, c->use_colors);
    table_clear(&t);
}

/* --- status --- */

/* Says whether the programs have read the configuration that --config names. */
static void print_in_force(const struct cli *c, const struct json *programs)
{
    size_t others = 0, all = json_length(programs);
    if (!*c->digest)
        return;
    for (size_t i = 0; i < all; i++)
        others += !slice_eq(cli_text(json_at(programs, i), "digest"), slice_str(c->digest));
    if (others)
        printf("%-18s no: %zu of %zu programs have not read %s (%s)\n", "config.in_force", others,
               all, c->options.values[OPTION_CONFIG], c->digest);
    else
        printf("%-18s yes\n", "config.in_force");
}

int command_status(struct cli *c)
{
    static const char *const programs[] = {"program",    "name",     "version",
                                           "started_at", "inflight", "digest"};
    static const char *const shards[] = {"address", "up", "version", "partitions"};
    struct json *doc = cli_call(c, "/api/status", NULL);
    if (!doc)
        return EXIT_FAILED;
    cli_tell_missing(c, cli_member(doc, "totals"));
    if (!c->json) {
        print_members(doc, "");
        const struct json *running = cli_member(doc, "programs");
        if (json_kind(running) == JSON_ARRAY) {
            print_in_force(c, running);
            fputc('\n', stdout);
            print_objects(c, running, programs, sizeof programs / sizeof *programs);
        }
        const struct json *servers = cli_member(cli_member(doc, "redis"), "shards");
        if (json_kind(servers) == JSON_ARRAY && json_length(servers) > 0) {
            fputc('\n', stdout);
            print_objects(c, servers, shards, sizeof shards / sizeof *shards);
        }
    }
    json_free(doc);
    return EXIT_DONE;
}

/* --- lanes --- */

static const char *const lane_columns[] = {"id",      "depth",    "inflight", "retry",
                                           "dead",    "delay_ms", "order",    "oldest_s",
                                           "sent_1m", "paused",   "circuits"};
#define LANE_COLUMNS (sizeof lane_columns / sizeof *lane_columns)

static int show_lane(struct cli *c)
{
    static const char *const circuits[] = {"origin", "state", "until"};
    struct buf path;
    buf_init(&path, 4096);
    cli_add_path(&path, "lanes", c->options.arguments[0], NULL);
    struct json *doc = cli_call(c, path.ptr, NULL);
    buf_clear(&path);
    if (doc && !c->json) {
        print_members(doc, "");
        if (json_length(cli_member(doc, "circuits")) > 0) {
            fputc('\n', stdout);
            print_objects(c, cli_member(doc, "circuits"), circuits, 3);
        }
    }
    json_free(doc);
    return doc ? EXIT_DONE : EXIT_FAILED;
}

/* Prints what the pages had. Nothing with --json, which printed the pages. */
static void print_rows(const struct cli *c, struct table *t, bool is_filtered)
{
    if (c->json)
        return;
    if (t->count || !is_filtered)
        table_print(t, stdout, c->use_colors);
    else
        printf("nothing fits\n");
}

static void take_lanes(struct cli *c, void *ctx, const struct json *page)
{
    struct table *t = ctx;
    const struct json *items = cli_member(page, "items");
    for (size_t i = 0; !c->json && i < json_length(items); i++)
        for (size_t k = 0; k < LANE_COLUMNS; k++)
            add_cell(t, cli_member(json_at(items, i), lane_columns[k]), COLOR_NONE);
}

int command_lanes(struct cli *c)
{
    bool is_filtered = c->options.values[OPTION_STATE] || c->options.values[OPTION_NAME];
    if (c->options.argument_count && is_filtered)
        return cli_fail(EXIT_MISUSED, "leave LANE out to list lanes",
                        "one lane takes no --state and no --name");
    if (c->options.argument_count)
        return show_lane(c);
    struct buf path;
    struct table t = table_new(lane_columns, LANE_COLUMNS);
    buf_init(&path, 1 << 16);
    buf_add_str(&path, "/api/lanes");
    int code = cli_add_query(c, &path);
    if (code == EXIT_DONE)
        code = cli_each_page(c, path.ptr, true, take_lanes, &t);
    if (code == EXIT_DONE)
        print_rows(c, &t, is_filtered);
    buf_clear(&path);
    table_clear(&t);
    return code;
}

/* --- list --- */

static const char *const list_columns[] = {"id",       "state", "source",   "tag", "lane",
                                           "attempts", "last",  "accepted", "next"};

static void take_deliveries(struct cli *c, void *ctx, const struct json *page)
{
    struct table *t = ctx;
    const struct json *items = cli_member(page, "items");
    for (size_t i = 0; !c->json && i < json_length(items); i++) {
        const struct json *d = json_at(items, i);
        struct slice error = cli_text(d, "last_error");
        table_add(t, cli_text(d, "id"), COLOR_NONE);
        table_add(t, cli_text(d, "state"), show_state_color(cli_text(d, "state")));
        add_cell(t, cli_member(d, "source"), COLOR_NONE);
        add_cell(t, cli_member(d, "tag"), COLOR_NONE);
        table_add(t, cli_text(d, "lane"), COLOR_NONE);
        add_cell(t, cli_member(d, "attempt_count"), COLOR_NONE);
        if (error.len)
            table_add(t, error, COLOR_WARN);
        else
            add_cell(t, cli_member(d, "last_status"), COLOR_NONE);
        add_age(t, c, d, "accepted_at");
        add_age(t, c, d, "next_attempt_at");
    }
}

int command_list(struct cli *c)
{
    struct buf path;
    struct table t = table_new(list_columns, sizeof list_columns / sizeof *list_columns);
    buf_init(&path, 1 << 16);
    buf_add_str(&path, "/api/deliveries");
    int code = cli_add_query(c, &path);
    if (code == EXIT_DONE)
        code = cli_each_page(c, path.ptr, c->options.values[OPTION_ALL], take_deliveries, &t);
    if (code == EXIT_DONE)
        print_rows(c, &t, true);
    buf_clear(&path);
    table_clear(&t);
    return code;
}

/* --- show --- */

static void print_headers(const struct json *headers)
{
    for (size_t i = 0; i < json_length(headers); i++) {
        struct buf line;
        buf_init(&line, 1 << 16);
        show_add_text(&line, json_string(json_at(json_at(headers, i), 0)));
        buf_add_str(&line, ": ");
        show_add_text(&line, json_string(json_at(json_at(headers, i), 1)));
        printf("  %s\n", line.ptr);
        buf_clear(&line);
    }
}

static void print_page(const struct cli *c, const struct json *doc)
{
    static const char *const attempts[] = {"attempt", "at",          "status",
                                           "error",   "duration_ms", "response"};
    static const char *const deliveries[] = {"id",          "state",     "lane", "attempt_count",
                                             "last_status", "last_error"};
    print_members(doc, "");
    if (json_length(cli_member(doc, "headers")) > 0) {
        printf("\nheaders\n");
        print_headers(cli_member(doc, "headers"));
    }
    if (cli_member(doc, "attempts")) {
        fputc('\n', stdout);
        print_objects(c, cli_member(doc, "attempts"), attempts, sizeof attempts / sizeof *attempts);
    }
    if (cli_member(doc, "deliveries")) {
        fputc('\n', stdout);
        print_objects(c, cli_member(doc, "deliveries"), deliveries,
                      sizeof deliveries / sizeof *deliveries);
    }
}

/* Asks for the delivery ID. An id of an event may have a colon too: false, and nothing is printed, if there is no such
 * delivery. OUT is to be cleared in any case. */
static bool find_delivery(struct cli *c, const char *id, struct client_answer *out)
{
    struct buf path;
    bool is_found = false;
    *out = (struct client_answer){0};
    if (!strrchr(id, ':'))
        return false;
    buf_init(&path, 1 << 16);
    cli_add_path(&path, "deliveries", id, NULL);
    if (client_call(c->client, path.ptr, NULL, out, NULL) == OK)
        is_found = out->status == 200;
    buf_clear(&path);
    return is_found;
}

static struct json *find_event(struct cli *c, const char *id)
{
    struct buf path;
    buf_init(&path, 1 << 16);
    cli_add_path(&path, "events", id, NULL);
    struct json *doc = cli_call(c, path.ptr, NULL);
    buf_clear(&path);
    return doc;
}

int command_show(struct cli *c)
{
    const char *id = c->options.arguments[0];
    struct client_answer delivery;
    bool is_found = find_delivery(c, id, &delivery);
    struct json *doc = is_found ? cli_take(c, &delivery) : find_event(c, id);
    client_answer_clear(&delivery);
    if (doc && !c->json)
        print_page(c, doc);
    json_free(doc);
    return doc ? EXIT_DONE : EXIT_FAILED;
}

/* --- body --- */

static bool print_piece(void *ctx, struct slice s)
{
    (void)ctx;
    return fwrite(s.ptr, 1, s.len, stdout) == s.len;
}

int command_body(struct cli *c)
{
    const char *id = c->options.arguments[0], *colon = strrchr(id, ':');
    struct client_answer answer;
    bool is_one = find_delivery(c, id, &answer);
    client_answer_clear(&answer);
    struct buf path, event;
    struct error e;
    buf_init(&path, 1 << 16);
    buf_init(&event, 1 << 16);
    buf_add_slice(&event, is_one ? slice_make(id, (size_t)(colon - id)) : slice_str(id));
    cli_add_path(&path, "events", event.ptr, "body");
    int code = EXIT_DONE;
    if (client_stream(c->client, path.ptr, print_piece, &answer, &e) != OK)
        code = cli_fail(EXIT_FAILED, NULL, "%s", e.text);
    else if (answer.status != 200)
        code = cli_refused(&answer);
    client_answer_clear(&answer);
    buf_clear(&path);
    buf_clear(&event);
    return code;
}
