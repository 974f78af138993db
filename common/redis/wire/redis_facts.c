#include "common/redis/wire/redis_facts.h"

#include "common/base/text.h"

#include <string.h>

#define VERSION_MIN 7 /* scripts with "#!lua flags=" */

void redis_facts_set(char fact[FACT_MAX], struct slice value)
{
    size_t n = value.len < FACT_MAX - 1 ? value.len : FACT_MAX - 1;
    memset(fact, 0, FACT_MAX);
    if (n)
        memcpy(fact, value.ptr, n);
}

/* A line such as "slave0:ip=10.0.0.2,port=6379,state=online,offset=14,lag=0". A replica that is still being filled is in
 * another state. */
static bool is_replica_online(struct slice key, struct slice value)
{
    if (!slice_starts(key, SLICE_LIT("slave")) || key.len < 6 || key.ptr[5] < '0' ||
        key.ptr[5] > '9')
        return false;
    while (value.len)
        if (slice_eq(slice_cut(&value, ','), SLICE_LIT("state=online")))
            return true;
    return false;
}

static void read_line(struct redis_facts *f, struct slice line)
{
    const struct {
        struct slice key;
        char *fact;
    } rows[] = {
        {SLICE_LIT("redis_version"), f->version},
        {SLICE_LIT("valkey_version"), f->valkey},
        {SLICE_LIT("role"), f->role},
        {SLICE_LIT("loading"), f->loading},
        {SLICE_LIT("aof_enabled"), f->aof_enabled},
        {SLICE_LIT("maxmemory_policy"), f->policy},
        {SLICE_LIT("run_id"), f->run},
        {SLICE_LIT("cluster_enabled"), f->cluster},
        {SLICE_LIT("redis_mode"), f->mode},
    };
    struct slice value = line;
    struct slice key = slice_cut(&value, ':');
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (slice_eq(key, rows[i].key))
            redis_facts_set(rows[i].fact, value);
    if (slice_eq(key, SLICE_LIT("connected_slaves")))
        f->replicas = 0; /* the lines of the replicas follow */
    else if (is_replica_online(key, value))
        f->replicas++;
}

void redis_facts_read(struct redis_facts *f, struct slice info)
{
    while (info.len) {
        struct slice line = slice_cut(&info, '\n');
        if (line.len && line.ptr[line.len - 1] == '\r')
            line.len--;
        read_line(f, line);
    }
}

const char *redis_facts_version(const struct redis_facts *f)
{
    return f->valkey[0] ? f->valkey : f->version;
}

static bool is(const char *fact, const char *value)
{
    return strcmp(fact, value) == 0;
}

static bool is_too_old(const struct redis_facts *f)
{
    struct slice rest = slice_str(f->version);
    uint64_t major = 0;
    if (text_u64(slice_cut(&rest, '.'), 1000000, &major) != OK)
        return false; /* it does not say: let it show */
    return major < VERSION_MIN;
}

const char *redis_facts_refuse(const struct redis_facts *f)
{
    if (is(f->mode, "sentinel"))
        return "the server is a sentinel: write redis+sentinel://host:port/<master name>/<db>";
    if (is(f->loading, "1"))
        return "the server is loading its data";
    if (is(f->role, "slave"))
        return "the server is a replica";
    if (is_too_old(f))
        return "the server is older than Redis 7.0";
    return NULL;
}

const char *redis_facts_risk(const struct redis_facts *f, unsigned i)
{
    const char *risks[7];
    unsigned n = 0;
    bool aof = is(f->aof_enabled, "1");
    if (is(f->aof_enabled, "0"))
        risks[n++] =
            "appendonly is no: all events since the last snapshot are lost when Redis stops";
    if (is(f->aof_enabled, ""))
        risks[n++] = "appendonly is unknown: see that the server keeps an append-only file";
    if (aof && is(f->appendfsync, "everysec"))
        risks[n++] =
            "appendfsync is everysec: about two seconds of acknowledged events can be lost "
            "in a crash; only always loses none";
    if (aof && is(f->appendfsync, "no"))
        risks[n++] =
            "appendfsync is no: the events of half a minute or more can be lost in a crash";
    if (aof && is(f->appendfsync, ""))
        risks[n++] = "appendfsync is unknown: anything but always can lose acknowledged events";
    if (!is(f->policy, "noeviction"))
        risks[n++] = is(f->policy, "")
                         ? "maxmemory-policy is unknown: anything but noeviction can drop events"
                         : "maxmemory-policy is not noeviction: a full Redis drops events";
    if (is(f->coverage, "yes"))
        risks[n++] =
            "cluster-require-full-coverage is yes: one shard that is away stops all of them";
    return i < n ? risks[i] : NULL;
}
