/* http_peers - how many connections does each address hold?   [pure]
 *
 * A hash of the address chooses one of 1,024 counters, so the table has 4 KiB and a look-up takes one step. Two addresses
 * may share a counter, which makes both look larger. The hash has a random key, so nobody can choose such addresses.
 * Of an IPv6 address the first 64 bits count, because a host usually has a /64.
 */
#ifndef COMMON_NET_HTTP_PEERS_H
#define COMMON_NET_HTTP_PEERS_H

#include "common/base/hash.h"
#include "common/net/addr.h"

#include <stdint.h>

#define PEERS_SLOTS 1024

struct peers {
    struct hash_key key; /* random: nobody outside may know which addresses share a counter */
    uint32_t counts[PEERS_SLOTS];
};

unsigned peers_slot(const struct peers *p, const struct addr *a);
void peers_add(struct peers *p, unsigned slot);
void peers_drop(struct peers *p, unsigned slot);
/* The slot with the most connections, if it has more than twice as many as SLOT would have with one more: then a new
 * connection of SLOT's may displace one of it. PEERS_SLOTS if no slot has so many. */
unsigned peers_hog(const struct peers *p, unsigned slot);

#endif
