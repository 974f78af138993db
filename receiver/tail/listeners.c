#include "receiver/tail/listeners.h"

#include "common/base/alloc.h"
#include "common/base/json_write.h"
#include "common/base/list.h"
#include "common/config/config.h"
#include "common/crypto/crypto.h"
#include "common/json/json_cut.h"
#include "common/net/loop.h"
#include "common/ops/ops.h"
#include "common/queue/keys.h"
#include "common/queue/shard.h"
#include "common/queue/tail.h"

#include <stdlib.h>

#define LISTENERS_MAX 64
#define TICKS_PER_S 5
#define HEARTBEAT_TICKS (15 * TICKS_PER_S)
#define READY_TICKS 3 /* from the subscription until every program knows that somebody listens */
#define PATIENCE_TICKS (2 * TICKS_PER_S)
#define NAME_JSON_MAX ((size_t)16 * 1024)
#define HEADERS "Cache-Control: no-store\r\nX-Accel-Buffering: no\r\n"

struct listener {
    struct list_link link;
    struct listeners *all;
    struct ops_call *call;
    char *account;
    unsigned char password[DIGEST_MAX];  /* SHA-256 of it */
    struct buf source, destination, tag; /* as JSON strings; empty: anything */
    int64_t lost;                        /* and not told yet */
    unsigned ticks;                      /* before the answer began */
    bool is_ready;                       /* got the comment `: ready` */
};

struct listeners {
    struct loop *loop;
    struct shards *shards;
    struct config *conf; /* referenced; of the first configuration, for the connection */
    bool is_listening, is_subscribed;
    struct loop_timer *timer;
    struct buf key, out;
    struct list list, waiting; /* the answers of those that wait have not begun */
    size_t count;
    unsigned ticks, known_ticks; /* all of them; since the channel was subscribed */
};

/* --- sending --- */

static bool send_event(struct listener *l, struct slice type, struct slice data)
{
    struct buf *out = &l->all->out;
    buf_reset(out);
    buf_add_str(out, "event: ");
    buf_add_slice(out, type);
    buf_add_str(out, "\ndata: ");
    buf_add_slice(out, data);
    buf_add_str(out, "\n\n");
    return !out->failed && ops_stream_piece(l->call, buf_slice(out));
}

static bool tell_lost(struct listener *l)
{
    char text[128], at[CLOCK_ISO_LEN + 1];
    struct buf b = buf_over(text);
    clock_iso(clock_wall_ms(), at);
    buf_addf(&b, "{\"type\":\"dropped\",\"dropped\":%lld,\"at\":\"%s\"}", (long long)l->lost, at);
    if (!send_event(l, SLICE_LIT("dropped"), buf_slice(&b)))
        return false;
    l->lost = 0;
    return true;
}

static void send_comment(struct listener *l, struct slice text)
{
    /* A listener that has no room for it is known to live by what it reads. */
    bool was_sent = ops_stream_piece(l->call, text);
    (void)was_sent;
}

/* --- what fits --- */

struct fact {
    struct slice line, type, source, destination, destinations, tag;
};

static bool has_element(struct slice list, struct slice value)
{
    struct json_cut walk;
    struct slice key, element;
    if (!list.len || !json_cut_open(list, &walk))
        return false;
    while (json_cut_next(&walk, &key, &element))
        if (slice_eq(element, value))
            return true;
    return false;
}

static bool is_same(const struct buf *wanted, struct slice value)
{
    return !wanted->len || slice_eq(buf_slice(wanted), value);
}

static bool fits(const struct listener *l, const struct fact *f)
{
    return is_same(&l->source, f->source) && is_same(&l->tag, f->tag) &&
           (is_same(&l->destination, f->destination) ||
            has_element(f->destinations, buf_slice(&l->destination)));
}

static void tell_all(struct listeners *all, const struct fact *f)
{
    bool is_for_all = slice_eq(f->type, SLICE_LIT("dropped"));
    LIST_EACH (at, &all->list) {
        struct listener *l = LIST_ITEM(at, struct listener, link);
        if (!is_for_all && !fits(l, f))
            continue;
        if ((l->lost && !tell_lost(l)) || !send_event(l, f->type, f->line))
            l->lost++;
    }
}

/* LINE comes from a program, but also from anybody who may publish in Redis. A line that is no fact is left out. */
static void take_line(struct listeners *all, struct slice line)
{
    enum { TYPE, SOURCE, DESTINATION, DESTINATIONS, TAG, MEMBERS };
    static const char *const types[] = {"accepted", "attempt", "dead", "dropped"};
    struct json_member m[MEMBERS] = {{.name = "type"},
                                     {.name = "source"},
                                     {.name = "destination"},
                                     {.name = "destinations"},
                                     {.name = "tag"}};
    if (json_cut_kind(line) != '{' || memchr(line.ptr, '\r', line.len))
        return;
    json_cut_members(line, m, MEMBERS);
    struct fact f = {.line = line,
                     .source = m[SOURCE].value,
                     .destination = m[DESTINATION].value,
                     .destinations = m[DESTINATIONS].value,
                     .tag = m[TAG].value};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct slice type = slice_str(types[i]);
        if (m[TYPE].value.len == type.len + 2 &&
            memcmp(m[TYPE].value.ptr + 1, type.ptr, type.len) == 0)
            f.type = type;
    }
    if (f.type.len)
        tell_all(all, &f);
}

static void on_message(void *ctx, struct slice channel, struct slice payload)
{
    (void)channel;
    while (payload.len)
        take_line(ctx, slice_cut(&payload, '\n'));
}

/* --- while somebody listens --- */

static void on_renewed(void *ctx, enum err rc, const struct redis_reply *r)
{
    (void)ctx, (void)rc, (void)r;
}

static void renew(struct listeners *all)
{
    char ms[24];
    struct buf text = buf_over(ms);
    buf_addf(&text, "%d", TAILING_MS);
    struct slice argv[] = {SLICE_LIT("SET"), buf_slice(&all->key), SLICE_LIT("1"), SLICE_LIT("PX"),
                           buf_slice(&text)};
    /* If it cannot be sent, Redis is away; the next tick tries again. */
    enum err rc = shard_command(shards_at(all->shards, 0), argv, 5, on_renewed, NULL);
    (void)rc;
}

static void listener_free(struct listener *l);
static void on_gone(struct ops_call *c);

/* L is in no list. It may end. */
static void begin_answer(struct listener *l)
{
    if (!ops_stream_begin(l->call, SLICE_LIT("text/event-stream"), SLICE_LIT(HEADERS), on_gone)) {
        listener_free(l);
        return;
    }
    list_add_last(&l->all->list, &l->link);
    send_comment(l, SLICE_LIT(": hookpace\n\n"));
}

/* Takes the first listener that need not wait any more out of its list. NULL if there is none. */
static struct listener *take_due(struct listeners *all)
{
    struct listener *l = LIST_FIRST(&all->waiting, struct listener, link);
    bool is_due = l && (all->known_ticks >= READY_TICKS || l->ticks >= PATIENCE_TICKS);
    return is_due ? LIST_TAKE_FIRST(&all->waiting, struct listener, link) : NULL;
}

static void begin_answers(struct listeners *all)
{
    LIST_EACH (at, &all->waiting)
        LIST_ITEM(at, struct listener, link)->ticks++;
    for (struct listener *l; (l = take_due(all));)
        begin_answer(l);
}

static void tick(void *ctx)
{
    struct listeners *all = ctx;
    bool is_heartbeat = ++all->ticks % HEARTBEAT_TICKS == 0;
    loop_timer_arm(all->timer, 1000000 / TICKS_PER_S);
    if (all->ticks % TICKS_PER_S == 0)
        renew(all);
    all->known_ticks += all->is_subscribed;
    begin_answers(all);
    LIST_EACH (at, &all->list) {
        struct listener *l = LIST_ITEM(at, struct listener, link);
        if (!l->is_ready && all->known_ticks >= READY_TICKS) {
            send_comment(l, SLICE_LIT(": ready\n\n"));
            l->is_ready = true;
        } else if (is_heartbeat) {
            send_comment(l, SLICE_LIT(":\n\n"));
        }
        if (l->lost && all->ticks % TICKS_PER_S == 0)
            (void)!tell_lost(l);
    }
}

static void on_subscribed(void *ctx)
{
    struct listeners *all = ctx;
    all->is_subscribed = true;
}

/* Facts are lost until the comment `: ready` comes again. */
static void on_lost(void *ctx)
{
    struct listeners *all = ctx;
    all->is_subscribed = false;
    all->known_ticks = 0;
    LIST_EACH (at, &all->list) {
        struct listener *l = LIST_ITEM(at, struct listener, link);
        if (l->is_ready)
            send_comment(l, SLICE_LIT(": lost\n\n"));
        l->is_ready = false;
    }
}

static void begin(struct listeners *all)
{
    struct redis_events events = {
        .on_ready = on_subscribed, .on_lost = on_lost, .on_message = on_message, .ctx = all};
    all->is_listening = true;
    shards_listen(all->shards, &events);
    renew(all);
    loop_timer_arm(all->timer, 1000000 / TICKS_PER_S);
}

static void end(struct listeners *all)
{
    loop_timer_cancel(all->timer);
    shards_hush(all->shards);
    all->is_listening = false;
    all->is_subscribed = false;
    all->known_ticks = 0;
}

/* --- listeners --- */

static void listener_free(struct listener *l)
{
    struct listeners *all = l->all;
    list_remove(&l->link);
    buf_clear(&l->source);
    buf_clear(&l->destination);
    buf_clear(&l->tag);
    free(l->account);
    free(l);
    if (--all->count == 0)
        end(all);
}

static void on_gone(struct ops_call *c)
{
    listener_free(c->state);
}

static void set_wanted(struct buf *out, struct slice value)
{
    struct json_write w = json_write_to(out);
    if (value.len)
        jw_text(&w, NULL, value);
}

bool listeners_add(struct listeners *all, struct ops_call *c, const struct config_account *who,
                   const struct listen_filter *filter)
{
    if (all->count >= LISTENERS_MAX)
        return false;
    struct listener *l = NEW(struct listener);
    l->all = all;
    l->call = c;
    l->account = xstrdup(who->name);
    digest_once(DIGEST_SHA256, slice_str(who->password), l->password);
    buf_init(&l->source, NAME_JSON_MAX);
    buf_init(&l->destination, NAME_JSON_MAX);
    buf_init(&l->tag, NAME_JSON_MAX);
    set_wanted(&l->source, filter->source);
    set_wanted(&l->destination, filter->destination);
    set_wanted(&l->tag, filter->tag);
    if (all->count++ == 0)
        begin(all);
    c->state = l;
    c->gone = on_gone;
    if (all->known_ticks >= READY_TICKS || slice_eq(http_method(c->http), SLICE_LIT("HEAD")))
        begin_answer(l);
    else
        list_add_last(&all->waiting, &l->link);
    return true;
}

/* --- begin and end --- */

struct listeners *listeners_new(struct loop *l, struct shards *shards, struct config *conf)
{
    struct listeners *all = NEW(struct listeners);
    all->loop = l;
    all->shards = shards;
    all->conf = config_ref(conf);
    list_init(&all->list);
    list_init(&all->waiting);
    buf_init(&all->key, 1024);
    buf_init(&all->out, HTTP_STREAM_WAITS);
    keys_tailing(&all->key, shard_base(shards_at(shards, 0)));
    all->timer = loop_timer_new(l, tick, all);
    return all;
}

void listeners_free(struct listeners *all)
{
    if (!all)
        return;
    if (all->is_listening)
        end(all);
    loop_timer_free(all->timer);
    buf_clear(&all->key);
    buf_clear(&all->out);
    config_unref(all->conf);
    free(all);
}

/* The account is there, may still look, and has the password with which L began. */
static bool may_listen(const struct config *conf, const struct listener *l)
{
    unsigned char password[DIGEST_MAX] = {0};
    const struct config_account *a = map_get(&conf->accounts, slice_str(l->account));
    if (!a || a->role == ACCOUNT_USER)
        return false;
    digest_once(DIGEST_SHA256, slice_str(a->password), password);
    return memcmp(password, l->password, sizeof password) == 0;
}

static void end_waiting(struct ops_call *c)
{
    ops_error(c, 403, SLICE_LIT(""), "forbidden", "the account may not do this any more");
}

static void drop_strangers(struct list *list, const struct config *conf,
                           void (*end_call)(struct ops_call *c))
{
    struct list_link *at = list->ends.next;
    while (at != &list->ends) {
        struct listener *l = LIST_ITEM(at, struct listener, link);
        struct ops_call *c = l->call;
        at = at->next;
        if (may_listen(conf, l))
            continue;
        listener_free(l);
        end_call(c);
    }
}

void listeners_set_config(struct listeners *all, const struct config *conf)
{
    drop_strangers(&all->list, conf, ops_stream_end);
    drop_strangers(&all->waiting, conf, end_waiting);
}
