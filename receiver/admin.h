/* admin - the receiver's listeners that need no speed: the operators' one, and the API's own one if `api.listen` is set.
 * [wiring]
 *
 * They share a connection to Redis, the task API, and the limit on wrong logins. The operators' listener has the probes and the
 * API, the API's own one has /v3 and nothing else.
 */
#ifndef RECEIVER_ADMIN_H
#define RECEIVER_ADMIN_H

#include "common/base/err.h"

#include <stddef.h>

struct addr;
struct admin;
struct config;
struct http_server;
struct loop;
struct metrics;
struct tls_server;

struct admin_setup { /* all borrowed, and must outlive the listener */
    struct config *conf;
    struct metrics *metrics;
    struct tls_server *tls, *api_tls; /* NULL: the listener speaks plain HTTP */
    bool (*workers_are_ready)(void *ctx);
    size_t (*count_waiting)(void *ctx); /* webhooks that wait for Redis */
    /* Hands FD, a connected socket, to a worker, as if PEER had connected. */
    void (*ingest)(void *ctx, int fd, const struct addr *peer);
    void (*on_ready)(void *ctx); /* one of the listener's own shards can be used */
    void *ctx;
};

/* Listens on admin.listen, and on api.listen if that is set, with shards of its own. */
enum err admin_open(struct loop *l, const struct admin_setup *setup, struct admin **out,
                    struct error *e) MUST_CHECK;
const char *admin_addr(const struct admin *a);
const char *admin_api_addr(const struct admin *a); /* NULL without api.listen */
struct http_server *admin_http(struct admin *a);
bool admin_is_ready(const struct admin *a);
/* ADDR (borrowed) is where the ingest listens. */
void admin_set_ingest_addr(struct admin *a, const char *addr);
void admin_set_config(struct admin *a, struct config *conf);
/* The first step of a stop: /readyz is answered 503 from now on, and each answer closes its connection. */
void admin_retire(struct admin *a);
/* The second step: the API's listener answers what has begun. Calls ON_EMPTY when that listener has no connection left; at once
 * if there is none. */
void admin_drain_api(struct admin *a, void (*on_empty)(void *ctx), void *ctx);
/* The last step: the operators' listener answers what has begun. Calls ON_EMPTY when it has no connection left. */
void admin_drain(struct admin *a, void (*on_empty)(void *ctx), void *ctx);
void admin_close(struct admin *a);

#endif
