/* redis_probe - drives common/redis by lines on stdin, and prints events as JSON lines on stdout.
 *
 *     redis_probe HOST PORT|- PASSWORD|- USER|- DB TIMEOUT_MS [CHANNEL...]     (PORT -: HOST is a
 * socket)
 *
 *     cmd TAG WORD...     one command            set TAG KEY BYTES   SET of so many bytes
 *     flood TAG N         N INCRs of "flood" in one turn, one line when all are over
 *     eval TAG N          N calls of a script that counts in "evals", likewise
 *     stat                ready, pending         free TAG            a command, then redis_free in
 * its reply quit
 */
#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/config/config.h"
#include "common/net/loop.h"
#include "common/redis/redis.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define WORDS_MAX 64

static const char script_text[] =
    "#!lua\nredis.call('INCRBY', KEYS[1], ARGV[1]) return redis.call('GET', KEYS[1])";

struct probe {
    struct loop *loop;
    struct redis *redis;
    struct redis_sub *sub;
    struct redis_script script;
    struct event *input;
    struct buf line;
};

struct call { /* one or many commands under one tag; freed when the last is over */
    struct probe *probe;
    char *tag;
    mono_us started;
    int64_t left, ok, failed, unavail, timeout, refused;
    struct buf last; /* the last reply as JSON */
    bool frees;
};

static void put_line(struct buf *b)
{
    buf_add_char(b, '\n');
    for (size_t at = 0; at < b->len;) {
        ssize_t n = write(STDOUT_FILENO, b->ptr + at, b->len - at);
        if (n < 0)
            exit(1);
        at += (size_t)n;
    }
    buf_clear(b);
}

static void put_event(const char *event)
{
    struct buf b;
    buf_init(&b, 4096);
    buf_addf(&b, "{\"event\":\"%s\"}", event);
    put_line(&b);
}

static void put_reply(struct buf *b, const struct redis_reply *r)
{
    struct slice text = redis_text(r);
    if (redis_kind(r) == REDIS_INT) {
        buf_add_i64(b, redis_int(r));
    } else if (redis_kind(r) == REDIS_LIST) {
        for (size_t i = 0; i < redis_count(r); i++) {
            buf_add_char(b, i ? ',' : '[');
            put_reply(b, redis_at(r, i));
        }
        buf_add_str(b, redis_count(r) ? "]" : "[]");
    } else if (redis_kind(r) == REDIS_NIL) {
        buf_add_str(b, "null");
    } else if (text.len > 4096) {
        buf_addf(b, "{\"bytes\":%zu}", text.len);
    } else {
        buf_add_char(b, '"');
        text_add_json(b, text);
        buf_add_char(b, '"');
    }
}

static struct call *call_new(struct probe *p, struct slice tag, int64_t n)
{
    struct call *c = NEW(struct call);
    *c = (struct call){.probe = p, .tag = xslicedup(tag), .started = clock_mono_us(), .left = n};
    buf_init(&c->last, 1 << 20);
    return c;
}

static void end_one(struct call *c)
{
    if (--c->left)
        return;
    struct buf b;
    buf_init(&b, 2 << 20);
    buf_addf(&b,
             "{\"tag\":\"%s\",\"ok\":%ld,\"failed\":%ld,\"unavail\":%ld,\"timeout\":%ld,"
             "\"refused\":%ld,\"ms\":%ld,\"reply\":",
             c->tag, c->ok, c->failed, c->unavail, c->timeout, c->refused,
             (clock_mono_us() - c->started) / 1000);
    buf_add_slice(&b, c->last.len ? buf_slice(&c->last) : SLICE_LIT("null"));
    buf_add_char(&b, '}');
    put_line(&b);
    buf_clear(&c->last);
    free(c->tag);
    free(c);
}

static void free_redis(struct probe *p)
{
    struct redis *r = p->redis;
    p->redis = NULL;
    redis_free(r);
    loop_stop(p->loop);
}

static void on_reply(void *ctx, enum err rc, const struct redis_reply *r)
{
    struct call *c = ctx;
    if (rc == ERR_UNAVAIL)
        c->unavail++;
    else if (rc == ERR_TIMEOUT)
        c->timeout++;
    else if (redis_kind(r) == REDIS_FAILED)
        c->failed++;
    else
        c->ok++;
    if (rc == OK) {
        buf_reset(&c->last);
        put_reply(&c->last, r);
    }
    struct probe *p = c->probe;
    if (c->frees)
        free_redis(p);
    end_one(c);
}

static void refuse_if(struct call *c, enum err rc)
{
    if (rc == OK)
        return;
    c->refused++;
    end_one(c);
}

static void run_many(struct probe *p, struct slice kind, struct slice tag, int64_t n)
{
    struct call *c =
        call_new(p, tag, n + 1); /* one more, so that it lives until the end of the loop */
    struct slice incr[] = {SLICE_LIT("INCR"), SLICE_LIT("flood")};
    struct slice key[] = {SLICE_LIT("evals")}, arg[] = {SLICE_LIT("1")};
    struct redis_call call = {.script = &p->script,
                              .lead = key,
                              .lead_count = 1,
                              .key_count = 1,
                              .argv = arg,
                              .argc = 1,
                              .fn = on_reply,
                              .ctx = c};
    for (int64_t i = 0; i < n; i++)
        refuse_if(c, slice_eq(kind, SLICE_LIT("eval"))
                         ? redis_eval(p->redis, &call)
                         : redis_command(p->redis, incr, 2, on_reply, c));
    end_one(c);
}

static void run_set(struct probe *p, struct slice tag, struct slice key, int64_t bytes)
{
    struct call *c = call_new(p, tag, 1);
    char *value = xcalloc((size_t)bytes, 1);
    memset(value, 'x', (size_t)bytes);
    struct slice argv[] = {SLICE_LIT("SET"), key, slice_make(value, (size_t)bytes)};
    refuse_if(c, redis_command(p->redis, argv, 3, on_reply, c));
    free(value);
}

static void run_stat(struct probe *p)
{
    struct buf b;
    buf_init(&b, 4096);
    buf_addf(&b, "{\"event\":\"stat\",\"ready\":%s,\"pending\":%zu,\"bytes\":%zu}",
             redis_is_ready(p->redis) ? "true" : "false", redis_pending(p->redis),
             redis_pending_bytes(p->redis));
    put_line(&b);
}

static void run_line(struct probe *p, struct slice line)
{
    struct slice word[WORDS_MAX];
    size_t n = 0;
    while (line.len && n < WORDS_MAX)
        word[n++] = slice_cut(&line, ' ');
    int64_t number = 0;
    if (n && text_i64(word[n - 1], &number) != OK)
        number = 0;
    if (n == 1 && slice_eq(word[0], SLICE_LIT("stat"))) {
        run_stat(p);
    } else if (n > 2 && slice_eq(word[0], SLICE_LIT("cmd"))) {
        struct call *c = call_new(p, word[1], 1);
        refuse_if(c, redis_command(p->redis, word + 2, n - 2, on_reply, c));
    } else if (n == 4 && slice_eq(word[0], SLICE_LIT("set"))) {
        run_set(p, word[1], word[2], number);
    } else if (n == 3) {
        run_many(p, word[0], word[1], number);
    } else if (n == 2) {
        struct call *c = call_new(p, word[1], 1);
        c->frees = true;
        struct slice ping[] = {SLICE_LIT("PING")};
        refuse_if(c, redis_command(p->redis, ping, 1, on_reply, c));
        /* fails when the other frees the connection */
        run_many(p, SLICE_LIT("flood"), SLICE_LIT("behind"), 3);
    } else {
        loop_stop(p->loop);
    }
}

static void on_input(evutil_socket_t fd, short what, void *ctx)
{
    (void)what;
    struct probe *p = ctx;
    char *to = buf_reserve(&p->line, 65536);
    ssize_t n = to ? read(fd, to, 65536) : 0;
    if (n <= 0) {
        loop_stop(p->loop);
        event_del(p->input);
        return;
    }
    buf_wrote(&p->line, (size_t)n);
    struct slice rest = buf_slice(&p->line);
    while (rest.len && memchr(rest.ptr, '\n', rest.len))
        run_line(p, slice_cut(&rest, '\n'));
    struct buf left;
    buf_init(&left, p->line.max);
    buf_add_slice(&left, rest);
    buf_clear(&p->line);
    p->line = left;
}

static void on_ready(void *ctx)
{
    (void)ctx;
    put_event("ready");
}

static void on_lost(void *ctx)
{
    (void)ctx;
    put_event("lost");
}

static void on_sub_ready(void *ctx)
{
    (void)ctx;
    put_event("subscribed");
}

static void on_sub_lost(void *ctx)
{
    (void)ctx;
    put_event("unsubscribed");
}

static void on_message(void *ctx, struct slice channel, struct slice payload)
{
    (void)ctx;
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_add_str(&b, "{\"event\":\"message\",\"channel\":\"");
    text_add_json(&b, channel);
    buf_add_str(&b, "\",\"payload\":\"");
    text_add_json(&b, payload);
    buf_add_str(&b, "\"}");
    put_line(&b);
}

static char *given(char *arg)
{
    return strcmp(arg, "-") == 0 ? NULL : arg;
}

static void open_all(struct probe *p, char **argv, int channels)
{
    struct config_redis conf = {.password = given(argv[3]),
                                .user = given(argv[4]),
                                .db = (unsigned)strtoul(argv[5], NULL, 10),
                                .timeout_ms = strtol(argv[6], NULL, 10),
                                .shown = argv[1]};
    struct redis_node node = {.host = argv[1]};
    if (given(argv[2])) {
        node.port = (unsigned)strtoul(argv[2], NULL, 10);
        conf.nodes = &node;
        conf.node_count = 1;
    } else {
        conf.unix_path = argv[1];
    }
    struct redis_target to = {.conf = &conf};
    struct redis_events events = {.on_ready = on_ready, .on_lost = on_lost, .ctx = p};
    p->redis = redis_new(p->loop, &to, "probe", &events);
    if (channels == 0)
        return;
    struct slice names[WORDS_MAX];
    for (int i = 0; i < channels; i++)
        names[i] = slice_str(argv[7 + i]);
    struct redis_events sub_events = {
        .on_ready = on_sub_ready, .on_lost = on_sub_lost, .on_message = on_message, .ctx = p};
    struct redis_channels sub = {.names = names, .count = (size_t)channels, .events = sub_events};
    p->sub = redis_sub_new(p->loop, &to, "probe-sub", &sub);
}

int main(int argc, char **argv)
{
    if (argc < 7 || argc - 7 > WORDS_MAX || !log_init("redis_probe"))
        return 2;
    struct probe p = {.loop = loop_new()};
    buf_init(&p.line, 1 << 20);
    redis_script_init(&p.script, "probe", (const unsigned char *)script_text,
                      sizeof script_text - 1);
    p.input = event_new(loop_base(p.loop), STDIN_FILENO, EV_READ | EV_PERSIST, on_input, &p);
    event_add(p.input, NULL);
    open_all(&p, argv, argc - 7);
    loop_run(p.loop);
    free_redis(&p);
    redis_sub_free(p.sub);
    event_free(p.input);
    buf_clear(&p.line);
    loop_free(p.loop);
    return 0;
}
