#include "common/redis/wire/redis_limit.h"

#include "common/base/text.h"

#include <stdint.h>

#define ROOM ((size_t)64 * 1024) /* of a command: for all arguments but the largest */
/* Redis accepts no smaller proto-max-bulk-len. What says otherwise is no limit of Redis, and would keep every event out. */
#define LEAST ((size_t)1024 * 1024)

struct redis_limit redis_limit_none(void)
{
    return (struct redis_limit){SIZE_MAX, SIZE_MAX};
}

void redis_limit_tell(struct redis_limit *l, struct slice value)
{
    uint64_t n;
    if (text_u64(value, INT64_MAX, &n) == OK)
        l->told = n > LEAST ? (size_t)n : LEAST;
}

bool redis_limit_note(struct redis_limit *l, size_t size, struct slice error)
{
    if (!slice_starts(error, SLICE_LIT("ERR Protocol error: invalid bulk length")))
        return false;
    size_t refused = size > LEAST + ROOM ? size - ROOM : LEAST + 1;
    if (refused < l->refused)
        l->refused = refused;
    return true;
}

size_t redis_limit_argument(const struct redis_limit *l)
{
    size_t most = REDIS_COMMAND_MAX - ROOM;
    if (l->told < most)
        most = l->told;
    return l->refused - 1 < most ? l->refused - 1 : most;
}
