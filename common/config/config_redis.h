/* config_redis - the keys of `redis`: reads the URL and checks the keys against each other. */
#ifndef COMMON_CONFIG_CONFIG_REDIS_H
#define COMMON_CONFIG_CONFIG_REDIS_H

#include "common/config/config.h"

/* Reads R->url into the other fields of R, and checks all of them. */
void config_redis_build(struct config_redis *r, struct config_problems *problems);

/* Fills mode, nodes, unix_path, master, user, password, db, is_tls and shown of OUT (which owns them, also after an
 * error). User, password and master are percent-decoded. E never quotes the URL, which may hold a password. */
enum err config_redis_parse(struct slice url, struct config_redis *out, struct error *e) MUST_CHECK;

/* Makes OUT a copy of R that owns what it has; freed with config_redis_clear. */
void config_redis_copy(const struct config_redis *r, struct config_redis *out);
/* R comes in force after WAS: connections that were made with WAS use the TLS files of R from now on. */
void config_redis_inherit(struct config_redis *r, const struct config_redis *was);
/* Wipes what is secret. */
void config_redis_clear(struct config_redis *r);

/* Do both name the same server, as far as the text says? */
bool redis_node_is(const struct redis_node *a, const struct redis_node *b);
/* Appends "host:port", "[v6]:port". */
void redis_node_write(const struct redis_node *n, struct buf *out);

#endif
