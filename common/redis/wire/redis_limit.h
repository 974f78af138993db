/* redis_limit - the largest argument that a server takes (proto-max-bulk-len), as far as it is known.   [pure]
 *
 * A server that refuses an argument ends the connection, with all that waits there.
 */
#ifndef COMMON_REDIS_WIRE_REDIS_LIMIT_H
#define COMMON_REDIS_WIRE_REDIS_LIMIT_H

#include "common/base/slice.h"

#include <stdbool.h>
#include <stddef.h>

/* The largest command; Redis takes arguments of up to 512 MiB. */
#define REDIS_COMMAND_MAX ((size_t)256 * 1024 * 1024)

struct redis_limit { /* plain value */
    size_t told;     /* by the server; SIZE_MAX: it did not say */
    size_t refused;  /* the smallest that it refused, without having said so; SIZE_MAX: none */
};

/* Nothing is known. */
struct redis_limit redis_limit_none(void);
/* Takes over the setting as CONFIG GET replies it. */
void redis_limit_tell(struct redis_limit *l, struct slice value);
/* True if ERROR, the reply to a command of SIZE bytes, is a refusal; L knows it then. */
bool redis_limit_note(struct redis_limit *l, size_t size, struct slice error);
/* Bytes of the largest argument that the server takes. Never below 1 MiB, the least that can be set. */
size_t redis_limit_argument(const struct redis_limit *l);

#endif
