/* GET /api/status: which version runs where, and how Redis is. */
#include "common/program/program.h"
#include "common/queue/shard.h"
#include "receiver/console/console_private.h"

void console_status(struct ops_call *c)
{
    struct console *k = c->ctx;
    struct buf out;
    if (console_takes_no_query(c) == ENDED)
        return;
    buf_init(&out, CONSOLE_ANSWER_MAX);
    struct json_write w = json_write_to(&out);
    jw_open(&w, NULL, '{');
    jw_str(&w, "version", HOOKPACE_VERSION);
    console_write_moment(&w, "started_at", k->started);
    jw_open(&w, "redis", '{');
    jw_bool(&w, "ready", shards_ready(k->shards));
    jw_int(&w, "partitions", shards_count(k->shards));
    jw_close(&w, '}');
    jw_close(&w, '}');
    console_answer(c, 200, &out);
}
