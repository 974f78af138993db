#include "cli/live/follow.h"

#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES ((size_t)1 << 20)
#define PATH_MAX_BYTES ((size_t)1 << 16)
#define REFUSAL_MAX ((size_t)1 << 16)
#define AGAIN_MS 1000
#define AGAIN_MAX_MS 16000
#define TURN_MS 60000
#define GOES_ON (-1)

struct follow {
    struct cli *cli;
    const struct follow_events *events;
    struct client_transfer *stream; /* NULL: none now */
    struct buf path, line;          /* `line` is one of the stream, until it is whole */
    wall_ms heard;                  /* when the stream last said something */
    wall_ms since;                  /* begin of the time that is missing; 0: nothing is missing */
    mono_us again_at;               /* when the stream is asked for again */
    int64_t pause_ms;               /* before the next try */
    bool was_greeted;               /* by a Hookpace, ever */
    bool is_greeted;                /* on this connection */
    int code;                       /* GOES_ON, or the exit code */
};

/* --- what is missing --- */

static void begin_gap(struct follow *f)
{
    if (!f->since)
        f->since = f->heard;
}

static void say_gap(const struct follow *f, wall_ms until)
{
    char from[CLOCK_ISO_LEN + 1], to[CLOCK_ISO_LEN + 1];
    clock_iso(f->since, from);
    clock_iso(until, to);
    fprintf(stderr,
            "hookpace: what happened from %s to %s may be missing here; find it with\n"
            "          hookpace list --since %s --until %s\n",
            from, to, from, to);
}

static void on_ready(struct follow *f)
{
    wall_ms now = clock_wall_ms();
    f->pause_ms = AGAIN_MS;
    fputs("hookpace: listening\n", stderr);
    if (!f->since)
        return;
    say_gap(f, now);
    if (f->events->missed)
        f->events->missed(f->events->ctx, f->since, now);
    f->since = 0;
}

/* --- the stream --- */

static void take_data(struct follow *f, struct slice data)
{
    struct json *doc = NULL;
    if (json_parse(data, &doc, NULL) == OK && json_kind(doc) == JSON_OBJECT)
        f->events->fact(f->events->ctx, doc, data);
    json_free(doc);
    fflush(stdout);
}

/* The first line of a stream must be the greeting of a receiver. Another answer with the status 200 is a page of some other
 * server. Returns false to end the connection. */
static bool take_line(struct follow *f, struct slice line)
{
    static const char data[] = "data: ";
    if (!f->is_greeted && !slice_eq(line, SLICE_LIT(": hookpace")))
        return false;
    f->was_greeted = f->is_greeted = true;
    if (slice_eq(line, SLICE_LIT(": ready")))
        on_ready(f);
    else if (slice_eq(line, SLICE_LIT(": lost")))
        begin_gap(f);
    else if (slice_starts(line, SLICE_LIT(data)))
        take_data(f, slice_skip(line, sizeof data - 1));
    return true;
}

static bool stream_on_piece(void *ctx, struct slice piece)
{
    struct follow *f = ctx;
    f->heard = clock_wall_ms();
    buf_add_slice(&f->line, piece);
    if (f->line.failed)
        return false;
    struct slice rest = buf_slice(&f->line);
    while (rest.len && memchr(rest.ptr, '\n', rest.len))
        if (!take_line(f, slice_cut(&rest, '\n')))
            return false;
    size_t left = rest.len;
    if (left)
        memmove(f->line.ptr, rest.ptr, left);
    f->line.len = left;
    return true;
}

/* A receiver that is about to end, or whose Redis is away, answers 5xx: it is asked again. */
static int code_of_end(const struct follow *f, const struct client_end *end)
{
    long status = end->answer->status;
    if (end->rc == OK && status != 200 && (status < 500 || !f->was_greeted))
        return cli_refused(end->answer);
    if (!f->was_greeted)
        return cli_fail(EXIT_FAILED,
                        "set HOOKPACE_URL to the receiver's admin listener, or use --config",
                        "%s: %s", client_url(f->cli->client),
                        end->rc == OK ? "the server there is not a Hookpace receiver" : end->why);
    return GOES_ON;
}

static void stream_on_done(void *ctx, const struct client_end *end)
{
    struct follow *f = ctx;
    f->stream = NULL;
    f->code = code_of_end(f, end);
    f->again_at = clock_mono_us() + f->pause_ms * 1000;
    f->pause_ms = f->pause_ms * 2 < AGAIN_MAX_MS ? f->pause_ms * 2 : AGAIN_MAX_MS;
    if (f->code == GOES_ON && f->is_greeted) /* once a connection */
        fprintf(stderr, "hookpace: %s has gone; trying again\n", client_url(f->cli->client));
    f->is_greeted = false;
    if (f->was_greeted)
        begin_gap(f);
}

static void begin_stream(struct follow *f)
{
    struct client_request r = {.url = f->path.ptr,
                               .answer_max = REFUSAL_MAX,
                               .piece = stream_on_piece,
                               .done = stream_on_done,
                               .ctx = f};
    buf_clear(&f->line);
    f->stream = client_begin_call(f->cli->client, &r);
}

/* --- the loop --- */

/* The file from which SIGINT and SIGTERM are read. */
static int open_signals(void)
{
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    return signalfd(-1, &ends, SFD_NONBLOCK | SFD_CLOEXEC);
}

static bool is_signalled(int signals)
{
    struct signalfd_siginfo info;
    return read(signals, &info, sizeof info) == (ssize_t)sizeof info;
}

/* For how long nothing has to be done, in ms. */
static int64_t idle_ms(const struct follow *f, int64_t turn_ms)
{
    if (f->stream)
        return turn_ms;
    int64_t ms = (f->again_at - clock_mono_us()) / 1000 + 1;
    return ms < 0 ? 0 : ms < turn_ms ? ms : turn_ms;
}

static void run(struct follow *f, int signals)
{
    const struct follow_events *e = f->events;
    while (f->code == GOES_ON) {
        if (!f->stream && clock_mono_us() >= f->again_at)
            begin_stream(f);
        client_turn(f->cli->client, signals, idle_ms(f, e->turn ? e->turn(e->ctx) : TURN_MS));
        if (is_signalled(signals))
            f->code = EXIT_DONE;
        else if (ferror(stdout))
            f->code = EXIT_FAILED;
    }
}

int follow_run(struct cli *c, const struct follow_events *events)
{
    struct follow f = {.cli = c, .events = events, .pause_ms = AGAIN_MS, .code = GOES_ON};
    int signals = open_signals();
    if (signals < 0)
        return cli_fail(EXIT_FAILED, NULL, "this machine is out of files or memory");
    buf_init(&f.path, PATH_MAX_BYTES);
    buf_init(&f.line, LINE_MAX_BYTES);
    buf_add_str(&f.path, "/api/tail");
    (void)cli_add_query(c, &f.path); /* none of its options is a moment */
    run(&f, signals);
    client_cancel(f.stream);
    close(signals);
    buf_clear(&f.path);
    buf_clear(&f.line);
    return f.code;
}
