#include "common/base/map.h"

#include "common/base/alloc.h"
#include "common/base/hash.h"

#include <stdlib.h>

/* Keyed, because senders choose keys too: names in JSON objects, ids in a provider's list. */
static uint32_t hash_of(struct slice key)
{
    return (uint32_t)hash_keyed(hash_process_key(), key);
}

void map_init(struct map *m)
{
    *m = (struct map){0};
}

void map_clear(struct map *m)
{
    for (size_t i = 0; i < m->used; i++)
        free(m->entries[i].key);
    free(m->entries);
    free(m->slots);
    map_init(m);
}

static size_t slot_count(const struct map *m)
{
    return m->cap * 2;
}

/* The slot that holds KEY, or the free one where it would go. The table is never full. */
static size_t find_slot(const struct map *m, struct slice key, uint32_t hash)
{
    size_t mask = slot_count(m) - 1;
    for (size_t at = hash & mask;; at = (at + 1) & mask) {
        if (m->slots[at] == 0)
            return at;
        const struct map_entry *e = &m->entries[m->slots[at] - 1];
        if (e->key && e->hash == hash && slice_eq(slice_make(e->key, e->key_len), key))
            return at;
    }
}

/* Makes room for one more entry, dropping the holes that removals left. */
static void grow(struct map *m)
{
    struct map old = *m;
    m->cap = old.live * 2 < 8 ? 8 : old.cap;
    while (m->cap < old.live * 2)
        m->cap *= 2;
    m->entries = xcalloc(m->cap, sizeof *m->entries);
    m->slots = xcalloc(slot_count(m), sizeof *m->slots);
    m->used = 0;
    for (size_t i = 0; i < old.used; i++) {
        struct map_entry *e = &old.entries[i];
        if (!e->key)
            continue;
        m->entries[m->used] = *e;
        m->slots[find_slot(m, slice_make(e->key, e->key_len), e->hash)] = (uint32_t)++m->used;
    }
    free(old.entries);
    free(old.slots);
}

void *map_get(const struct map *m, struct slice key)
{
    if (m->cap == 0)
        return NULL;
    size_t at = find_slot(m, key, hash_of(key));
    return m->slots[at] ? m->entries[m->slots[at] - 1].value : NULL;
}

void *map_set(struct map *m, struct slice key, void *value)
{
    if (m->used == m->cap)
        grow(m);
    uint32_t hash = hash_of(key);
    size_t at = find_slot(m, key, hash);
    if (m->slots[at]) {
        struct map_entry *e = &m->entries[m->slots[at] - 1];
        void *before = e->value;
        e->value = value;
        return before;
    }
    m->entries[m->used] = (struct map_entry){xslicedup(key), key.len, hash, value};
    m->slots[at] = (uint32_t)++m->used;
    m->live++;
    return NULL;
}

void *map_remove(struct map *m, struct slice key)
{
    if (m->cap == 0)
        return NULL;
    size_t at = find_slot(m, key, hash_of(key));
    if (m->slots[at] == 0)
        return NULL;
    struct map_entry *e = &m->entries[m->slots[at] - 1];
    void *before = e->value;
    free(e->key);
    e->key = NULL; /* the slot stays taken until the table is made anew: others may lie behind it */
    e->value = NULL;
    m->live--;
    return before;
}

size_t map_count(const struct map *m)
{
    return m->live;
}

bool map_next(const struct map *m, size_t *at, struct slice *key, void **value)
{
    while (*at < m->used) {
        const struct map_entry *e = &m->entries[(*at)++];
        if (e->key) {
            *key = slice_make(e->key, e->key_len);
            *value = e->value;
            return true;
        }
    }
    return false;
}
