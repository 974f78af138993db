#include "common/net/http_peers.h"

#include <assert.h>

#define V6_BYTES 8

unsigned peers_slot(const struct peers *p, const struct addr *a)
{
    struct slice host = slice_make(a->ip, a->family == 4 ? 4 : V6_BYTES);
    return (unsigned)(hash_keyed(&p->key, host) % PEERS_SLOTS);
}

void peers_add(struct peers *p, unsigned slot)
{
    p->counts[slot]++;
}

void peers_drop(struct peers *p, unsigned slot)
{
    assert(p->counts[slot] > 0);
    p->counts[slot]--;
}

unsigned peers_hog(const struct peers *p, unsigned slot)
{
    unsigned hog = 0;
    for (unsigned i = 1; i < PEERS_SLOTS; i++)
        if (p->counts[i] > p->counts[hog])
            hog = i;
    return p->counts[hog] > 2 * (p->counts[slot] + 1) ? hog : PEERS_SLOTS;
}
