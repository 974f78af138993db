/* The table of commands, and what they share. */
#include "cli/commands.h"

#include "common/base/json_write.h"
#include "common/base/text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BIT(o) (1ul << (o))
#define FILTER                                                                                     \
    (BIT(OPTION_STATE) | BIT(OPTION_DESTINATION) | BIT(OPTION_SOURCE) | BIT(OPTION_SINCE) |        \
     BIT(OPTION_UNTIL))

const struct command commands[] = {
    {"status", "", "which programs run, and how Redis is", 0, 0, 0, false, command_status},
    {"lanes", "[LANE]", "what waits on each lane", 0, 1, BIT(OPTION_STATE) | BIT(OPTION_NAME),
     false, command_lanes},
    {"list", "", "deliveries that fit a filter, newest first", 0, 0,
     FILTER | BIT(OPTION_LANE) | BIT(OPTION_TAG) | BIT(OPTION_ID) | BIT(OPTION_LIMIT) |
         BIT(OPTION_ALL),
     false, command_list},
    {"dead", "", "how many dead letters there are, by destination and reason", 0, 0, 0, false,
     command_dead},
    {"show", "ID", "one delivery with its attempts, or one event with its deliveries", 1, 1, 0,
     false, command_show},
    {"body", "ID", "an event's body, inflated", 1, 1, 0, false, command_body},
    {"resend", "[ID]", "send a delivery again, or all that fit a filter", 0, 1,
     FILTER | BIT(OPTION_YES), false, command_resend},
    {"drop", "[ID]", "give a delivery up, or all that fit a filter", 0, 1, FILTER | BIT(OPTION_YES),
     false, command_drop},
    {"pause", "LANE", "stop a lane; what is accepted waits", 1, 1, 0, false, command_pause},
    {"resume", "LANE", "let a lane go on", 1, 1, 0, false, command_resume},
    {"partition", "hold|release N", "stop all work on a partition, or let it go on", 2, 2, 0, false,
     command_partition},
    {"purge", "LANE", "drop everything that waits on a lane", 1, 1, BIT(OPTION_YES), false,
     command_purge},
    {"delay", "MS|default", "set the delay of what is accepted from now on", 1, 1,
     BIT(OPTION_DESTINATION) | BIT(OPTION_ACCOUNT), false, command_delay},
    {"send-test", "SOURCE", "sign a sample as the provider would, and send it in", 1, 1,
     BIT(OPTION_BODY), false, command_send_test},
    {"tail", "", "what happens, as it happens", 0, 0,
     BIT(OPTION_SOURCE) | BIT(OPTION_DESTINATION) | BIT(OPTION_TAG), false, command_tail},
    {"listen", "", "forward what is accepted to a server, such as one on your laptop", 0, 0,
     BIT(OPTION_FORWARD) | BIT(OPTION_TIMEOUT) | BIT(OPTION_SOURCE) | BIT(OPTION_DESTINATION) |
         BIT(OPTION_TAG),
     false, command_listen},
    {"check", "", "find what contradicts itself in the queue, and mend it", 0, 0,
     BIT(OPTION_REPAIR), false, command_check},
    {"completion", "bash|zsh|fish", "print a script for the shell", 1, 1, 0, true,
     command_completion},
    {0},
};

int cli_fail(int code, const char *next, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fputs("hookpace: ", stderr);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
    if (next)
        fprintf(stderr, "          %s\n", next);
    return code;
}

/* --- calls --- */

static const char *advice(long status)
{
    switch (status) {
    case 401:
        return "set HOOKPACE_LOGIN to name:password of an account with the role admin";
    case 403:
        return "this account may not do that; use one with the role admin";
    case 503:
        return "look at `hookpace status`, and whether Redis runs";
    default:
        return NULL;
    }
}

int cli_refused(const struct client_answer *a)
{
    struct json *doc = NULL;
    struct buf text;
    buf_init(&text, 4096);
    if (json_parse(buf_slice(&a->body), &doc, NULL) == OK && json_kind(doc) == JSON_OBJECT)
        show_add_text(&text, json_string(json_get(json_get(doc, "error"), "message")));
    if (text.len)
        cli_fail(EXIT_FAILED, advice(a->status), "%s (HTTP %ld)", text.ptr, a->status);
    else
        cli_fail(EXIT_FAILED, "is this the receiver's admin listener?", "HTTP %ld without a reason",
                 a->status);
    json_free(doc);
    buf_clear(&text);
    return EXIT_FAILED;
}

void cli_tell_missing(struct cli *c, const struct json *doc)
{
    const struct json *missing = json_kind(doc) == JSON_OBJECT ? json_get(doc, "missing") : NULL;
    if (c->has_told || json_length(missing) == 0)
        return;
    c->has_told = true;
    fputs("hookpace: what is in partition ", stderr);
    for (size_t i = 0; i < json_length(missing); i++)
        fprintf(stderr, "%s%lld", i ? ", " : "", (long long)json_int(json_at(missing, i)));
    fputs(" is missing: its Redis does not answer, or an operator holds it\n", stderr);
}

struct json *cli_take(struct cli *c, const struct client_answer *a)
{
    struct json *doc = NULL;
    struct error e;
    if (a->status < 200 || a->status > 299) {
        (void)cli_refused(a);
    } else if (json_parse(buf_slice(&a->body), &doc, &e) != OK) {
        cli_fail(EXIT_FAILED, "is this the receiver's admin listener?", "the answer is no JSON: %s",
                 e.text);
    } else if (c->json) {
        fwrite(a->body.ptr, 1, a->body.len, stdout);
        fputc('\n', stdout);
    }
    cli_tell_missing(c, doc);
    return doc;
}

bool cli_fetch(struct cli *c, const char *path, const struct slice *posted,
               struct client_answer *out)
{
    struct error e;
    if (client_call(c->client, path, posted, out, &e) == OK)
        return true;
    cli_fail(EXIT_FAILED, "set HOOKPACE_URL to the receiver's admin listener, or use --config",
             "%s", e.text);
    return false;
}

struct json *cli_call(struct cli *c, const char *path, const struct slice *posted)
{
    struct client_answer answer;
    struct json *doc = cli_fetch(c, path, posted, &answer) ? cli_take(c, &answer) : NULL;
    client_answer_clear(&answer);
    return doc;
}

const struct json *cli_member(const struct json *object, const char *name)
{
    return json_kind(object) == JSON_OBJECT ? json_get(object, name) : NULL;
}

struct slice cli_text(const struct json *object, const char *name)
{
    const struct json *value = cli_member(object, name);
    return json_kind(value) == JSON_STRING ? json_string(value) : SLICE_LIT("");
}

void cli_add_path(struct buf *out, const char *thing, const char *id, const char *verb)
{
    buf_addf(out, "/api/%s/", thing);
    text_add_percent(out, slice_str(id));
    if (verb)
        buf_addf(out, "/%s", verb);
}

/* --- filters --- */

/* The parameters of a filter that go as they are. */
static const struct {
    enum option option;
    const char *name;
} plain[] = {{OPTION_STATE, "state"},   {OPTION_DESTINATION, "destination"},
             {OPTION_SOURCE, "source"}, {OPTION_LANE, "lane"},
             {OPTION_TAG, "tag"},       {OPTION_ID, "id"},
             {OPTION_NAME, "name"},     {OPTION_LIMIT, "limit"}};
#define PLAIN (sizeof plain / sizeof *plain)

static const struct {
    enum option option;
    const char *name;
} moments[] = {{OPTION_SINCE, "since"}, {OPTION_UNTIL, "until"}};
#define MOMENTS (sizeof moments / sizeof *moments)

struct given { /* a parameter of the filter that the options name */
    const char *name, *text;
    bool is_moment;
    wall_ms at; /* of a moment */
};

/* Fills LIST, which has room for all parameters. EXIT_DONE, or EXIT_MISUSED. */
static int read_filter(const struct cli *c, struct given *list, size_t *count)
{
    *count = 0;
    for (size_t i = 0; i < PLAIN + MOMENTS; i++) {
        bool is_moment = i >= PLAIN;
        enum option o = is_moment ? moments[i - PLAIN].option : plain[i].option;
        struct given g = {.name = is_moment ? moments[i - PLAIN].name : plain[i].name,
                          .text = c->options.values[o],
                          .is_moment = is_moment};
        if (!g.text)
            continue;
        if (is_moment && !show_read_moment(slice_str(g.text), c->now, &g.at))
            return cli_fail(
                EXIT_MISUSED,
                "write 14:00, 90m, 2h, 3d, 2026-11-21T02:15:49Z, or milliseconds since 1970",
                "%s %s is no moment", option_row(o)->name, g.text);
        list[(*count)++] = g;
    }
    return EXIT_DONE;
}

int cli_add_query(const struct cli *c, struct buf *out)
{
    struct given list[PLAIN + MOMENTS];
    size_t count;
    if (read_filter(c, list, &count) != EXIT_DONE)
        return EXIT_MISUSED;
    for (size_t i = 0; i < count; i++) {
        buf_addf(out, "%c%s=", i ? '&' : '?', list[i].name);
        if (list[i].is_moment)
            buf_add_i64(out, list[i].at);
        else
            text_add_percent(out, slice_str(list[i].text));
    }
    return EXIT_DONE;
}

int cli_add_filter(const struct cli *c, struct buf *out)
{
    struct given list[PLAIN + MOMENTS];
    size_t count;
    if (read_filter(c, list, &count) != EXIT_DONE)
        return EXIT_MISUSED;
    struct json_write w = json_write_to(out);
    jw_open(&w, NULL, '{');
    for (size_t i = 0; i < count; i++) {
        if (list[i].is_moment)
            jw_int(&w, list[i].name, list[i].at);
        else
            jw_str(&w, list[i].name, list[i].text);
    }
    jw_close(&w, '}');
    return EXIT_DONE;
}

bool cli_confirm(const struct cli *c, const char *question)
{
    char answer[16] = "";
    if (c->options.values[OPTION_YES])
        return true;
    if (!isatty(STDIN_FILENO)) {
        cli_fail(EXIT_MISUSED, "add --yes", "%s Nobody can be asked here.", question);
        return false;
    }
    fprintf(stderr, "%s [y/N] ", question);
    return fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}
