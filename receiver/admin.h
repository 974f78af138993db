/* admin - the receiver's part of its operators' listener: its connection to Redis, its readiness, and the tables of routes.
 * [wiring]
 */
#ifndef RECEIVER_ADMIN_H
#define RECEIVER_ADMIN_H

#include "common/base/err.h"

struct admin;
struct config;
struct http_server;
struct loop;
struct metrics;

struct admin_setup { /* all borrowed, and must outlive the listener */
    struct config *conf;
    struct metrics *metrics;
    bool (*workers_are_ready)(void *ctx);
    void (*on_ready)(void *ctx); /* one of the listener's own shards can be used */
    void *ctx;
};

/* Listens on admin.listen, with shards of its own. */
enum err admin_open(struct loop *l, const struct admin_setup *setup, struct admin **out,
                    struct error *e) MUST_CHECK;
const char *admin_addr(const struct admin *a);
struct http_server *admin_http(struct admin *a);
bool admin_is_ready(const struct admin *a);
void admin_set_config(struct admin *a, struct config *conf);
void admin_close(struct admin *a);

#endif
