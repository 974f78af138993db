#include "common/base/hash.h"

#include <endian.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#define COMPRESS_ROUNDS 1 /* for each 8 bytes */
#define FINISH_ROUNDS 3

struct state {
    uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static void rounds(struct state *s, int n)
{
    for (; n > 0; n--) {
        s->v0 += s->v1;
        s->v2 += s->v3;
        s->v1 = rotate(s->v1, 13) ^ s->v0;
        s->v3 = rotate(s->v3, 16) ^ s->v2;
        s->v0 = rotate(s->v0, 32) + s->v3;
        s->v2 += s->v1;
        s->v3 = rotate(s->v3, 21) ^ s->v0;
        s->v1 = rotate(s->v1, 17) ^ s->v2;
        s->v2 = rotate(s->v2, 32);
    }
}

static void compress(struct state *s, uint64_t word)
{
    s->v3 ^= word;
    rounds(s, COMPRESS_ROUNDS);
    s->v0 ^= word;
}

/* SipHash reads words with the lowest byte first, on all machines. */
static uint64_t read_word(const char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return le64toh(word);
}

static uint64_t read_rest(struct slice s)
{
    uint64_t word = 0;
    while (s.len)
        word = word << 8 | (unsigned char)s.ptr[--s.len];
    return word;
}

uint64_t hash_keyed(const struct hash_key *key, struct slice s)
{
    uint64_t k0 = key->k[0], k1 = key->k[1];
    struct state st = {k0 ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d),
                       k0 ^ UINT64_C(0x6c7967656e657261), k1 ^ UINT64_C(0x7465646279746573)};
    size_t whole = s.len & ~(size_t)7;
    for (size_t i = 0; i < whole; i += 8)
        compress(&st, read_word(s.ptr + i));
    compress(&st, (uint64_t)s.len << 56 | read_rest(slice_skip(s, whole)));
    st.v2 ^= 0xff;
    rounds(&st, FINISH_ROUNDS);
    return st.v0 ^ st.v1 ^ st.v2 ^ st.v3;
}

static struct hash_key process_key; /* written once, by make_key */

static void make_key(void)
{
    if (getentropy(&process_key, sizeof process_key) != 0) {
        fputs("{\"level\":\"error\",\"msg\":\"no random numbers\"}\n", stderr);
        abort();
    }
}

const struct hash_key *hash_process_key(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_key);
    return &process_key;
}

uint16_t crc16(struct slice s)
{
    unsigned crc = 0;
    for (size_t i = 0; i < s.len; i++) {
        crc ^= (unsigned)(unsigned char)s.ptr[i] << 8;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc & 0x8000) ? (crc << 1 ^ 0x1021) & 0xffff : crc << 1 & 0xffff;
    }
    return (uint16_t)crc;
}
