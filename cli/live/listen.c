/* The command that forwards events to a server of the user's, such as one on a developer's laptop.
 *
 * A fact of /api/tail says that there is an event; cli/live/forward reads it and sends it on. All calls of the receiver are GETs,
 * so the queue does not change. Events wait in the order of their facts, and the server gets one at a time. Memory: the ids of
 * WAITING_MAX events, and the body of one.
 *
 * With --destination each delivery is forwarded when its event is accepted. So it does not matter whether the destination answers,
 * or whether a dispatcher runs. The destination's own retries are not forwarded. A resend is: it is an attempt of a delivery that
 * was over. A delivery that is not in `seen` is forwarded at its next attempt, because it may be resent.
 */
#include "cli/live/follow.h"
#include "cli/live/forward.h"
#include "common/base/alloc.h"
#include "common/base/hash.h"
#include "common/base/json_write.h"
#include "common/base/text.h"
#include "common/webhook/url_template.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WAITING_MAX 1000
#define SEEN_MAX 4096
#define LINE_BYTES ((size_t)1 << 16)
#define TIMEOUT_S 30
#define TIMEOUT_MAX_S 3600

struct waiting {
    char *event;
    int64_t attempt;
};

struct seen { /* a delivery that was forwarded, or will be */
    uint64_t event;
    bool is_used, is_over;
};

struct listen {
    struct cli *cli;
    struct forward *forward;
    struct forward_rules rules;
    struct waiting waiting[WAITING_MAX]; /* a ring */
    size_t first, count;
    struct seen seen[SEEN_MAX]; /* a ring */
    size_t seen_at;
    int64_t answered, failed, left_out;
    bool is_failing; /* the last request had no answer */
};

/* --- what is printed --- */

static void print_line(const struct listen *l, const struct forward_outcome *o, const char *at)
{
    struct buf out;
    buf_init(&out, LINE_BYTES);
    buf_addf(&out, "%s  ", at);
    show_add_text(&out, o->id);
    buf_addf(&out, "  %s  ", o->method);
    if (o->error)
        buf_add_str(&out, o->error);
    else
        buf_addf(&out, "%ld", o->status);
    buf_addf(&out, "  %lld ms", (long long)o->ms);
    if (o->tag.len) {
        buf_add_str(&out, "  ");
        show_add_text(&out, o->tag);
    }
    bool is_bad = o->error || o->status < 200 || o->status > 299;
    if (is_bad && l->cli->use_colors)
        printf("\x1b[31m%s\x1b[0m\n", out.ptr);
    else
        printf("%s\n", out.ptr);
    buf_clear(&out);
}

static void print_json(const struct listen *l, const struct forward_outcome *o, const char *at)
{
    const char *destination = l->rules.destination;
    struct buf out;
    buf_init(&out, LINE_BYTES);
    struct json_write w = json_write_to(&out);
    jw_open(&w, NULL, '{');
    jw_str(&w, "type", "forwarded");
    jw_text(&w, "id", o->id);
    jw_text(&w, "event", o->event);
    jw_text_or_null(&w, "source", o->source);
    jw_text_or_null(&w, "destination", slice_str(destination ? destination : ""));
    jw_text(&w, "tag", o->tag);
    jw_str(&w, "method", o->method);
    jw_int(&w, "bytes", (int64_t)o->bytes);
    if (o->status)
        jw_int(&w, "status", o->status);
    else
        jw_null(&w, "status");
    jw_text_or_null(&w, "error", slice_str(o->error ? o->error : ""));
    jw_text_or_null(&w, "detail", slice_str(o->why ? o->why : ""));
    jw_int(&w, "ms", o->ms);
    jw_str(&w, "at", at);
    jw_close(&w, '}');
    printf("%s\n", out.ptr);
    buf_clear(&out);
}

static void print_outcome(struct listen *l, const struct forward_outcome *o)
{
    wall_ms now = clock_wall_ms();
    char at[CLOCK_ISO_LEN + 1];
    time_t s = (time_t)(now / 1000);
    struct tm tm;
    if (l->cli->json) {
        clock_iso(now, at);
        print_json(l, o, at);
    } else {
        localtime_r(&s, &tm);
        strftime(at, sizeof at, "%H:%M:%S", &tm);
        print_line(l, o, at);
    }
    if (o->error && !l->is_failing) /* once, until the server answers again */
        fprintf(stderr, "hookpace: %s\n", o->why);
    l->is_failing = o->error;
    fflush(stdout);
}

static void say_left_out(const struct listen *l, int64_t n)
{
    char at[CLOCK_ISO_LEN + 1];
    clock_iso(clock_wall_ms(), at);
    if (l->cli->json)
        printf("{\"type\":\"dropped\",\"dropped\":%lld,\"at\":\"%s\"}\n", (long long)n, at);
    fprintf(stderr, "hookpace: %lld more were left out; `hookpace list` has them\n", (long long)n);
}

/* --- the order of events --- */

static void begin_next(struct listen *l)
{
    if (l->left_out && l->count < WAITING_MAX) {
        say_left_out(l, l->left_out);
        l->left_out = 0;
    }
    if (!l->count || forward_is_busy(l->forward))
        return;
    struct waiting *w = &l->waiting[l->first];
    l->first = (l->first + 1) % WAITING_MAX;
    l->count--;
    forward_begin(l->forward, slice_str(w->event), w->attempt);
    free(w->event);
    w->event = NULL;
}

static void add_waiting(struct listen *l, struct slice event, int64_t attempt)
{
    if (l->count == WAITING_MAX) {
        l->left_out++;
        return;
    }
    struct waiting *w = &l->waiting[(l->first + l->count++) % WAITING_MAX];
    *w = (struct waiting){.event = xslicedup(event), .attempt = attempt};
}

/* --- what was seen --- */

static struct seen *find_seen(struct listen *l, uint64_t event)
{
    for (size_t i = 0; i < SEEN_MAX; i++)
        if (l->seen[i].is_used && l->seen[i].event == event)
            return &l->seen[i];
    return NULL;
}

static struct seen *add_seen(struct listen *l, uint64_t event)
{
    struct seen *s = &l->seen[l->seen_at];
    l->seen_at = (l->seen_at + 1) % SEEN_MAX;
    *s = (struct seen){.event = event, .is_used = true};
    return s;
}

/* --- facts --- */

static void on_accepted(struct listen *l, const struct json *doc, struct slice event)
{
    uint64_t hash = hash_keyed(hash_process_key(), event);
    if (json_bool(json_get(doc, "duplicate")))
        return;
    if (l->rules.destination) {
        if (find_seen(l, hash)) /* the fact of its first attempt came before */
            return;
        add_seen(l, hash);
    }
    add_waiting(l, event, 1);
}

static void on_attempt(struct listen *l, const struct json *doc, struct slice event)
{
    uint64_t hash = hash_keyed(hash_process_key(), event);
    struct seen *s = find_seen(l, hash);
    bool is_wanted = !s || s->is_over;
    if (!s)
        s = add_seen(l, hash);
    s->is_over = !slice_eq(json_string(json_get(doc, "state")), SLICE_LIT("retry"));
    if (is_wanted)
        add_waiting(l, event, json_int(json_get(doc, "attempt")));
}

static void on_fact(void *ctx, const struct json *doc, struct slice line)
{
    struct listen *l = ctx;
    struct slice type = json_string(json_get(doc, "type"));
    struct slice event = json_string(json_get(doc, "event"));
    (void)line;
    if (slice_eq(type, SLICE_LIT("dropped")))
        say_left_out(l, json_int(json_get(doc, "dropped")));
    else if (slice_eq(type, SLICE_LIT("accepted")) && event.len)
        on_accepted(l, doc, event);
    else if (slice_eq(type, SLICE_LIT("attempt")) && event.len && l->rules.destination)
        on_attempt(l, doc, event);
}

static void on_missed(void *ctx, wall_ms since, wall_ms until)
{
    const struct listen *l = ctx;
    char from[CLOCK_ISO_LEN + 1], to[CLOCK_ISO_LEN + 1];
    clock_iso(since, from);
    clock_iso(until, to);
    if (l->cli->json)
        printf("{\"type\":\"missed\",\"since\":\"%s\",\"until\":\"%s\"}\n", from, to);
    fflush(stdout);
}

static void on_forwarded(void *ctx, const struct forward_outcome *o)
{
    struct listen *l = ctx;
    if (o->is_nothing) {
        /* Its result is still to be fetched. The delivery is forwarded at its first attempt. */
        struct seen *s = find_seen(l, hash_keyed(hash_process_key(), o->event));
        if (s)
            s->is_used = false;
    } else {
        l->failed += o->error != NULL;
        l->answered += o->error == NULL;
        print_outcome(l, o);
    }
    begin_next(l);
}

static int64_t on_turn(void *ctx)
{
    struct listen *l = ctx;
    begin_next(l);
    return forward_turn(l->forward);
}

/* --- the command --- */

static int read_timeout(const struct cli *c, long *ms)
{
    const char *text = c->options.values[OPTION_TIMEOUT];
    uint64_t s = TIMEOUT_S;
    if (text && (text_u64(slice_str(text), TIMEOUT_MAX_S, &s) != OK || s == 0))
        return cli_fail(EXIT_MISUSED, "write a number of seconds from 1 to 3600",
                        "--timeout %.60s is no such number", text);
    *ms = (long)s * 1000;
    return EXIT_DONE;
}

static int read_rules(const struct cli *c, struct url_template **to, struct forward_rules *rules)
{
    const char *url = c->options.values[OPTION_FORWARD];
    struct error e;
    if (!url)
        return cli_fail(EXIT_MISUSED, "add --forward http://localhost:3000",
                        "listen needs the URL of the server that gets the events");
    if (read_timeout(c, &rules->timeout_ms) != EXIT_DONE)
        return EXIT_MISUSED;
    if (url_template_new(slice_str(url), to, &e) != OK)
        return cli_fail(EXIT_MISUSED, "write a URL such as http://localhost:3000/hooks",
                        "--forward %.200s: %s", url, e.text);
    rules->to = *to;
    rules->destination = c->options.values[OPTION_DESTINATION];
    rules->adds_query = !strchr(url, '$');
    return EXIT_DONE;
}

static void say_end(const struct listen *l)
{
    size_t left = l->count + forward_is_busy(l->forward);
    fprintf(stderr, "hookpace: %lld answered, %lld failed", (long long)l->answered,
            (long long)l->failed);
    if (left)
        fprintf(stderr, ", %zu were not sent any more", left);
    fputc('\n', stderr);
}

int command_listen(struct cli *c)
{
    struct url_template *to = NULL;
    struct listen *l = NEW(struct listen);
    struct follow_events events = {.fact = on_fact, .missed = on_missed, .turn = on_turn, .ctx = l};
    l->cli = c;
    int code = read_rules(c, &to, &l->rules);
    if (code == EXIT_DONE) {
        l->forward = forward_new(c->client, &l->rules, on_forwarded, l);
        code = follow_run(c, &events);
        if (code == EXIT_DONE)
            say_end(l);
        forward_free(l->forward);
    }
    for (size_t i = 0; i < WAITING_MAX; i++)
        free(l->waiting[i].event);
    url_template_free(to);
    free(l);
    return code;
}
