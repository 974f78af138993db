#include "common/redis/redis_refusal.h"

bool redis_refusal_is_server(const struct redis_reply *r)
{
    if (redis_kind(r) != REDIS_FAILED)
        return false;
    struct slice rest = redis_text(r);
    struct slice word = slice_cut(&rest, ' ');
    return slice_eq(word, SLICE_LIT("READONLY")) || slice_eq(word, SLICE_LIT("LOADING")) ||
           slice_eq(word, SLICE_LIT("MASTERDOWN")) || slice_eq(word, SLICE_LIT("NOAUTH"));
}

bool redis_refusal_is_right(const struct redis_reply *r)
{
    return redis_kind(r) == REDIS_FAILED &&
           slice_starts(redis_text(r), SLICE_LIT("ERR The user executing the script"));
}
