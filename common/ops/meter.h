/* meter - counts what somebody did lately, for many at once, in tables of a fixed size.   [pure]
 *
 * An entry is one moment: all that was counted is forgotten then. Each count moves the moment on by some time, EACH. Somebody is
 * within a limit of COUNT at once, and then one each EACH, while the moment is at most (COUNT - 1) * EACH ahead.
 *
 * A table has SETS sets of METER_WAYS entries. A new entry replaces the entry of its set that would be forgotten first. The hashes
 * are keyed, so that nobody can choose names and addresses that share a set.
 */
#ifndef COMMON_OPS_METER_H
#define COMMON_OPS_METER_H

#include "common/base/clock.h"
#include "common/base/hash.h"
#include "common/base/slice.h"
#include "common/net/addr.h"

#include <stddef.h>
#include <stdint.h>

#define METER_WAYS 4

struct meter_entry { /* all zero: the entry is free */
    uint64_t who;
    mono_us free_at;
};

/* A hash of PEER's network (an IPv4 address, or a /64 of IPv6). With NAME it is a hash of both. NULL is no name, which is not the
 * same as an empty one. */
uint64_t meter_hash(const struct hash_key *key, const struct addr *peer, const struct slice *name);
/* When all that WHO did is forgotten; in the past if WHO did nothing lately. */
mono_us meter_free_at(struct meter_entry *table, size_t sets, uint64_t who);
/* Counts one thing that WHO did. */
void meter_count(struct meter_entry *table, size_t sets, uint64_t who, mono_us now, mono_us each);

#endif
