#include "common/redis/redis_refusal.h"

/* The first word of the error R, such as NOAUTH; empty if R is no error. */
static struct slice error_word(const struct redis_reply *r)
{
    if (redis_kind(r) != REDIS_FAILED)
        return SLICE_LIT("");
    struct slice rest = redis_text(r);
    return slice_cut(&rest, ' ');
}

const char *redis_refusal_of_server(const struct redis_reply *r)
{
    static const struct {
        const char *word, *reason;
    } refusals[] = {
        {"READONLY", "the server is a replica"},
        {"LOADING", "the server still loads its data"},
        {"MASTERDOWN", "the server is a replica without its master"},
        {"NOAUTH", "the server wants a password: is it in redis.url?"},
    };
    struct slice word = error_word(r);
    for (size_t i = 0; word.len && i < sizeof refusals / sizeof refusals[0]; i++)
        if (slice_eq(word, slice_str(refusals[i].word)))
            return refusals[i].reason;
    return NULL;
}

bool redis_refusal_is_redirect(const struct redis_reply *r)
{
    static const char *const words[] = {"MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN"};
    struct slice word = error_word(r);
    for (size_t i = 0; word.len && i < sizeof words / sizeof words[0]; i++)
        if (slice_eq(word, slice_str(words[i])))
            return true;
    return false;
}

bool redis_refusal_is_right(const struct redis_reply *r)
{
    return redis_kind(r) == REDIS_FAILED &&
           slice_starts(redis_text(r), SLICE_LIT("ERR The user executing the script"));
}
