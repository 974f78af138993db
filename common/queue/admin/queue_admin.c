#include "common/queue/queue_admin.h"

#include "common/base/alloc.h"
#include "common/config/config.h"
#include "common/queue/admin/admin_private.h"
#include "common/queue/keys.h"
#include "common/queue/scripts.h"

#include <stdlib.h>

struct queue_admin *queue_admin_new(struct loop *l, struct shards *shards, struct config *conf)
{
    struct queue_admin *q = NEW(struct queue_admin);
    q->loop = l;
    q->shards = shards;
    q->conf = config_ref(conf);
    redis_script_init(&q->look, "look", lua_look, lua_look_len);
    redis_script_init(&q->search, "search", lua_search, lua_search_len);
    redis_script_init(&q->dead, "dead", lua_dead, lua_dead_len);
    redis_script_init(&q->pause, "pause", lua_pause, lua_pause_len);
    redis_script_init(&q->survey, "survey", lua_survey, lua_survey_len);
    redis_script_init(&q->lanes, "lanes", lua_lanes, lua_lanes_len);
    redis_script_init(&q->counted, "counted", lua_counted, lua_counted_len);
    redis_script_init(&q->redo, "redo", lua_redo, lua_redo_len);
    redis_script_init(&q->drop, "drop", lua_drop, lua_drop_len);
    redis_script_init(&q->check, "check", lua_check, lua_check_len);
    q->pause.is_acknowledged = q->redo.is_acknowledged = q->drop.is_acknowledged = true;
    return q;
}

void queue_admin_free(struct queue_admin *q)
{
    if (!q)
        return;
    admin_survey_free(q->last_survey);
    config_unref(q->conf);
    free(q);
}

void queue_admin_set_config(struct queue_admin *q, struct config *conf)
{
    config_ref(conf);
    config_unref(q->conf);
    q->conf = conf;
    admin_survey_forget(q);
}

int admin_partition_of(const struct queue_admin *q, struct slice id)
{
    struct slice event, destination;
    const struct destination *d = NULL;
    if (keys_split_delivery(id, &event, &destination))
        d = config_destination(q->conf, destination);
    return d ? (int)d->partition : -1;
}
