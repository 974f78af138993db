/* The command that prints what happens, as it happens. */
#include "cli/commands.h"

#include "common/base/text.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES ((size_t)1 << 20)
#define AGAIN_S 1

struct tailing {
    struct cli *cli;
    struct buf line; /* of the stream, until it is whole */
    bool was_connected, is_connected;
};

/* --- what is printed --- */

static void add_text(struct buf *out, const struct json *doc, const char *name)
{
    const struct json *value = json_get(doc, name);
    if (json_kind(value) == JSON_STRING && json_string(value).len) {
        buf_add_str(out, "  ");
        show_add_text(out, json_string(value));
    }
}

/* The time of day, in the local zone. */
static void add_time(struct buf *out, const struct json *doc)
{
    wall_ms at;
    struct slice iso = json_string(json_get(doc, "at"));
    char text[16] = "--:--:--";
    struct tm tm;
    if (clock_read_iso(iso.ptr, iso.len, &at)) {
        time_t s = (time_t)(at / 1000);
        localtime_r(&s, &tm);
        strftime(text, sizeof text, "%H:%M:%S", &tm);
    }
    buf_add_str(out, text);
}

static void add_attempt(struct buf *out, const struct json *doc)
{
    int64_t status = json_int(json_get(doc, "status"));
    if (status)
        buf_addf(out, "  %lld", (long long)status);
    add_text(out, doc, "error");
    buf_addf(out, "  %lld ms", (long long)json_int(json_get(doc, "ms")));
    add_text(out, doc, "state");
}

static void print_fact(struct tailing *t, const struct json *doc)
{
    struct slice type = json_string(json_get(doc, "type"));
    bool is_dead = slice_eq(type, SLICE_LIT("dead"));
    struct buf out;
    buf_init(&out, LINE_MAX_BYTES);
    add_time(&out, doc);
    add_text(&out, doc, "type");
    if (slice_eq(type, SLICE_LIT("dropped"))) {
        buf_addf(&out, "  %lld more were left out", (long long)json_int(json_get(doc, "dropped")));
    } else {
        add_text(&out, doc, "id");
        add_text(&out, doc, "source");
        if (slice_eq(type, SLICE_LIT("accepted"))) {
            if (json_bool(json_get(doc, "duplicate")))
                buf_add_str(&out, "  duplicate");
        } else {
            add_attempt(&out, doc);
        }
        add_text(&out, doc, "tag");
    }
    if (is_dead && t->cli->use_colors)
        printf("\x1b[31m%s\x1b[0m\n", out.ptr);
    else
        printf("%s\n", out.ptr);
    buf_clear(&out);
}

/* --- the stream --- */

static void take_data(struct tailing *t, struct slice data)
{
    struct json *doc = NULL;
    if (t->cli->json)
        printf("%.*s\n", SLICE_FMT(data));
    else if (json_parse(data, &doc, NULL) == OK && json_kind(doc) == JSON_OBJECT)
        print_fact(t, doc);
    json_free(doc);
    fflush(stdout);
}

static void take_line(struct tailing *t, struct slice line)
{
    static const char data[] = "data: ";
    if (slice_starts(line, SLICE_LIT(": ready")))
        fputs("hookpace: listening\n", stderr);
    else if (slice_starts(line, SLICE_LIT(data)))
        take_data(t, slice_skip(line, sizeof data - 1));
}

static bool on_piece(void *ctx, struct slice piece)
{
    struct tailing *t = ctx;
    t->was_connected = t->is_connected = true;
    buf_add_slice(&t->line, piece);
    if (t->line.failed)
        return false;
    struct slice rest = buf_slice(&t->line);
    while (rest.len && memchr(rest.ptr, '\n', rest.len))
        take_line(t, slice_cut(&rest, '\n'));
    size_t left = rest.len;
    if (left)
        memmove(t->line.ptr, rest.ptr, left);
    t->line.len = left;
    return !ferror(stdout);
}

/* Follows the stream until it ends. EXIT_DONE: it may be asked for again. */
static int follow(struct tailing *t, const char *path)
{
    struct client_answer answer;
    struct error e;
    int code = EXIT_DONE;
    buf_reset(&t->line);
    bool is_answered = client_stream(t->cli->client, path, on_piece, t, &answer, &e) == OK;
    if (ferror(stdout))
        code = EXIT_FAILED;
    else if (is_answered && answer.status != 200 && (answer.status < 500 || !t->was_connected))
        code = cli_refused(&answer);
    else if (!t->was_connected)
        code = cli_fail(EXIT_FAILED,
                        "set HOOKPACE_URL to the receiver's admin listener, or use --config", "%s",
                        e.text);
    client_answer_clear(&answer);
    return code;
}

/* Everything that was printed was flushed. */
static void on_interrupt(int signo)
{
    (void)signo;
    _exit(EXIT_DONE);
}

static void add_path(const struct cli *c, struct buf *out)
{
    buf_add_str(out, "/api/tail");
    (void)cli_add_query(c, out); /* none of its options is a moment */
}

int command_tail(struct cli *c)
{
    struct tailing t = {.cli = c};
    struct buf path;
    buf_init(&path, 1 << 16);
    buf_init(&t.line, LINE_MAX_BYTES);
    add_path(c, &path);
    struct sigaction end = {.sa_handler = on_interrupt};
    sigaction(SIGINT, &end, NULL);
    sigaction(SIGTERM, &end, NULL);
    int code;
    while ((code = follow(&t, path.ptr)) == EXIT_DONE) {
        if (t.is_connected) /* once each time */
            fprintf(stderr, "hookpace: %s has gone; trying again\n", client_url(c->client));
        t.is_connected = false;
        sleep(AGAIN_S);
    }
    buf_clear(&path);
    buf_clear(&t.line);
    return code;
}
