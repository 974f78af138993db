/* redis_dial - opens a connection to Redis, with TLS if it is wanted, without blocking the loop.   [edge: libevent]
 *
 * Each dial resolves the host name anew with evdns, so that a failover by DNS is followed. The getaddrinfo of libc
 * would block for seconds when a name server is dead. The caller keeps the deadline.
 */
#ifndef COMMON_REDIS_WIRE_REDIS_DIAL_H
#define COMMON_REDIS_WIRE_REDIS_DIAL_H

#include "common/base/err.h"
#include "common/redis/wire/redis_io.h"

#include <sys/socket.h>

#define DIAL_ADDRESSES_MAX 8
#define DIAL_FAULT_BYTES 256

struct config_redis;
struct redis_node;
struct event;
struct lookup;
struct loop;

/* IO is connected and is the callee's from here on. Or it is closed and REASON says why. */
typedef void (*dial_fn)(void *ctx, struct redis_io io, const char *reason);

/* Part of its owner. It does nothing between its callback and the next redis_dial_start. */
struct dial {
    struct loop *loop;
    const struct config_redis *conf; /* borrowed */
    const struct redis_node *node;   /* borrowed */
    dial_fn fn;
    void *ctx;
    bool active;
    struct lookup *lookup;
    struct event *waiting; /* for the connection, or for a step of its handshake */
    struct redis_io io;
    char fault[DIAL_FAULT_BYTES]; /* of the last dial that failed */
    struct sockaddr_storage addresses[DIAL_ADDRESSES_MAX];
    socklen_t lengths[DIAL_ADDRESSES_MAX];
    unsigned count, tried;
    unsigned first; /* the address to begin with: another each time, lest a dead one blocks all */
};

/* NODE is the server, unless CONF has a unix socket. */
void redis_dial_init(struct dial *d, struct loop *l, const struct config_redis *conf,
                     const struct redis_node *node, dial_fn fn, void *ctx);
/* Starts. FN is called once, unless redis_dial_stop is called before. */
void redis_dial_start(struct dial *d);
void redis_dial_stop(struct dial *d);
/* Is the server connected, but has not ended the handshake of TLS? */
bool redis_dial_is_in_handshake(const struct dial *d);

#endif
