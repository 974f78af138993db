#include "common/redis/redis_failovers.h"

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/config/config.h"
#include "common/config/config_redis.h"
#include "common/redis/redis.h"

#include <stdlib.h>

/* How sentinels move a master that lives
 *
 * An operator wants it (SENTINEL FAILOVER), or the master stood still for `down-after-milliseconds`. Measured with two
 * replicas, in milliseconds from the command on:
 *
 *      ms  what the leading sentinel publishes    the servers                          connections of this program
 *      50  +failover-state-select-slave                                                answers of the master are void
 *     100  +failover-state-send-slaveof-noone
 *     160  +failover-state-wait-promotion         the heir leaves the master
 *    1120  +failover-state-reconf-slaves          the heir has told that it is one     ask this sentinel, go to the heir
 *    1180  +slave-reconf-sent                     the other replica leaves too
 *    1215  (the other sentinels: +switch-master)
 *    2215  +switch-master
 *   11300                                         the old master becomes a replica
 *
 * From 160 on the old master still takes writes, and the heir lacks them. WAIT does not notice it, because until 1180 the
 * other replica confirms them. The first message comes two turns of the sentinel's timer before 160: 100 to 200 ms earlier.
 * Writes that the master has answered before that message have this time to reach the heir.
 *
 * Writes can still be lost if this program cannot hear the sentinel that leads, or if a replica takes over that is further
 * behind. */

#define ADDRESS_BYTES 320
/* A sentinel that publishes nothing more of its failover for so long is gone. The other sentinels keep the old master. */
#define SIGN_US 10000000

struct voice { /* of one sentinel; owned by its redis_failovers */
    struct redis_failovers *all;
    struct redis_sub *sub; /* NULL: no such sentinel is known */
    char *address;
    mono_us sign_at; /* when it last said that it moves the master; 0: it does not */
};

struct redis_failovers { /* owned by the caller of redis_failovers_new */
    struct loop *loop;
    struct config_redis conf; /* an own copy */
    char *name;
    void (*on_news)(void *ctx, size_t i);
    void *ctx;
    struct voice voices[REDIS_NODES_MAX];
    const struct voice *last; /* the one with the latest sign, or NULL */
};

/* -failover-abort-not-elected is not needed: a sentinel without the votes of the others moves nothing. */
#define BEGUN "+failover-state-select-slave"
#define SWITCHED "+switch-master"
static const char *const channels[] = {BEGUN, "-failover-abort-no-good-slave",
                                       "-failover-abort-slave-timeout",
                                       "+failover-state-reconf-slaves", SWITCHED};
#define CHANNELS (sizeof channels / sizeof *channels)

static void find_last(struct redis_failovers *f)
{
    f->last = NULL;
    for (size_t i = 0; i < REDIS_NODES_MAX; i++)
        if (f->voices[i].sign_at > (f->last ? f->last->sign_at : 0))
            f->last = &f->voices[i];
}

static void begin(struct voice *v)
{
    struct redis_failovers *f = v->all;
    if (!v->sign_at)
        LOG_RARELY(LL_WARN, "redis.failover", LS("name", f->conf.master),
                   LS("sentinel", v->address), LS("client", f->name));
    v->sign_at = clock_mono_us();
    find_last(f);
}

static void end(struct voice *v)
{
    v->sign_at = 0;
    find_last(v->all);
}

/* PAYLOAD: "<name> <old host> <old port> <new host> <new port>" of a switch, else "master <name> <host> <port>". */
static void voice_on_message(void *ctx, struct slice channel, struct slice payload)
{
    struct voice *v = ctx;
    struct redis_failovers *f = v->all;
    if (!slice_eq(channel, SLICE_LIT(SWITCHED)))
        (void)slice_cut(&payload, ' ');
    if (!slice_eq(slice_cut(&payload, ' '), slice_str(f->conf.master)))
        return;
    if (slice_eq(channel, SLICE_LIT(BEGUN)))
        begin(v);
    f->on_news(f->ctx, (size_t)(v - f->voices));
}

/* The sentinel may have published something before the subscription. So ask it. */
static void voice_on_ready(void *ctx)
{
    struct voice *v = ctx;
    v->all->on_news(v->all->ctx, (size_t)(v - v->all->voices));
}

static void hear(struct voice *v, const struct redis_node *node)
{
    struct slice names[CHANNELS];
    struct buf address;
    for (size_t i = 0; i < CHANNELS; i++)
        names[i] = slice_str(channels[i]);
    buf_init(&address, ADDRESS_BYTES);
    redis_node_write(node, &address);
    v->address = buf_take(&address, NULL);
    struct redis_target to = {.conf = &v->all->conf, .node = node, .is_guide = true};
    struct redis_channels all = {
        .names = names,
        .count = CHANNELS,
        .events = {.on_ready = voice_on_ready, .on_message = voice_on_message, .ctx = v}};
    v->sub = redis_sub_new(v->all->loop, &to, v->all->name, &all);
}

void redis_failovers_hear(struct redis_failovers *f, const struct redis_node *nodes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!f->voices[i].sub)
            hear(&f->voices[i], &nodes[i]);
}

void redis_failovers_read(struct redis_failovers *f)
{
    for (size_t i = 0; i < REDIS_NODES_MAX && f->voices[i].sub; i++)
        redis_sub_read(f->voices[i].sub);
}

void redis_failovers_note(struct redis_failovers *f, size_t i, bool is_moving, mono_us asked_at)
{
    struct voice *v = &f->voices[i];
    if (is_moving && v->sub)
        begin(v);
    else if (!is_moving && v->sign_at < asked_at)
        end(v);
}

void redis_failovers_forget(struct redis_failovers *f)
{
    for (size_t i = 0; i < REDIS_NODES_MAX; i++)
        f->voices[i].sign_at = 0;
    f->last = NULL;
}

bool redis_failovers_are_on(const struct redis_failovers *f, size_t *i)
{
    if (!f->last || clock_mono_us() - f->last->sign_at >= SIGN_US)
        return false;
    if (i)
        *i = (size_t)(f->last - f->voices);
    return true;
}

struct redis_failovers *redis_failovers_new(struct loop *l, const struct redis_failovers_to *to)
{
    struct redis_failovers *f = NEW(struct redis_failovers);
    f->loop = l;
    config_redis_copy(to->conf, &f->conf);
    f->name = xstrdup(to->name);
    f->on_news = to->on_news;
    f->ctx = to->ctx;
    for (size_t i = 0; i < REDIS_NODES_MAX; i++)
        f->voices[i].all = f;
    return f;
}

void redis_failovers_free(struct redis_failovers *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < REDIS_NODES_MAX; i++) {
        redis_sub_free(f->voices[i].sub);
        free(f->voices[i].address);
    }
    config_redis_clear(&f->conf);
    free(f->name);
    free(f);
}
