/* map - text keys to pointers, a hash table.   [pure]
 *
 * The map copies keys. It borrows values: their owner is elsewhere. A look-up takes constant time, also if somebody
 * outside chooses the keys, because the hash has a random key (common/base/hash.h). A walk visits the entries in the
 * order of their insertion.
 */
#ifndef COMMON_BASE_MAP_H
#define COMMON_BASE_MAP_H

#include "common/base/slice.h"

#include <stdint.h>

struct map_entry {
    char *key; /* NULL: removed */
    size_t key_len;
    uint32_t hash;
    void *value;
};

struct map { /* Owned by whoever holds it; map_clear frees keys and tables, not the values. */
    struct map_entry *entries; /* in order of insertion, with holes where removed */
    uint32_t *slots;           /* index into entries + 1; 0 is free */
    size_t used, cap, live;
};

void map_init(struct map *m);
void map_clear(struct map *m);
/* The value of KEY, or NULL. */
void *map_get(const struct map *m, struct slice key);
/* Sets KEY to VALUE (not NULL); returns the value that was there before, or NULL. */
void *map_set(struct map *m, struct slice key, void *value);
/* Removes KEY; returns its value, or NULL. */
void *map_remove(struct map *m, struct slice key);
size_t map_count(const struct map *m);
/* Walks the entries: start with *AT = 0; returns false at the end. Removing the entry just
 * returned is allowed; inserting during a walk is not. */
bool map_next(const struct map *m, size_t *at, struct slice *key, void **value);

#endif
