#include "common/base/log.h"
#include "common/redis/redis_private.h"

#include <stdio.h>

/* The handshake: everything in one write, judged answer by answer. A server that must not be used
 * is dropped and looked at anew after the backoff. */

/* Drops because WHAT failed. Only the reply's first word is told: a proxy may repeat arguments. */
static void refuse(struct redis *r, const char *what, const struct redis_reply *reply)
{
    struct slice rest = redis_text(reply);
    struct slice word = slice_cut(&rest, ' ');
    char reason[96];
    snprintf(reason, sizeof reason, "%s was refused (%.*s)", what,
             (int)(word.len < 32 ? word.len : 32), word.ptr ? word.ptr : "");
    redis_drop_soon(r, reason);
}

static void on_auth(void *ctx, enum err rc, const struct redis_reply *reply)
{
    if (rc == OK && redis_kind(reply) == REDIS_FAILED)
        refuse(ctx, "AUTH", reply);
}

static void on_select(void *ctx, enum err rc, const struct redis_reply *reply)
{
    if (rc == OK && redis_kind(reply) == REDIS_FAILED)
        refuse(ctx, "SELECT", reply);
}

static void on_info(void *ctx, enum err rc, const struct redis_reply *reply)
{
    struct redis *r = ctx;
    if (rc != OK)
        return;
    if (redis_kind(reply) == REDIS_FAILED)
        refuse(r, "INFO", reply);
    redis_facts_read(&r->facts, redis_text(reply));
    const char *reason = redis_facts_refuse(&r->facts);
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

/* The last answer of the handshake. Managed servers may refuse CONFIG: then it stays unknown. */
static void on_appendfsync(void *ctx, enum err rc, const struct redis_reply *reply)
{
    struct redis *r = ctx;
    if (rc != OK || r->drop_deferred)
        return;
    redis_facts_set(r->facts.appendfsync, redis_text(redis_at(reply, 1)));
    if (!r->on_message) {
        warn_of_risks(r);
        LOG_RARELY(LL_INFO, "redis.connected", LS("url", r->conf.shown),
                   LS("version", shown(r->facts.version)), LS("role", shown(r->facts.role)),
                   LS("aof_enabled", shown(r->facts.aof_enabled)),
                   LS("appendfsync", shown(r->facts.appendfsync)),
                   LS("maxmemory_policy", shown(r->facts.policy)));
    }
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
    redis_send(r, argv, argc, on_auth, r);
}

void redis_check_start(struct redis *r)
{
    r->facts = (struct redis_facts){0};
    send_auth(r);
    if (r->conf.db) {
        char db[16];
        snprintf(db, sizeof db, "%u", r->conf.db);
        redis_send(r, (struct slice[]){SLICE_LIT("SELECT"), slice_str(db)}, 2, on_select, r);
    }
    struct slice name[] = {SLICE_LIT("CLIENT"), SLICE_LIT("SETNAME"), slice_str(r->name)};
    redis_send(r, name, 3, NULL, NULL);
    redis_send(r, (struct slice[]){SLICE_LIT("INFO")}, 1, on_info, r);
    struct slice config[] = {SLICE_LIT("CONFIG"), SLICE_LIT("GET"), SLICE_LIT("appendfsync")};
    redis_send(r, config, 3, on_appendfsync, r);
}
