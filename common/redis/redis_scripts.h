/* redis_scripts - the scripts that a connection has sent to its server, and the calls of them.
 *
 * A script is known by its digest: the memory of a caller's struct may be another script's later.
 */
#ifndef COMMON_REDIS_REDIS_SCRIPTS_H
#define COMMON_REDIS_REDIS_SCRIPTS_H

#include "common/redis/redis.h"

#include <stddef.h>
#include <stdint.h>

struct loaded {
    struct redis_script script;
    uint64_t at; /* position of its SCRIPT LOAD; UINT64_MAX: not sent */
};

struct loaded_scripts { /* zero is empty; free with redis_scripts_clear */
    struct loaded *list;
    size_t count, cap;
};

/* The entry of S, which is added if there is none. It is valid until the next call. */
struct loaded *redis_scripts_find(struct loaded_scripts *all, const struct redis_script *s);
/* None is sent: there is a new connection. */
void redis_scripts_forget(struct loaded_scripts *all);
void redis_scripts_clear(struct loaded_scripts *all);

#endif
