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
    const struct cidr *allow, *allow_accounts, *deny;
    const struct addr *own; /* of this machine's interfaces */
    size_t allow_count, allow_accounts_count, deny_count, own_count;
};

/* The lists of CONF, without this machine's own addresses. */
struct egress egress_of(const struct config_dispatcher *conf);
/* May a request go to A? The first rule that fits decides. For a URL of the configuration:
 *
 *   1. A is in `allow`: yes.
 *   2. A is in `deny`: no.
 *   3. Otherwise: yes.
 *
 * For a URL that came through the API (FROM_API):
 *
 *   1. A is an address of this machine, or a loopback one: yes if `allow_accounts` has this very address, else no.
 *   2. A is in `allow_accounts`: yes.
 *   3. A is in `deny`: no.
 *   4. Otherwise: yes, unless addr_is_special.
 *
 * If A is another spelling of IPv4 addresses (addr_embedded), the same rules must open A and each of them. */
bool egress_allows(const struct egress *e, const struct addr *a, bool from_api);

#endif
