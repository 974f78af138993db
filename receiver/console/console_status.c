/* GET /api/status: which version runs where, how Redis is, and what the queue holds. */
#include "common/base/alloc.h"
#include "common/config/config_redis.h"
#include "common/json/json_scan.h"
#include "common/program/program.h"
#include "common/queue/holds.h"
#include "common/queue/queue_admin.h"
#include "common/queue/shard.h"
#include "common/redis/redis_sentinel.h"
#include "common/redis/wire/redis_facts.h"
#include "receiver/console/console_private.h"

#include <stdlib.h>
#include <string.h>

#define ADDRESS_BYTES 512

struct status_call { /* the facts so far; Redis may be away */
    struct ops_call *ops;
    struct buf programs; /* JSON objects, separated by commas */
    bool has_programs;
};

/* --- Redis --- */

static bool has_risk(const struct redis_facts *f, const char *risk)
{
    const char *one;
    for (unsigned i = 0; (one = redis_facts_risk(f, i)) != NULL; i++)
        if (strcmp(one, risk) == 0)
            return true;
    return false;
}

static bool is_known(const struct redis_facts *f)
{
    return f->aof_enabled[0] != 0;
}

/* The facts of a server that risks something, or of the first one. NULL if there is no server. */
static const struct redis_facts *worst_facts(const struct shards *shards)
{
    const struct redis_facts *first = NULL;
    for (size_t i = 0; i < shards_server_count(shards); i++) {
        const struct redis_facts *f = shards_server(shards, i).facts;
        if (is_known(f) && redis_facts_risk(f, 0))
            return f;
        first = first ? first : f;
    }
    return first;
}

/* Each risk once, whichever server has it; the log says which. */
static void write_risks(struct json_write *w, const struct shards *shards)
{
    jw_open(w, "risks", '[');
    for (size_t i = 0; i < shards_server_count(shards); i++) {
        const struct redis_facts *f = shards_server(shards, i).facts;
        const char *risk;
        for (unsigned k = 0; is_known(f) && (risk = redis_facts_risk(f, k)) != NULL; k++) {
            bool is_told = false;
            for (size_t before = 0; before < i; before++)
                is_told = is_told || has_risk(shards_server(shards, before).facts, risk);
            if (!is_told)
                jw_str(w, NULL, risk);
        }
    }
    if (shards_shortage(shards))
        jw_str(w, NULL, shards_shortage(shards));
    jw_close(w, ']');
}

static void write_durability(struct json_write *w, const struct shards *shards)
{
    static const struct redis_facts none = {.version = ""};
    const struct redis_facts *f = worst_facts(shards) ? worst_facts(shards) : &none;
    jw_open(w, "durability", '{');
    jw_text_or_null(w, "appendonly",
                    slice_str(!is_known(f)               ? ""
                              : f->aof_enabled[0] == '1' ? "yes"
                                                         : "no"));
    jw_text_or_null(w, "appendfsync", slice_str(f->appendfsync));
    jw_text_or_null(w, "maxmemory_policy", slice_str(f->policy));
    write_risks(w, shards);
    jw_close(w, '}');
}

/* The sentinels, and the server that they name. */
static void write_sentinels(struct json_write *w, const struct redis_sentinels *s)
{
    bool has_master = redis_sentinels_master(s) != NULL;
    jw_text_or_null(w, "master", slice_str(has_master ? redis_sentinels_address(s) : ""));
    jw_open(w, "sentinels", '[');
    for (size_t i = 0; i < redis_sentinels_count(s); i++) {
        struct buf address;
        buf_init(&address, ADDRESS_BYTES);
        redis_node_write(redis_sentinels_at(s, i), &address);
        jw_text(w, NULL, buf_slice(&address));
        buf_clear(&address);
    }
    jw_close(w, ']');
}

/* The partitions of server I. */
static void write_partitions(struct json_write *w, const struct shards *shards, size_t i)
{
    jw_open(w, "partitions", '[');
    for (unsigned k = 0; k < shards_count(shards); k++)
        if (shards_server_of(shards, k) == i)
            jw_int(w, NULL, k);
    jw_close(w, ']');
}

static bool is_away(const struct shard *s)
{
    return !shard_is_ready(s) || shard_is_late(s);
}

static void write_redis(struct json_write *w, struct shards *shards)
{
    jw_open(w, "redis", '{');
    jw_bool(w, "ready", shards_ready(shards));
    jw_str(w, "mode", redis_mode_word(shards_mode(shards)));
    if (shards_sentinels(shards))
        write_sentinels(w, shards_sentinels(shards));
    jw_int(w, "partitions", shards_count(shards));
    jw_open(w, "held", '[');
    for (unsigned i = 0; i < shards_count(shards); i++)
        if (holds_has(shards_holds(shards), i))
            jw_int(w, NULL, i);
    jw_close(w, ']');
    jw_open(w, "away", '[');
    for (unsigned i = 0; i < shards_count(shards); i++)
        if (is_away(shards_at(shards, i)) && !holds_has(shards_holds(shards), i))
            jw_int(w, NULL, i);
    jw_close(w, ']');
    jw_open(w, "shards", '[');
    for (size_t i = 0; i < shards_server_count(shards); i++) {
        struct shard_server s = shards_server(shards, i);
        jw_open(w, NULL, '{');
        jw_str(w, "id", s.address);
        jw_str(w, "address", s.address);
        jw_bool(w, "up", s.is_up);
        jw_text_or_null(w, "version", slice_str(redis_facts_version(s.facts)));
        write_partitions(w, shards, i);
        jw_close(w, '}');
    }
    jw_close(w, ']');
    write_durability(w, shards);
    jw_close(w, '}');
}

/* Where providers send to. */
static void write_ingest(struct json_write *w, const struct console *k)
{
    jw_open(w, "ingest", '{');
    jw_str(w, "listen", k->ingest_addr ? k->ingest_addr : k->conf->receiver.listen);
    jw_bool(w, "tls", k->conf->receiver.tls.cert != NULL);
    jw_close(w, '}');
}

/* --- the queue --- */

static void write_totals(struct json_write *w, const struct queue_totals *t,
                         const struct partition_set *missing)
{
    jw_open(w, "totals", '{');
    jw_int(w, "queued", t->queued);
    jw_int(w, "inflight", t->inflight);
    jw_int(w, "retry", t->retry);
    jw_int(w, "dead", t->dead);
    jw_int(w, "lanes_paused", t->lanes_paused);
    jw_int(w, "circuits_open", t->circuits_open);
    console_write_missing(w, missing);
    jw_close(w, '}');
}

/* TOTALS is NULL if no partition has answered. The programs are not known without the first one. */
static void status_answer(struct status_call *s, const struct queue_totals *totals,
                          const struct partition_set *missing)
{
    struct console *k = s->ops->ctx;
    struct buf out;
    buf_init(&out, CONSOLE_ANSWER_MAX);
    struct json_write w = json_write_to(&out);
    jw_open(&w, NULL, '{');
    jw_str(&w, "version", HOOKPACE_VERSION);
    console_write_moment(&w, "started_at", k->started);
    jw_str(&w, "digest", k->conf->digest);
    write_ingest(&w, k);
    write_redis(&w, k->shards);
    if (s->has_programs) {
        jw_open(&w, "programs", '[');
        buf_add_slice(&out, buf_slice(&s->programs));
        jw_close(&w, ']');
    } else {
        jw_null(&w, "programs");
    }
    if (totals)
        write_totals(&w, totals, missing);
    else
        jw_null(&w, "totals");
    jw_close(&w, '}');
    console_answer(s->ops, 200, &out);
    buf_clear(&s->programs);
    free(s);
}

static void status_on_totals(void *ctx, enum err rc, const struct queue_totals *totals,
                             const struct partition_set *missing)
{
    (void)rc;
    status_answer(ctx, totals, missing);
}

static void status_on_programs(void *ctx, enum err rc, const struct slice *facts, size_t count)
{
    struct status_call *s = ctx;
    struct console *k = s->ops->ctx;
    s->has_programs = rc == OK;
    for (size_t i = 0; i < count; i++) {
        if (!json_scan_accepts(facts[i]))
            continue; /* no program of ours wrote this */
        if (s->programs.len)
            buf_add_char(&s->programs, ',');
        buf_add_slice(&s->programs, facts[i]);
    }
    queue_admin_totals(k->admin, status_on_totals, s);
}

void console_status(struct ops_call *c)
{
    struct console *k = c->ctx;
    if (console_takes_no_query(c) == ENDED)
        return;
    struct status_call *s = NEW(struct status_call);
    s->ops = c;
    buf_init(&s->programs, CONSOLE_ANSWER_MAX / 2);
    queue_admin_programs(k->admin, status_on_programs, s);
}
