#include "dispatcher/pull/result_connection.h"

#include "common/base/alloc.h"
#include "common/json/json_scan.h"
#include "dispatcher/pull/fetch_judge.h"

#include <stdlib.h>

#define NAME_BYTES 128

struct result_connection *result_connection_new(struct loop *l, struct config *conf,
                                                const char *name)
{
    struct result_connection *p = NEW(struct result_connection);
    struct buf text;
    buf_init(&text, NAME_BYTES);
    buf_addf(&text, "%s:pull", name);
    p->loop = l;
    p->name = buf_take(&text, NULL);
    p->picks = fetch_judge_picks();
    result_connection_set_config(p, conf);
    return p;
}

static bool config_has_fetch(const struct config *conf)
{
    size_t at = 0;
    struct slice name;
    void *value;
    while (map_next(&conf->sources, &at, &name, &value))
        if (((const struct source *)value)->fetch)
            return true;
    return false;
}

void result_connection_set_config(struct result_connection *p, struct config *conf)
{
    config_ref(conf);
    config_unref(p->conf);
    p->conf = conf;
    if (p->put) {
        queue_put_set_config(p->put, conf);
        queue_tasks_set_config(p->tasks, conf);
    } else if (config_has_fetch(conf)) {
        p->shards = shards_new(p->loop, &conf->redis, p->name, NULL);
        p->put = queue_put_new(p->loop, p->shards, conf);
        p->tasks = queue_tasks_new(p->loop, p->shards, conf);
    }
}

struct shard *result_connection_shard(const struct result_connection *p, unsigned partition)
{
    struct shard *s = p->shards ? shards_at(p->shards, partition) : NULL;
    return s && shard_is_ready(s) ? s : NULL;
}

void result_connection_close(struct result_connection *p)
{
    shards_free(p->shards);
    p->shards = NULL;
}

void result_connection_free(struct result_connection *p)
{
    if (!p)
        return;
    result_connection_close(p);
    queue_put_free(p->put);
    queue_tasks_free(p->tasks);
    json_picks_free(p->picks);
    config_unref(p->conf);
    free(p->name);
    free(p);
}
