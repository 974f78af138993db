#include "common/base/text.h"
#include "common/redis/redis.h"

#include <hiredis/hiredis.h>

/* `struct redis_reply` is hiredis' redisReply. Its own name keeps hiredis inside this folder. */
static const redisReply *raw(const struct redis_reply *r)
{
    return (const redisReply *)(const void *)r;
}

enum redis_kind redis_kind(const struct redis_reply *r)
{
    if (!r)
        return REDIS_NIL;
    switch (raw(r)->type) {
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
        return REDIS_TEXT;
    case REDIS_REPLY_INTEGER:
        return REDIS_INT;
    case REDIS_REPLY_ARRAY:
        return REDIS_LIST;
    case REDIS_REPLY_ERROR:
        return REDIS_FAILED;
    default: /* RESP3 kinds never come: HELLO 3 is not sent */
        return REDIS_NIL;
    }
}

int64_t redis_int(const struct redis_reply *r)
{
    int64_t v = 0;
    switch (redis_kind(r)) {
    case REDIS_INT:
        return raw(r)->integer;
    case REDIS_TEXT:
        return text_i64(redis_text(r), &v) == OK ? v : 0;
    default:
        return 0;
    }
}

struct slice redis_text(const struct redis_reply *r)
{
    enum redis_kind kind = redis_kind(r);
    if (kind != REDIS_TEXT && kind != REDIS_FAILED)
        return (struct slice){0};
    return slice_make(raw(r)->str, (size_t)raw(r)->len);
}

size_t redis_count(const struct redis_reply *r)
{
    return redis_kind(r) == REDIS_LIST ? (size_t)raw(r)->elements : 0;
}

const struct redis_reply *redis_at(const struct redis_reply *r, size_t i)
{
    if (i >= redis_count(r))
        return NULL;
    return (const struct redis_reply *)(const void *)raw(r)->element[i];
}
