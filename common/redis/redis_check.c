/* The handshake: everything in one write, judged answer by answer. */
#include "common/base/log.h"
#include "common/redis/redis_private.h"

#include <stdio.h>

static void check_on_auth(void *ctx, enum err rc, const struct redis_reply *reply)
{
    if (rc == OK && redis_kind(reply) == REDIS_FAILED)
        redis_drop_soon_for(ctx, "AUTH was refused", reply);
}

static void check_on_select(void *ctx, enum err rc, const struct redis_reply *reply)
{
    if (rc == OK && redis_kind(reply) == REDIS_FAILED)
        redis_drop_soon_for(ctx, "SELECT was refused", reply);
}

static void check_on_info(void *ctx, enum err rc, const struct redis_reply *reply)
{
    struct redis *r = ctx;
    if (rc != OK || r->drop_deferred) /* without a login INFO is refused too */
        return;
    if (redis_kind(reply) == REDIS_FAILED)
        LOG_RARELY(
            LL_WARN, "redis.facts_unknown", LS("url", r->conf.shown),
            LS("reason", "INFO was refused: version, role and settings of the server are unknown"));
    redis_facts_read(&r->facts, redis_text(reply));
    redis_confirm_judge(r);
    const char *reason = redis_facts_refuse(&r->facts);
    if (!reason && r->conf.mode != REDIS_CLUSTER && r->facts.cluster[0] == '1')
        reason = "the server belongs to a cluster: begin redis.url with redis+cluster://";
    if (reason)
        redis_drop_soon(r, reason);
}

static const char *shown(const char *fact)
{
    return fact[0] ? fact : "unknown";
}

static void warn_of_risks(const struct redis *r)
{
    const char *risk = NULL;
    for (unsigned i = 0; (risk = redis_facts_risk(&r->facts, i)) != NULL; i++)
        LOG_RARELY(LL_WARN, "redis.durability", LS("url", r->conf.shown), LS("risk", risk));
}

static void read_setting(struct redis *r, struct slice name, struct slice value)
{
    if (slice_eq(name, SLICE_LIT("appendfsync")))
        redis_facts_set(r->facts.appendfsync, value);
    else if (slice_eq(name, SLICE_LIT("cluster-require-full-coverage")))
        redis_facts_set(r->facts.coverage, value);
    else if (slice_eq(name, SLICE_LIT("proto-max-bulk-len")))
        redis_limit_tell(&r->limit, value);
}

/* The last answer of the handshake. Managed servers may refuse CONFIG: then its settings stay unknown. */
static void check_on_settings(void *ctx, enum err rc, const struct redis_reply *reply)
{
    struct redis *r = ctx;
    if (rc != OK || r->drop_deferred)
        return;
    for (size_t i = 0; i + 1 < redis_count(reply); i += 2)
        read_setting(r, redis_text(redis_at(reply, i)), redis_text(redis_at(reply, i + 1)));
    if (!r->events.on_message) {
        warn_of_risks(r);
        LOG_RARELY(LL_INFO, "redis.connected", LS("url", r->conf.shown),
                   LS("server", r->facts.valkey[0] ? "valkey" : "redis"),
                   LS("version", shown(redis_facts_version(&r->facts))),
                   LS("role", shown(r->facts.role)), LS("aof_enabled", shown(r->facts.aof_enabled)),
                   LS("appendfsync", shown(r->facts.appendfsync)),
                   LS("maxmemory_policy", shown(r->facts.policy)));
    }
    redis_become_ready(r);
}

/* The last answer of the handshake with a guide. */
static void check_on_pong(void *ctx, enum err rc, const struct redis_reply *reply)
{
    struct redis *r = ctx;
    (void)reply; /* the first question reports what it does not allow */
    if (rc == OK && !r->drop_deferred)
        redis_become_ready(r);
}

static void send_auth(struct redis *r)
{
    if (!r->conf.password)
        return;
    struct slice argv[3] = {SLICE_LIT("AUTH")};
    size_t argc = 1;
    if (r->conf.user && r->conf.user[0])
        argv[argc++] = slice_str(r->conf.user);
    argv[argc++] = slice_str(r->conf.password);
    redis_send(r, argv, argc, check_on_auth, r);
}

void redis_check_start(struct redis *r)
{
    r->facts = (struct redis_facts){.replicas = -1};
    r->limit.told = SIZE_MAX;
    send_auth(r);
    struct slice name[] = {SLICE_LIT("CLIENT"), SLICE_LIT("SETNAME"), slice_str(r->name)};
    redis_send(r, name, 3, NULL, NULL);
    if (r->is_guide) {
        redis_send(r, (struct slice[]){SLICE_LIT("PING")}, 1, check_on_pong, r);
        return;
    }
    if (r->conf.db) {
        char db[16];
        snprintf(db, sizeof db, "%u", r->conf.db);
        redis_send(r, (struct slice[]){SLICE_LIT("SELECT"), slice_str(db)}, 2, check_on_select, r);
    }
    redis_send(r, (struct slice[]){SLICE_LIT("INFO")}, 1, check_on_info, r);
    struct slice config[] = {SLICE_LIT("CONFIG"), SLICE_LIT("GET"), SLICE_LIT("appendfsync"),
                             SLICE_LIT("proto-max-bulk-len"),
                             SLICE_LIT("cluster-require-full-coverage")};
    redis_send(r, config, r->conf.mode == REDIS_CLUSTER ? 5 : 4, check_on_settings, r);
}

const struct redis_facts *redis_server_facts(const struct redis *r)
{
    return &r->facts;
}

const char *redis_trouble(const struct redis *r)
{
    return r->reason[0] ? r->reason : NULL;
}

const char *redis_silence(const struct redis *r)
{
    bool is_plain = r->state == STATE_DIALING && redis_dial_is_in_handshake(&r->dial);
    return is_plain ? "does not answer the handshake of TLS: is this its port for TLS?"
                    : "does not answer";
}
