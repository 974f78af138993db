/* config_url - checks addresses, and the URL of a proxy.   [pure] */
#ifndef COMMON_CONFIG_CONFIG_URL_H
#define COMMON_CONFIG_CONFIG_URL_H

#include "common/base/slice.h"

/* The fault of a listen address, or NULL. Good ones are "host:port", "[v6]:port" and ":port"; port 0 takes a free one. */
const char *config_listen_fault(struct slice listen);

/* Reads "host", "host:port", "[v6]" or "[v6]:port", where a program connects to. *HOST is part of ADDRESS, without
 * brackets. Returns the fault, or NULL. */
const char *config_address_read(struct slice address, unsigned port_if_none, struct slice *host,
                                unsigned *port);

/* The fault of the URL of an outgoing proxy, or NULL. */
const char *config_proxy_fault(struct slice url);

#endif
