/* Calls that a server turned away: it did not run them, and says why.
 *
 *   answer        what it means here                              what happens
 *   ------------  ----------------------------------------------  -----------------------------------------------------
 *   MOVED         the slot is at another server                   it goes there at once, and so does all that follows
 *   ASK           the slot moves; a command's key is gone there   a command goes there behind ASKING, in the same write
 *   ASK           the same, for a script                          it waits: at the new server its keys are not all there
 *   TRYAGAIN      some keys of the slot have moved                it waits until the slot has moved
 *   CLUSTERDOWN   nobody serves the slot, or the cluster          it waits
 *   (none: there is no connection to the server with the slot)    it waits
 *
 * A call that waits is sent again, to the server that has the slot by then. If several calls wait for one slot, one
 * of them is sent at a time. When it has run, all of them are sent. A call ends with ERR_UNAVAIL when half of its time
 * (redis.timeout_ms) has passed: it never ran. The bytes of a call are copied once, out of the output of the connection
 * that sent it first. */
#include "common/base/alloc.h"
#include "common/config/config_redis.h"
#include "common/net/loop.h"
#include "common/redis/cluster/redirect.h"
#include "common/redis/cluster/redis_cluster_private.h"

#include <stdlib.h>

#define WAIT_US 25000   /* between two tries */
#define CONNECT_US 5000 /* between two looks at a connection that is being made */
#define HOPS_MAX 3      /* MOVED after so many tries waits too: two servers name each other */
#define PROBES_MAX 32
#define BYTES_MAX ((size_t)64 * 1024 * 1024)
#define COUNT_MAX 100000

struct turned { /* owned by its cluster */
    struct list_link link;
    struct redis_again call;
    unsigned slot;
    mono_us at;
    bool is_free;          /* it need not wait for others of its slot */
    struct redis_node ask; /* it goes there by ASKING; no host: to whom has the slot */
};

struct round { /* slots for which a call was sent in this round */
    unsigned slots[PROBES_MAX];
    size_t count;
};

/* The count of SLOT's bytes, or NULL: nobody is interested in it. */
static size_t *bytes_of(const struct redis_cluster *c, unsigned slot)
{
    for (size_t i = 0; i < c->slot_count; i++)
        if (c->slots[i] == slot)
            return &c->turned_bytes_of[i];
    return NULL;
}

static void forget(struct redis_cluster *c, struct turned *t)
{
    list_remove(&t->link);
    c->turned_count--;
    c->turned_bound -= !t->is_free;
    c->turned_bytes -= t->call.len;
    size_t *of_slot = bytes_of(c, t->slot);
    if (of_slot)
        *of_slot -= t->call.len;
    free(t->ask.host);
    free(t);
}

static void give_up(struct redis_cluster *c, struct turned *t)
{
    struct redis_again call = t->call;
    forget(c, t);
    free(call.bytes);
    if (call.fn)
        call.fn(call.ctx, ERR_UNAVAIL, NULL);
}

static struct redis *connection_for(struct redis_cluster *c, const struct turned *t, mono_us now)
{
    if (!t->ask.host)
        return redis_cluster_owner(c, t->slot);
    struct cluster_member *m = redis_cluster_member(c, &t->ask);
    m->asked_at = now;
    return m->redis;
}

/* Sends T, or has it wait. */
static void send_on(struct redis_cluster *c, struct turned *t, mono_us now)
{
    struct redis *r = connection_for(c, t, now);
    if (!r || !redis_may_send_again(r, t->call.len)) {
        t->at = now + CONNECT_US;
        return;
    }
    struct redis_again call = t->call;
    forget(c, t);
    redis_send_again(r, &call);
}

/* When T is given up: half of its time is left then. If it were sent again shortly before its deadline, that deadline could end
 * the connection, and fail the calls of all other slots there. */
static mono_us last_moment(const struct redis_cluster *c, const struct turned *t)
{
    return t->call.deadline - c->conf.timeout_ms * 1000 / 2;
}

static void arm(struct redis_cluster *c, mono_us now)
{
    c->again_at = 0;
    LIST_EACH (link, &c->turned) {
        const struct turned *t = LIST_ITEM(link, struct turned, link);
        mono_us last = last_moment(c, t);
        mono_us at = t->at < last ? t->at : last;
        if (!c->again_at || at < c->again_at)
            c->again_at = at;
    }
    if (c->again_at)
        loop_timer_arm(c->again, c->again_at > now ? c->again_at - now : 0);
}

/* If several calls wait for one slot, one of them is sent again at a time, until one runs. */
static bool may_go(struct turned *t, struct round *now)
{
    if (t->is_free)
        return true;
    for (size_t i = 0; i < now->count; i++)
        if (now->slots[i] == t->slot)
            return false;
    if (now->count < PROBES_MAX)
        now->slots[now->count++] = t->slot;
    return true;
}

/* Calls that are added meanwhile wait for the next round. */
static void send_due(void *ctx)
{
    struct redis_cluster *c = ctx;
    mono_us now = clock_mono_us();
    struct round round = {0};
    c->again_at = 0;
    struct turned *t;
    for (size_t left = c->turned_count;
         left && (t = LIST_TAKE_FIRST(&c->turned, struct turned, link)); left--) {
        list_add_last(&c->turned, &t->link);
        if (now >= last_moment(c, t))
            give_up(c, t);
        else if (t->at <= now && may_go(t, &round))
            send_on(c, t, now);
        else if (t->at <= now)
            t->at = now + WAIT_US;
    }
    arm(c, clock_mono_us());
}

static mono_us wait_for(const struct redirect *d, const struct redis_again *call)
{
    bool goes_on = d->kind == REDIRECT_MOVED || (d->kind == REDIRECT_ASK && !call->script);
    return goes_on && call->tries < HOPS_MAX ? 0 : WAIT_US;
}

static void add(struct redis_cluster *c, const struct redis_again *call, const struct redirect *d,
                const struct redis_node *to)
{
    struct turned *t = NEW(struct turned);
    mono_us now = clock_mono_us(), wait = wait_for(d, call);
    t->call = *call;
    t->call.is_asking = d->kind == REDIRECT_ASK && !call->script;
    t->slot = redirect_slot(slice_make(call->bytes, call->len), call->script != NULL);
    if (t->call.is_asking)
        t->ask = (struct redis_node){xstrdup(to->host), to->port};
    t->at = now + wait;
    t->is_free = wait == 0;
    list_add_last(&c->turned, &t->link);
    c->turned_count++;
    c->turned_bound += !t->is_free;
    c->turned_bytes += call->len;
    size_t *of_slot = bytes_of(c, t->slot);
    if (of_slot)
        *of_slot += call->len;
    if (!c->again_at || t->at < c->again_at) {
        c->again_at = t->at;
        loop_timer_arm(c->again, wait);
    }
}

static bool turned_on_refused(void *ctx, struct redis *r, const struct redis_again *call,
                              const struct redis_reply *reply)
{
    struct redis_cluster *c = ctx;
    struct redirect d = redirect_read(reply);
    bool has_room = c->turned_count < COUNT_MAX && c->turned_bytes < BYTES_MAX;
    if (d.kind == REDIRECT_NONE || !has_room)
        return false;
    const struct redis_node *from = redis_server_node(r);
    struct redis_node to = {.host = d.host.len ? xslicedup(d.host) : xstrdup(from->host),
                            .port = d.port};
    add(c, call, &d, &to);
    if (d.kind == REDIRECT_MOVED)
        redis_cluster_moved(c, d.slot, &to);
    else if (d.kind == REDIRECT_DOWN)
        redis_cluster_doubt(c);
    free(to.host);
    return true;
}

void redis_turned_go_on(struct redis_cluster *c)
{
    if (list_is_empty(&c->turned))
        return;
    mono_us now = clock_mono_us();
    LIST_EACH (link, &c->turned) {
        struct turned *t = LIST_ITEM(link, struct turned, link);
        t->at = now;
        t->is_free = true;
    }
    c->turned_bound = 0;
    arm(c, now);
}

size_t redis_cluster_waiting(const struct redis_cluster *c)
{
    return c->turned_count;
}

size_t redis_cluster_waiting_bytes(const struct redis_cluster *c, unsigned slot)
{
    const size_t *of_slot = c->turned_count ? bytes_of(c, slot) : NULL;
    return of_slot ? *of_slot : 0;
}

/* Each of many calls that were sent again comes here: only the first may look at all that wait. */
static void turned_on_answered(void *ctx)
{
    struct redis_cluster *c = ctx;
    if (c->turned_bound)
        redis_turned_go_on(c);
}

void redis_turned_init(struct redis_cluster *c)
{
    c->router = (struct redis_router){turned_on_refused, turned_on_answered, c};
    list_init(&c->turned);
    c->again = loop_timer_new(c->loop, send_due, c);
}

void redis_turned_end(struct redis_cluster *c)
{
    c->is_ending = true;
    struct turned *t;
    while ((t = LIST_TAKE_FIRST(&c->turned, struct turned, link)))
        give_up(c, t);
    loop_timer_free(c->again);
    c->again = NULL;
}
