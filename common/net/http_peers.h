/* http_peers - how many connections does each address hold?   [pure]
 *
 * A table of counters that addresses are hashed into: a fixed 4 KiB, one step a connection. Two
 * addresses may share a counter, which makes either look larger; which ones is not to be guessed
 * from outside. Of IPv6 the first 64 bits count, which is what one host is given.
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
/* The slot with so many connections, compared to SLOT, that SLOT may take a connection of it. PEERS_SLOTS if
 * there is none. */
unsigned peers_hog(const struct peers *p, unsigned slot);

#endif
