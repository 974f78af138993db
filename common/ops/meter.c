#include "common/ops/meter.h"

#include <string.h>

uint64_t meter_hash(const struct hash_key *key, const struct addr *peer, const struct slice *name)
{
    char text[18] = {(char)peer->family, name ? 1 : 0};
    memcpy(text + 2, peer->ip, peer->family == 6 ? 8 : 16);
    uint64_t h = hash_keyed(key, slice_make(text, sizeof text));
    if (!name)
        return h;
    struct hash_key of_network = {{key->k[0] ^ h, key->k[1]}};
    return hash_keyed(&of_network, *name);
}

/* Returns the entry of WHO, or the entry of its set that would be forgotten first. */
static struct meter_entry *entry_for(struct meter_entry *table, size_t sets, uint64_t who)
{
    struct meter_entry *set = table + who % sets * METER_WAYS, *oldest = set;
    for (size_t i = 0; i < METER_WAYS; i++) {
        if (set[i].free_at && set[i].who == who)
            return &set[i];
        if (set[i].free_at < oldest->free_at)
            oldest = &set[i];
    }
    return oldest;
}

mono_us meter_free_at(struct meter_entry *table, size_t sets, uint64_t who)
{
    const struct meter_entry *entry = entry_for(table, sets, who);
    return entry->who == who ? entry->free_at : 0;
}

void meter_count(struct meter_entry *table, size_t sets, uint64_t who, mono_us now, mono_us each)
{
    mono_us from = meter_free_at(table, sets, who);
    *entry_for(table, sets, who) =
        (struct meter_entry){.who = who, .free_at = (from > now ? from : now) + each};
}
