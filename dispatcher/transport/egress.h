/* egress - which addresses may be connected to?   [pure]
 *
 * The address counts to which a socket is about to connect, or to which a kept connection leads. The text of a URL does
 * not count: an address has many spellings, and a name may resolve to another address tomorrow.
 */
#ifndef DISPATCHER_EGRESS_H
#define DISPATCHER_EGRESS_H

#include "common/config/config.h"
#include "common/net/addr.h"

#include <stdbool.h>
#include <stddef.h>

struct egress { /* lists borrowed, from the configuration and own_addrs */
    const struct cidr *allow, *deny;
    const struct addr *own; /* of this machine's interfaces */
    size_t allow_count, deny_count, own_count;
};

/* The lists of CONF, without this machine's own addresses. */
struct egress egress_of(const struct config_dispatcher *conf);
/* May a request go to A? The first rule that fits decides:
 *
 *   1. A is in `allow`: yes.
 *   2. A is in `deny`: no.
 *   3. The URL is one of the configuration: yes.
 *   4. The URL came through the API (FROM_API): yes, unless addr_is_special or A is an address of this machine. */
bool egress_allows(const struct egress *e, const struct addr *a, bool from_api);

#endif
