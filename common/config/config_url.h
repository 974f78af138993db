/* config_url - parses the URL of Redis, and checks addresses and the URL of a proxy.   [pure] */
#ifndef COMMON_CONFIG_CONFIG_URL_H
#define COMMON_CONFIG_CONFIG_URL_H

#include "common/config/config.h"

/* Fills host, port, unix_path, user, password, db and shown of OUT (which owns them, also after an
 * error). User and password are percent-decoded. E never quotes the URL, which may hold a password.
 */
enum err config_url_parse(struct slice url, struct config_redis *out, struct error *e) MUST_CHECK;

/* The fault of a listen address, or NULL. Good ones are "host:port", "[v6]:port" and ":port"; port 0 takes a free one. */
const char *config_listen_fault(struct slice listen);

/* The fault of the URL of an outgoing proxy, or NULL. */
const char *config_proxy_fault(struct slice url);

#endif
