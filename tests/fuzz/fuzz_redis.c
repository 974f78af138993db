/* The replies of a Redis server, to the connection and to both sides of the queue. With any replies, each call is
 * answered once and in order, claims are whole or refused, and nothing is left over. */
#include "common/base/log.h"
#include "common/config/config.h"
#include "common/net/loop.h"
#include "common/ops/families.h"
#include "common/queue/queue_put.h"
#include "common/queue/queue_take.h"
#include "common/queue/shard.h"
#include "common/redis/redis.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <event2/event.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { COMMANDS = 4, TURNS = 12 };

static const char conf_text[] =
    "{\"sources\":{},\"delay_step_ms\":1,\"destinations\":{"
    "\"a\":{\"postback_url\":\"http://h/\"},"
    "\"b\":{\"pingback_url\":\"http://h/\",\"delay_ms\":50,\"lane\":\"l\"}}}";

static struct {
    struct loop *loop;
    struct config *conf;
    struct config_redis redis_conf;
    struct sockaddr_un address;
    int listener;
} world;

struct session { /* one connection, from dialing to its end */
    struct shards *shards;
    struct queue_put *put;
    struct queue_take *take;
    struct metrics *metrics;
    unsigned called, next, puts, claims;
    unsigned sum; /* of what was read, so that it is read */
};

static void remove_socket(void)
{
    unlink(world.address.sun_path);
    *strrchr(world.address.sun_path, '/') = 0;
    rmdir(world.address.sun_path);
}

static void set_up(void)
{
    struct config_problems problems;
    char directory[] = "/tmp/fuzz-redis-XXXXXX";
    setenv("HOOKPACE_LOG", "error", 1);
    INSIST(log_init("fuzz_redis"));
    config_problems_init(&problems);
    INSIST(config_parse(slice_str(conf_text), "x", &world.conf, &problems) == OK);
    config_problems_clear(&problems);
    world.loop = loop_new();
    INSIST(mkdtemp(directory));
    world.address.sun_family = AF_UNIX;
    snprintf(world.address.sun_path, sizeof world.address.sun_path, "%s/s", directory);
    world.redis_conf = world.conf->redis;
    world.redis_conf.unix_path = world.address.sun_path;
    world.redis_conf.node_count = 0;
    world.redis_conf.timeout_ms = 60000;
    world.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    INSIST(bind(world.listener, (struct sockaddr *)&world.address, sizeof world.address) == 0);
    INSIST(listen(world.listener, 16) == 0);
    atexit(remove_socket);
}

static void turn(void)
{
    event_base_loop(loop_base(world.loop), EVLOOP_NONBLOCK);
}

/* --- what the program does with the connection --- */

static void look_at(struct session *s, const struct redis_reply *r, unsigned depth)
{
    struct slice text = redis_text(r);
    for (size_t i = 0; i < text.len; i++)
        s->sum += (unsigned char)text.ptr[i];
    s->sum += (unsigned)redis_int(r);
    INSIST(redis_kind(r) == REDIS_LIST || redis_count(r) == 0);
    INSIST(!redis_at(r, redis_count(r)));
    for (size_t i = 0; i < redis_count(r) && depth < 9; i++)
        look_at(s, redis_at(r, i), depth + 1);
}

struct call {
    struct session *session;
    unsigned number;
};

static void on_reply(void *ctx, enum err rc, const struct redis_reply *r)
{
    struct call *c = ctx;
    INSIST(c->number == c->session->next); /* in order */
    INSIST((rc == OK) == (r != NULL));
    c->session->next++;
    look_at(c->session, r, 0);
    free(c);
}

static void on_put(void *ctx, const struct put_answer *answer)
{
    struct session *s = ctx;
    INSIST(answer->result == PUT_UNAVAILABLE || answer->result == PUT_DUPLICATE ||
           answer->received_at == 1234567);
    s->puts++;
}

static void on_claimed(void *ctx, struct delivery *d)
{
    struct session *s = ctx;
    size_t len = strlen(d->id);
    INSIST(d->event_id.ptr == d->id && d->event_id.len + 1 + d->destination.len <= len + 1);
    INSIST(d->lane && d->attempt <= UINT32_MAX);
    if (d->readable) {
        struct slice all[] = {d->event.tag,     d->event.source, d->event.content_type,
                              d->event.headers, d->event.body,   d->event.id};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
            for (size_t k = 0; k < all[i].len; k++)
                s->sum += (unsigned char)all[i].ptr[k];
    }
    struct settlement end = {.verdict = (enum settle_verdict)(s->claims++ % 5),
                             .wait_ms = 5,
                             .status = 500,
                             .error = SLICE_LIT("http_500"),
                             .response = d->readable ? d->event.body : slice_make(NULL, 0),
                             .was_sent = true};
    if (d->report_sent)
        queue_take_sent(s->take, d);
    queue_take_settle(s->take, d, &end);
}

static void submit(struct session *s)
{
    struct event e = {.id = SLICE_LIT("event-1"),
                      .source = SLICE_LIT("s"),
                      .digest = SLICE_LIT("9f86d081884c7d65"),
                      .received_at = 1234567,
                      .has_body = true,
                      .body = SLICE_LIT("{}")};
    struct destination *to[] = {config_destination(world.conf, SLICE_LIT("a")),
                                config_destination(world.conf, SLICE_LIT("b"))};
    struct put_request req = {.event = &e, .to = to, .to_count = 2};
    s->called++;
    INSIST(queue_put_submit(s->put, &req, on_put, s) == OK);
}

static void on_ready(void *ctx, struct shard *shard)
{
    struct session *s = ctx;
    struct slice ping[] = {SLICE_LIT("PING")};
    submit(s);
    for (unsigned i = 0; i < COMMANDS; i++) {
        struct call *c = malloc(sizeof *c);
        *c = (struct call){s, i};
        INSIST(shard_command(shard, ping, 1, on_reply, c) == OK);
    }
    queue_take_set_capacity(s->take, 64);
    queue_take_on_ready(s->take, shard);
}

static void on_lost(void *ctx, struct shard *shard)
{
    struct session *s = ctx;
    queue_take_on_lost(s->take, shard);
}

/* --- the server --- */

static void swallow(int fd)
{
    char bytes[65536];
    while (recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        ;
}

static int accept_client(void)
{
    int fd = -1;
    for (int i = 0; i < TURNS && fd < 0; i++) {
        turn();
        fd = accept(world.listener, NULL, NULL);
    }
    return fd;
}

static void say(int fd, struct slice bytes)
{
    if (bytes.len && send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        return;
    for (int i = 0; i < 3; i++)
        turn();
    swallow(fd);
}

/* As Redis would: CLIENT SETNAME, INFO, CONFIG GET. */
static const char handshake[] = "+OK\r\n"
                                "$90\r\nredis_version:7.0.15\r\nrole:master\r\nloading:0\r\n"
                                "aof_enabled:1\r\nmaxmemory_policy:noeviction\r\n\r\n"
                                "*2\r\n$11\r\nappendfsync\r\n$6\r\nalways\r\n";

/* Says INPUT; at each '~' it waits for what the client asks next, as a server would. */
static void talk(struct slice first, struct slice input, struct fuzz_cuts cuts)
{
    int fd = accept_client();
    INSIST(fd >= 0);
    turn();
    say(fd, first);
    while (input.len) {
        struct slice answers = slice_cut(&input, '~');
        while (answers.len)
            say(fd, fuzz_piece(&cuts, &answers));
        turn();
    }
    close(fd);
    for (int i = 0; i < TURNS; i++)
        turn();
}

static void session(struct slice input, struct fuzz_cuts cuts, bool shake)
{
    struct session s = {0};
    struct shard_events events = {.on_ready = on_ready, .on_lost = on_lost, .ctx = &s};
    struct take_handler handler = {.on_claimed = on_claimed, .ctx = &s};
    s.metrics = families_metrics("test", "0");
    s.shards = shards_new(world.loop, &world.redis_conf, "fuzz", &events);
    s.put = queue_put_new(world.loop, s.shards, world.conf);
    s.take = queue_take_new(world.loop, s.shards, world.conf, s.metrics, &handler);
    struct slice first = shake ? slice_str(handshake) : slice_make(NULL, 0);
    talk(first, input, cuts);
    shards_free(s.shards);
    turn();
    turn();
    INSIST(s.next == (s.called ? COMMANDS : 0) && s.puts == s.called);
    queue_put_free(s.put);
    queue_take_free(s.take);
    metrics_free(s.metrics);
}

/* --- a connection for messages --- */

static void on_message(void *ctx, struct slice channel, struct slice payload)
{
    unsigned *sum = ctx;
    for (size_t i = 0; i < channel.len; i++)
        *sum += (unsigned char)channel.ptr[i];
    for (size_t i = 0; i < payload.len; i++)
        *sum += (unsigned char)payload.ptr[i];
}

static void messages(struct slice input, struct fuzz_cuts cuts)
{
    unsigned sum = 0;
    struct slice name = SLICE_LIT("hookpace:{0}:wake");
    struct redis_channels channels = {
        .names = &name, .count = 1, .events = {.on_message = on_message, .ctx = &sum}};
    struct redis_sub *s = redis_sub_new(
        world.loop, &(struct redis_target){.conf = &world.redis_conf}, "fuzz", &channels);
    talk(slice_make(NULL, 0), input, cuts);
    redis_sub_free(s);
    turn();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!world.loop)
        set_up();
    int old;
    while ((old = accept(world.listener, NULL, NULL)) >= 0)
        close(old); /* a reconnect of the run before */
    struct slice in = slice_make(data, size);
    unsigned mode = fuzz_byte(&in);
    struct fuzz_cuts cuts = {fuzz_byte(&in)};
    if (mode % 4 == 3)
        messages(in, cuts);
    else
        session(in, cuts, mode % 4 != 2);
    return 0;
}
