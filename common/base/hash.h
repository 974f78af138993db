/* hash - a hash of bytes that nobody can predict without the key.   [edge: the system's random numbers]
 *
 * It places keys in tables (map, http_peers). With a fixed hash, somebody who chooses the keys could choose thousands
 * that share one place, and each look-up would then walk past all of them. SipHash-1-3 under a random key prevents
 * this: it was made for this use, and the hash tables of Rust, Ruby and Python use it. It is no message digest.
 */
#ifndef COMMON_BASE_HASH_H
#define COMMON_BASE_HASH_H

#include "common/base/slice.h"

#include <stdint.h>

struct hash_key { /* 16 random bytes */
    uint64_t k[2];
};

/* SipHash-1-3 of S. */
uint64_t hash_keyed(const struct hash_key *key, struct slice s);
/* The key of this process. The first call makes it; if the system has no random numbers, the process ends. Any thread
 * may call it. */
const struct hash_key *hash_process_key(void);

/* CRC16/XMODEM of S. Redis Cluster computes its slots with the same function. */
uint16_t crc16(struct slice s);

#endif
