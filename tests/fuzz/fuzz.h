/* fuzz - what the fuzz targets share: choices taken off the input, and insisting.
 *
 * A target defines LLVMFuzzerTestOneInput. Built with clang it is driven by libFuzzer, built with
 * any other compiler by replay.c, which runs it over tests/fuzz/corpus.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include "common/base/slice.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A property that must hold whatever the input. */
#define INSIST(property)                                                                           \
    do {                                                                                           \
        if (!(property)) {                                                                         \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #property);          \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* The next byte of *IN, 0 at its end. */
static inline unsigned fuzz_byte(struct slice *in)
{
    if (!in->len)
        return 0;
    unsigned byte = (unsigned char)in->ptr[0];
    *in = slice_skip(*in, 1);
    return byte;
}

/* Up to N bytes off *IN. */
static inline struct slice fuzz_bytes(struct slice *in, size_t n)
{
    struct slice head = slice_make(in->ptr, n < in->len ? n : in->len);
    *in = slice_skip(*in, head.len);
    return head;
}

/* The next line of *IN, without its end. Inputs that are made of lines stay readable and mutate
 * well: dictionaries and splices fit in anywhere. */
static inline struct slice fuzz_line(struct slice *in)
{
    return slice_cut(in, '\n');
}

/* How the pieces that something is fed in are cut: lengths drawn from a seed, so that the bytes
 * themselves stay whole in the input. */
struct fuzz_cuts {
    uint32_t seed; /* 0: everything in one piece */
};

static inline struct slice fuzz_piece(struct fuzz_cuts *c, struct slice *rest)
{
    if (!c->seed)
        return fuzz_bytes(rest, rest->len);
    c->seed = c->seed * 1664525 + 1013904223;
    unsigned kind = c->seed >> 30, n = (c->seed >> 16) & 0x3fff;
    static const unsigned most[] = {1, 4, 64, 1024};
    return fuzz_bytes(rest, 1 + n % most[kind]);
}

#endif
