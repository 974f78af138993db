#include "common/redis/redis_refusal.h"

/* Is R an error that begins with one of WORDS, which end with NULL? */
static bool begins_with(const struct redis_reply *r, const char *const *words)
{
    if (redis_kind(r) != REDIS_FAILED)
        return false;
    struct slice rest = redis_text(r);
    struct slice word = slice_cut(&rest, ' ');
    for (; *words; words++)
        if (slice_eq(word, slice_str(*words)))
            return true;
    return false;
}

bool redis_refusal_is_server(const struct redis_reply *r)
{
    static const char *const words[] = {"READONLY", "LOADING", "MASTERDOWN", "NOAUTH", NULL};
    return begins_with(r, words);
}

bool redis_refusal_is_redirect(const struct redis_reply *r)
{
    static const char *const words[] = {"MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN", NULL};
    return begins_with(r, words);
}

bool redis_refusal_is_right(const struct redis_reply *r)
{
    return redis_kind(r) == REDIS_FAILED &&
           slice_starts(redis_text(r), SLICE_LIT("ERR The user executing the script"));
}
