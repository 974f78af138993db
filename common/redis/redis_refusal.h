/* redis_refusal - which error replies say that a connection must not be used as it is?   [pure]
 */
#ifndef COMMON_REDIS_REDIS_REFUSAL_H
#define COMMON_REDIS_REDIS_REFUSAL_H

#include "common/redis/redis.h"

/* Why this server must not be used, or not any more, if the error R says so; else NULL. */
const char *redis_refusal_of_server(const struct redis_reply *r);
/* A command of a script was refused: rights were taken away since they were checked. */
bool redis_refusal_is_right(const struct redis_reply *r);
/* The server did not run the command, because its slot is elsewhere, moves, or is not served. */
bool redis_refusal_is_redirect(const struct redis_reply *r);

#endif
