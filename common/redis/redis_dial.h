/* redis_dial - a connected socket to Redis, without ever blocking the loop.   [edge: libevent]
 *
 * Host names are resolved afresh for each dial with evdns (getaddrinfo of libc, which hiredis uses,
 * blocks for seconds when a name server is dead), so that a failover by DNS is followed. The caller
 * keeps the deadline.
 */
#ifndef COMMON_REDIS_REDIS_DIAL_H
#define COMMON_REDIS_REDIS_DIAL_H

#include "common/base/err.h"

#include <sys/socket.h>

#define DIAL_ADDRESSES_MAX 8

struct config_redis;
struct event;
struct lookup;
struct loop;

/* FD is connected, non-blocking and now the receiver's; or it is -1 and REASON says why. */
typedef void (*dial_fn)(void *ctx, int fd, const char *reason);

struct dial { /* in place; at rest between its callback and the next redis_dial_start */
    struct loop *loop;
    const struct config_redis *conf; /* borrowed */
    dial_fn fn;
    void *ctx;
    bool active;
    struct lookup *lookup;
    struct event *writable;
    int fd;
    struct sockaddr_storage addresses[DIAL_ADDRESSES_MAX];
    socklen_t lengths[DIAL_ADDRESSES_MAX];
    unsigned count, tried;
    unsigned
        first; /* where to start: dials take turns, so that one dead address does not block all */
};

void redis_dial_init(struct dial *d, struct loop *l, const struct config_redis *conf, dial_fn fn,
                     void *ctx);
/* Starts; FN is called once unless redis_dial_stop comes before. */
void redis_dial_start(struct dial *d);
void redis_dial_stop(struct dial *d);

#endif
