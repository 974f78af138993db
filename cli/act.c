/* The commands that change something: resend, drop, pause, resume, partition, purge, delay, send-test. */
#include "cli/commands.h"

#include "common/base/json_write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BODY_MAX ((size_t)1 << 20) /* of the call, as JSON */
#define POLL_US 300000

static int64_t number(const struct json *doc, const char *name)
{
    const struct json *value = json_kind(doc) == JSON_OBJECT ? json_get(doc, name) : NULL;
    return json_kind(value) == JSON_INT ? json_int(value) : 0;
}

static struct slice text(const struct json *doc, const char *name)
{
    const struct json *value = json_kind(doc) == JSON_OBJECT ? json_get(doc, name) : NULL;
    return json_kind(value) == JSON_STRING ? json_string(value) : SLICE_LIT("");
}

/* Posts BODY (NULL: nothing) to PATH, and prints DONE unless --json was given. */
static int post(struct cli *c, const char *path, const char *body, const char *done)
{
    struct slice posted = slice_str(body ? body : "");
    struct json *doc = cli_call(c, path, &posted);
    if (doc && !c->json)
        printf("%s\n", done);
    json_free(doc);
    return doc ? EXIT_DONE : EXIT_FAILED;
}

static int post_to(struct cli *c, const char *thing, const char *verb, const char *done)
{
    struct buf path, say;
    buf_init(&path, 1 << 16);
    buf_init(&say, 1 << 16);
    cli_add_path(&path, thing, c->options.arguments[0], verb);
    show_add_text(&say, slice_str(c->options.arguments[0]));
    buf_addf(&say, ": %s", done);
    int code = post(c, path.ptr, NULL, say.ptr);
    buf_clear(&path);
    buf_clear(&say);
    return code;
}

/* --- jobs --- */

static bool is_over(const struct json *job)
{
    struct slice state = text(job, "state");
    return !slice_eq(state, SLICE_LIT("running")) && !slice_eq(state, SLICE_LIT("unknown"));
}

/* Waits until job ID is over, and shows how far it is. */
static int follow_job(struct cli *c, const char *id)
{
    struct buf path;
    bool quiet = c->json, is_terminal = isatty(STDERR_FILENO);
    int code = EXIT_FAILED;
    buf_init(&path, 4096);
    cli_add_path(&path, "jobs", id, NULL);
    for (;;) {
        c->json = false;
        struct json *job = cli_call(c, path.ptr, NULL);
        c->json = quiet;
        if (!job)
            break;
        if (!quiet && is_terminal)
            fprintf(stderr, "\r%lld of %lld ", (long long)number(job, "done"),
                    (long long)number(job, "total"));
        bool over = is_over(job);
        if (over) {
            if (!quiet && is_terminal)
                fputc('\n', stderr);
            if (!quiet)
                printf("%lld done, %lld failed\n", (long long)number(job, "done"),
                       (long long)number(job, "failed"));
            code = slice_eq(text(job, "state"), SLICE_LIT("done")) && number(job, "failed") == 0
                       ? EXIT_DONE
                       : EXIT_FAILED;
        }
        json_free(job);
        if (over)
            break;
        usleep(POLL_US);
    }
    buf_clear(&path);
    return code;
}

/* Posts BODY to PATH, which answers a job, and follows it. */
static int run_job(struct cli *c, const char *path, struct slice body)
{
    struct json *doc = cli_call(c, path, &body);
    if (!doc)
        return EXIT_FAILED;
    struct slice id = text(doc, "job");
    char name[128];
    snprintf(name, sizeof name, "%.*s", (int)id.len, id.ptr);
    json_free(doc);
    return name[0] ? follow_job(c, name) : EXIT_DONE;
}

/* All that fit the options. MUST_ASK: nobody could undo it. */
static int act_on_all(struct cli *c, const char *verb, bool must_ask)
{
    char question[100];
    struct buf body, path;
    if (!c->options.values[OPTION_STATE] && !c->options.values[OPTION_DESTINATION] &&
        !c->options.values[OPTION_SOURCE])
        return cli_fail(EXIT_MISUSED, "add --state, --destination or --source",
                        "%s needs an ID or a filter", verb);
    snprintf(question, sizeof question, "Really %s all deliveries that fit?", verb);
    if (must_ask && !cli_confirm(c, question))
        return EXIT_MISUSED;
    buf_init(&body, 1 << 16);
    buf_init(&path, 64);
    buf_addf(&path, "/api/%s", verb);
    int code = cli_add_filter(c, &body);
    if (code == EXIT_DONE)
        code = run_job(c, path.ptr, buf_slice(&body));
    buf_clear(&body);
    buf_clear(&path);
    return code;
}

/* A filter beside an ID would have no effect. EXIT_DONE, or EXIT_MISUSED after printing why. */
static int refuse_filter(const struct cli *c, const char *verb)
{
    static const enum option filters[] = {OPTION_STATE, OPTION_DESTINATION, OPTION_SOURCE,
                                          OPTION_SINCE, OPTION_UNTIL};
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++)
        if (c->options.values[filters[i]])
            return cli_fail(EXIT_MISUSED, "leave out the ID, or the filter", "%s ID takes no %s",
                            verb, option_row(filters[i])->name);
    return EXIT_DONE;
}

int command_resend(struct cli *c)
{
    const char *state = c->options.values[OPTION_STATE];
    if (!c->options.argument_count) /* webhooks that have arrived cannot be taken back */
        return act_on_all(c, "resend", state && strcmp(state, "done") == 0);
    if (refuse_filter(c, "resend") != EXIT_DONE)
        return EXIT_MISUSED;
    return post_to(c, "deliveries", "resend", "is queued again");
}

int command_drop(struct cli *c)
{
    if (!c->options.argument_count)
        return act_on_all(c, "drop", true);
    if (refuse_filter(c, "drop") != EXIT_DONE)
        return EXIT_MISUSED;
    if (!cli_confirm(c, "Really drop this delivery?"))
        return EXIT_MISUSED;
    return post_to(c, "deliveries", "drop", "is dropped");
}

/* --- lanes --- */

int command_pause(struct cli *c)
{
    return post_to(c, "lanes", "pause", "is stopped");
}

int command_resume(struct cli *c)
{
    return post_to(c, "lanes", "resume", "goes on");
}

/* Programs ask twice a second, and what they have sent to Redis ends within the rest. */
#define HOLD_S 2

int command_partition(struct cli *c)
{
    const char *verb = c->options.arguments[0], *partition = c->options.arguments[1];
    bool is_hold = strcmp(verb, "hold") == 0;
    struct buf path, say;
    if (!is_hold && strcmp(verb, "release") != 0)
        return cli_fail(EXIT_MISUSED, "hookpace partition hold N, hookpace partition release N",
                        "partition takes hold or release");
    buf_init(&path, 1 << 16);
    buf_init(&say, 1 << 16);
    cli_add_path(&path, "partitions", partition, verb);
    buf_add_str(&say, "partition ");
    show_add_text(&say, slice_str(partition));
    buf_add_str(&say, is_hold ? " is held: nothing works on it now" : " goes on");
    struct slice nothing = SLICE_LIT("");
    struct json *doc = cli_call(c, path.ptr, &nothing);
    if (doc && is_hold)
        sleep(HOLD_S);
    if (doc && !c->json)
        printf("%s\n", say.ptr);
    json_free(doc);
    buf_clear(&path);
    buf_clear(&say);
    return doc ? EXIT_DONE : EXIT_FAILED;
}

int command_purge(struct cli *c)
{
    struct buf path, body;
    if (!cli_confirm(c, "Really drop everything that waits on this lane?"))
        return EXIT_MISUSED;
    buf_init(&path, 4096);
    buf_init(&body, 4096);
    cli_add_path(&path, "lanes", c->options.arguments[0], "purge");
    struct json_write w = json_write_to(&body);
    jw_open(&w, NULL, '{');
    jw_str(&w, "confirm", c->options.arguments[0]);
    jw_close(&w, '}');
    int code = run_job(c, path.ptr, buf_slice(&body));
    buf_clear(&path);
    buf_clear(&body);
    return code;
}

/* --- delay --- */

int command_delay(struct cli *c)
{
    const char *given = c->options.arguments[0];
    char *end;
    struct buf body;
    bool is_default = strcmp(given, "default") == 0;
    errno = 0;
    long ms = strtol(given, &end, 10);
    if (!is_default && (errno || *end || end == given || ms < 0))
        return cli_fail(EXIT_MISUSED,
                        "write a number of milliseconds, or `default` for the configured one",
                        "%s is no delay", given);
    buf_init(&body, 4096);
    struct json_write w = json_write_to(&body);
    jw_open(&w, NULL, '{');
    if (is_default)
        jw_null(&w, "delay_ms");
    else
        jw_int(&w, "delay_ms", ms);
    if (c->options.values[OPTION_DESTINATION])
        jw_str(&w, "destination", c->options.values[OPTION_DESTINATION]);
    if (c->options.values[OPTION_ACCOUNT])
        jw_str(&w, "account", c->options.values[OPTION_ACCOUNT]);
    jw_close(&w, '}');
    int code = post(c, "/api/delay", body.ptr, "the delay is set for what is accepted from now on");
    buf_clear(&body);
    return code;
}

/* --- send-test --- */

static int read_file(const char *name, struct buf *out)
{
    char piece[65536];
    bool is_input = strcmp(name, "-") == 0;
    int fd = is_input ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return cli_fail(EXIT_MISUSED, NULL, "%s: %s", name, strerror(errno));
    ssize_t n;
    while ((n = read(fd, piece, sizeof piece)) > 0)
        buf_add_slice(out, slice_make(piece, (size_t)n));
    if (!is_input)
        close(fd);
    if (n < 0 || out->failed)
        return cli_fail(EXIT_FAILED, NULL, "%s cannot be read, or is larger than 1 MiB", name);
    return EXIT_DONE;
}

/* The call is answered 200 also if the event was refused: what the ingest said is in the answer. */
static int end_test(const struct cli *c, const struct json *doc)
{
    struct buf why;
    int64_t status = number(doc, "status");
    if (status == 200) {
        if (!c->json)
            puts("sent; look for it with `hookpace list`");
        return EXIT_DONE;
    }
    buf_init(&why, 4096);
    if (json_kind(doc) == JSON_OBJECT)
        show_add_text(&why, text(json_get(doc, "answer"), "message"));
    int code = cli_fail(EXIT_FAILED, NULL, "the event was refused: %s (HTTP %lld)",
                        why.len ? why.ptr : "without a reason", (long long)status);
    buf_clear(&why);
    return code;
}

static int send_test(struct cli *c, struct slice body)
{
    struct json *doc = cli_call(c, "/api/send-test", &body);
    int code = doc ? end_test(c, doc) : EXIT_FAILED;
    json_free(doc);
    return code;
}

int command_send_test(struct cli *c)
{
    struct buf file, body;
    buf_init(&file, BODY_MAX);
    buf_init(&body, BODY_MAX);
    struct json_write w = json_write_to(&body);
    int code = c->options.values[OPTION_BODY] ? read_file(c->options.values[OPTION_BODY], &file)
                                              : EXIT_DONE;
    jw_open(&w, NULL, '{');
    jw_str(&w, "source", c->options.arguments[0]);
    if (c->options.values[OPTION_BODY])
        jw_text(&w, "body", buf_slice(&file));
    jw_close(&w, '}');
    if (code == EXIT_DONE && body.failed)
        code = cli_fail(EXIT_FAILED, NULL, "%s is larger than 1 MiB when written as JSON",
                        c->options.values[OPTION_BODY]);
    if (code == EXIT_DONE)
        code = send_test(c, buf_slice(&body));
    buf_clear(&file);
    buf_clear(&body);
    return code;
}
