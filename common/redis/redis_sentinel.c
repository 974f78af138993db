#include "common/redis/redis_sentinel.h"

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/config/config_redis.h"
#include "common/crypto/crypto.h"
#include "common/net/loop.h"
#include "common/redis/redis_failovers.h"
#include "common/redis/redis_private.h"
#include "common/redis/redis_sentinel_private.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define ADDRESS_BYTES 320
#define PATIENCE_US 1000000 /* then the next sentinel is asked */
#define DOUBT_US 500000     /* so long a sentinel is asked again before the next one is */
#define TURN_US 10000000
#define PAUSE_US 300000 /* after all of them were asked in vain, and while the master moves */

struct redis_sentinels { /* owned by the caller of redis_sentinels_new */
    struct loop *loop;
    struct config_redis conf; /* an own copy, with the login of the sentinels */
    char *user, *password;    /* of the servers */
    bool has_lent;            /* the sentinels get that login, because they want one */
    char *name;
    struct redis_node nodes[REDIS_NODES_MAX];
    size_t count, at; /* AT is the one in use */
    struct redis *asked;
    mono_us asked_at;                  /* when it was last asked something */
    struct redis_failovers *failovers; /* NULL: no sentinel has answered yet */
    struct loop_timer *timer;          /* when the next one has its turn */
    mono_us used_at;
    bool is_asking;
    bool has_news;    /* the one in use has published something since it was asked */
    bool is_turning;  /* connections are being closed: what fails now says nothing */
    bool has_outcome; /* the one in use has helped, or was turned away */
    bool is_unfit;    /* the one in use was turned away, and is asked nothing more */
    size_t behind;    /* of this round's sentinels, those that have missed a failover */
    size_t vain;      /* turns without an answer that could be used */
    int64_t epoch, epoch_said;
    struct redis_node master; /* no host: unknown */
    char address[ADDRESS_BYTES];
    char trouble[REASON_BYTES];
    struct list members;
};

static void ask(void *ctx);

/* Does a sentinel move the master? *I is that sentinel. */
static bool is_moving(const struct redis_sentinels *s, size_t *i)
{
    return s->failovers && redis_failovers_are_on(s->failovers, i);
}

/* ---- turns ---- */

static void next_turn(struct redis_sentinels *s, int64_t us)
{
    loop_timer_arm(s->timer, us);
}

/* The sentinel in use was no help. WHY is logged if no other sentinel knows the master. */
static void turn_away(struct redis_sentinels *s, const char *why)
{
    struct buf text;
    if (s->is_unfit)
        return;
    s->has_outcome = s->is_unfit = true;
    buf_init(&text, REASON_BYTES - 1);
    buf_add_str(&text, "the sentinel ");
    redis_node_write(&s->nodes[s->at], &text);
    buf_addf(&text, " %s", why);
    snprintf(s->trouble, sizeof s->trouble, "%.*s", SLICE_FMT(buf_slice(&text)));
    buf_clear(&text);
    LOG_RARELY(LL_WARN, "redis.sentinel_unfit", LS("reason", s->trouble));
    if (++s->vain % s->count == 0) { /* all of them had a turn */
        if (s->behind * 2 > s->count)
            s->epoch = 0; /* most of them were set up anew: epochs begin again */
        s->behind = 0;
    }
    next_turn(s, s->vain >= s->count ? PAUSE_US : 0);
}

static void sentinel_on_failed(void *ctx)
{
    struct redis_sentinels *s = ctx;
    const char *why = redis_trouble(s->asked);
    turn_away(s, why ? why : "does not answer");
}

static void hang_up(struct redis_sentinels *s)
{
    s->is_turning = true;
    redis_free(s->asked);
    s->asked = NULL;
    s->is_turning = false;
}

static void use(struct redis_sentinels *s, size_t i)
{
    hang_up(s);
    s->at = i;
    s->is_asking = s->has_news = s->has_outcome = s->is_unfit = false;
    s->used_at = clock_mono_us();
    struct redis_target to = {.conf = &s->conf, .node = &s->nodes[i], .is_guide = true};
    struct redis_events events = {.on_ready = ask, .on_failed = sentinel_on_failed, .ctx = s};
    s->asked = redis_new(s->loop, &to, s->name, &events);
    next_turn(s, PATIENCE_US);
}

static void sentinel_on_timer(void *ctx)
{
    struct redis_sentinels *s = ctx;
    size_t next = (s->at + 1) % s->count, leader = s->at;
    if (!s->has_outcome)
        turn_away(s, redis_silence(s->asked));
    if (is_moving(s, &leader) && leader != s->at)
        next = leader;
    use(s, next);
}

/* ---- failovers ---- */

static void sentinels_on_news(void *ctx, size_t i)
{
    struct redis_sentinels *s = ctx;
    if (i != s->at || s->is_unfit) {
        use(s, i);
    } else if (s->is_asking) {
        s->has_news = true; /* the answer may be older */
    } else {
        next_turn(s, PATIENCE_US);
        ask(s);
    }
}

/* Hears all sentinels that are known. The one in use has answered, so the login is right. */
static void hear_all(struct redis_sentinels *s)
{
    struct redis_failovers_to to = {
        .conf = &s->conf, .name = s->name, .on_news = sentinels_on_news, .ctx = s};
    if (!s->failovers)
        s->failovers = redis_failovers_new(s->loop, &to);
    redis_failovers_hear(s->failovers, s->nodes, s->count);
}

bool redis_sentinels_are_moving(const struct redis_sentinels *s)
{
    return is_moving(s, NULL);
}

void redis_sentinels_read(struct redis_sentinels *s)
{
    if (s->failovers)
        redis_failovers_read(s->failovers);
}

/* ---- what they say ---- */

static void set_master(struct redis_sentinels *s, struct slice host, unsigned port)
{
    struct redis_node said = {.host = xslicedup(host), .port = port};
    s->trouble[0] = 0;
    if (s->master.host && redis_node_is(&s->master, &said)) {
        free(said.host);
        return;
    }
    struct buf text;
    buf_init(&text, ADDRESS_BYTES - 1);
    redis_node_write(&said, &text);
    LOG_RARELY(LL_INFO, "redis.master", LS("name", s->conf.master),
               LSL("address", buf_slice(&text)), LS("before", s->master.host ? s->address : ""),
               LS("client", s->name));
    snprintf(s->address, sizeof s->address, "%.*s", SLICE_FMT(buf_slice(&text)));
    buf_clear(&text);
    if (s->master.host && s->failovers)
        redis_failovers_forget(s->failovers);
    free(s->master.host);
    s->master = said;
    LIST_EACH (link, &s->members)
        redis_follow(LIST_ITEM(link, struct redis, link), &s->master);
}

/* Reads a port. 0 if it is none. */
static unsigned read_port(struct slice text)
{
    uint64_t port = 0;
    return text_u64(text, 65535, &port) == OK ? (unsigned)port : 0;
}

/* The value of NAME in a list of names and values. */
static struct slice value_of(const struct redis_reply *list, struct slice name)
{
    for (size_t i = 0; i + 1 < redis_count(list); i += 2)
        if (slice_eq(redis_text(redis_at(list, i)), name))
            return redis_text(redis_at(list, i + 1));
    return (struct slice){0};
}

static void sentinel_on_others(void *ctx, enum err rc, const struct redis_reply *r)
{
    struct redis_sentinels *s = ctx;
    for (size_t i = 0; rc == OK && i < redis_count(r) && s->count < REDIS_NODES_MAX; i++) {
        struct slice host = value_of(redis_at(r, i), SLICE_LIT("ip"));
        struct redis_node n = {.port = read_port(value_of(redis_at(r, i), SLICE_LIT("port")))};
        bool is_known = !host.len || !n.port;
        n.host = xslicedup(host);
        for (size_t k = 0; k < s->count; k++)
            is_known = is_known || redis_node_is(&s->nodes[k], &n);
        if (is_known)
            free(n.host);
        else
            s->nodes[s->count++] = n;
    }
}

/* The sentinel of the answer R moves the master that is known here. While it waits for votes it does not yet. */
static bool tells_of_failover(const struct redis_sentinels *s, const struct redis_reply *r)
{
    struct slice flags = value_of(r, SLICE_LIT("flags")), host = value_of(r, SLICE_LIT("ip"));
    bool is_on = false;
    while (flags.len)
        is_on |= slice_eq(slice_cut(&flags, ','), SLICE_LIT("failover_in_progress"));
    return is_on && !slice_eq(value_of(r, SLICE_LIT("failover-state")), SLICE_LIT("wait_start")) &&
           s->master.host && slice_eq(host, slice_str(s->master.host)) &&
           read_port(value_of(r, SLICE_LIT("port"))) == s->master.port;
}

static void sentinel_on_state(void *ctx, enum err rc, const struct redis_reply *r)
{
    struct redis_sentinels *s = ctx;
    int64_t epoch = 0;
    if (rc != OK)
        return;
    if (text_i64(value_of(r, SLICE_LIT("config-epoch")), &epoch) == OK)
        s->epoch_said = epoch;
    if (s->failovers)
        redis_failovers_note(s->failovers, s->at, tells_of_failover(s, r), s->asked_at);
}

/* The sentinel wants a login, and has none of its own in the configuration. */
static bool lend_login(struct redis_sentinels *s, const struct redis_reply *r)
{
    if (s->has_lent || s->conf.password || !s->password ||
        !slice_starts(redis_text(r), SLICE_LIT("NOAUTH")))
        return false;
    s->has_lent = s->has_outcome = true;
    redis_failovers_free(s->failovers); /* it has no login */
    s->failovers = NULL;
    s->conf.user = s->user;
    s->conf.password = s->password;
    s->user = s->password = NULL;
    s->at = s->at ? s->at - 1 : s->count - 1; /* the same one again */
    next_turn(s, 0);
    return true;
}

static void sentinel_on_master(void *ctx, enum err rc, const struct redis_reply *r)
{
    struct redis_sentinels *s = ctx;
    char why[160];
    struct slice word = redis_text(r);
    if (s->is_turning)
        return;
    bool is_old = s->has_news;
    s->is_asking = s->has_news = false;
    unsigned port = read_port(redis_text(redis_at(r, 1)));
    if (rc != OK) {
        turn_away(s, "does not answer");
    } else if (redis_kind(r) == REDIS_FAILED && lend_login(s, r)) {
        return;
    } else if (redis_kind(r) == REDIS_FAILED &&
               slice_starts(word, SLICE_LIT("ERR unknown command"))) {
        turn_away(s,
                  "is no sentinel: it does not know the command SENTINEL; to use a Redis without "
                  "sentinels, begin redis.url with redis:// or rediss://");
    } else if (redis_kind(r) == REDIS_FAILED) {
        word = slice_cut(&word, ' ');
        snprintf(why, sizeof why, "answers %.*s", SLICE_FMT(slice_head(word, 32)));
        turn_away(s, why);
    } else if (redis_count(r) != 2 || !port) {
        snprintf(why, sizeof why, "knows no master by the name %.64s", s->conf.master);
        turn_away(s, why);
    } else if (s->epoch_said < s->epoch) {
        s->behind++;
        turn_away(s, "is stale: it has missed a failover");
    } else {
        s->epoch = s->epoch_said;
        s->vain = s->behind = 0;
        s->has_outcome = true;
        set_master(s, redis_text(redis_at(r, 0)), port);
        hear_all(s);
        next_turn(s, is_moving(s, NULL) ? PAUSE_US : TURN_US);
        if (is_old)
            ask(s);
    }
}

static void ask(void *ctx)
{
    struct redis_sentinels *s = ctx;
    struct slice verb = SLICE_LIT("SENTINEL"), name = slice_str(s->conf.master);
    struct slice state[] = {verb, SLICE_LIT("MASTER"), name};
    struct slice others[] = {verb, SLICE_LIT("SENTINELS"), name};
    struct slice master[] = {verb, SLICE_LIT("GET-MASTER-ADDR-BY-NAME"), name};
    if (s->is_asking || s->is_unfit || !s->asked || !redis_is_ready(s->asked))
        return;
    s->epoch_said = 0;
    s->asked_at = clock_mono_us();
    s->is_asking = redis_command(s->asked, state, 3, sentinel_on_state, s) == OK &&
                   redis_command(s->asked, others, 3, sentinel_on_others, s) == OK &&
                   redis_command(s->asked, master, 3, sentinel_on_master, s) == OK;
}

/* ---- for connections ---- */

void redis_sentinels_join(struct redis_sentinels *s, struct redis *r)
{
    list_add_last(&s->members, &r->link);
}

void redis_sentinels_doubt(struct redis_sentinels *s, const struct redis_node *node)
{
    if (!s->master.host || !redis_node_is(&s->master, node))
        return; /* it is known already */
    if (clock_mono_us() - s->used_at >= DOUBT_US)
        next_turn(s, 0);
    else
        ask(s);
}

/* ---- begin and end ---- */

struct redis_sentinels *redis_sentinels_new(struct loop *l, const struct config_redis *conf,
                                            const char *name)
{
    struct redis_sentinels *s = NEW(struct redis_sentinels);
    s->loop = l;
    s->name = xstrdup(name);
    config_redis_copy(conf, &s->conf);
    s->user = s->conf.user;
    s->password = s->conf.password;
    s->conf.user = s->conf.sentinel_user;
    s->conf.password = s->conf.sentinel_password;
    s->conf.sentinel_user = s->conf.sentinel_password = NULL;
    for (; s->count < conf->node_count; s->count++)
        s->nodes[s->count] =
            (struct redis_node){xstrdup(conf->nodes[s->count].host), conf->nodes[s->count].port};
    snprintf(s->address, sizeof s->address, "%.128s", conf->master);
    list_init(&s->members);
    s->timer = loop_timer_new(l, sentinel_on_timer, s);
    use(s, 0);
    return s;
}

void redis_sentinels_free(struct redis_sentinels *s)
{
    if (!s)
        return;
    assert(list_is_empty(&s->members));
    redis_failovers_free(s->failovers);
    hang_up(s);
    loop_timer_free(s->timer);
    for (size_t i = 0; i < s->count; i++)
        free(s->nodes[i].host);
    free(s->master.host);
    free(s->user);
    if (s->password)
        crypto_wipe(s->password, strlen(s->password));
    free(s->password);
    config_redis_clear(&s->conf);
    free(s->name);
    free(s);
}

const struct redis_node *redis_sentinels_master(const struct redis_sentinels *s)
{
    return s->master.host ? &s->master : NULL;
}

const char *redis_sentinels_address(const struct redis_sentinels *s)
{
    return s->address;
}

const char *redis_sentinels_trouble(const struct redis_sentinels *s)
{
    return s->trouble[0] ? s->trouble : NULL;
}

size_t redis_sentinels_count(const struct redis_sentinels *s)
{
    return s->count;
}

const struct redis_node *redis_sentinels_at(const struct redis_sentinels *s, size_t i)
{
    return &s->nodes[i];
}
