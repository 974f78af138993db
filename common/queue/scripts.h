/* scripts - the queue's Lua scripts, embedded at build.   [pure] */
#ifndef COMMON_QUEUE_SCRIPTS_H
#define COMMON_QUEUE_SCRIPTS_H

#include <stddef.h>

extern const unsigned char lua_put[], lua_claim[], lua_sent[], lua_settle[], lua_limits[],
    lua_stats[];
extern const size_t lua_put_len, lua_claim_len, lua_sent_len, lua_settle_len, lua_limits_len,
    lua_stats_len;

#endif
