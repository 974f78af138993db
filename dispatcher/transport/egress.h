/* egress - which addresses may be connected to?   [pure]
 *
 * Judged on the address a socket is about to be connected to (or, for a pooled connection, is
 * connected to), never on the text of a URL, so that spellings of an address and names that resolve
 * to something else tomorrow make no difference.
 */
#ifndef DISPATCHER_EGRESS_H
#define DISPATCHER_EGRESS_H

#include "common/net/addr.h"

#include <stdbool.h>
#include <stddef.h>

struct egress { /* lists borrowed, from the configuration and own_addrs */
    const struct cidr *allow, *deny;
    const struct addr *own; /* of this machine's interfaces */
    size_t allow_count, deny_count, own_count;
};

/* What `allow` holds is open, and of the rest what `deny` holds is closed. On neither list, a URL
 * of the configuration may go anywhere, one that came through the API (FROM_API) only where
 * addr_is_special says no, and not to this machine itself. */
bool egress_allows(const struct egress *e, const struct addr *a, bool from_api);

#endif
