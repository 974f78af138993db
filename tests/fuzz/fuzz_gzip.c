/* gzip as it streams in: the same however it is cut, never past its ceilings, and what zlib itself
 * makes of the bytes. Then there and back for gzip and for the packing of small bodies. */
#include "common/gzip/gzip.h"
#include "common/pack/pack.h"
#include "tests/fuzz/fuzz.h"

#include <zlib.h>

#define CEILING ((size_t)128 * 1024)

static enum err take(void *ctx, struct slice plain)
{
    INSIST(plain.len > 0 && plain.len <= 16 * 1024);
    buf_add_slice(ctx, plain);
    return OK;
}

static enum err inflate_in_pieces(struct slice wire, uint32_t seed, size_t max, struct buf *out)
{
    struct fuzz_cuts cuts = {seed};
    struct error e;
    struct gzip_inflate *g = gzip_inflate_new(max);
    enum err rc = OK;
    buf_reset(out);
    while (wire.len && rc == OK) {
        struct slice piece = fuzz_piece(&cuts, &wire);
        rc = gzip_inflate_some(g, &piece, SIZE_MAX, take, out, &e);
        INSIST(rc != OK || piece.len == 0);
    }
    if (rc == OK)
        rc = gzip_inflate_end(g, &e);
    gzip_inflate_free(g);
    INSIST(out->len <= max && !out->failed);
    return rc;
}

/* Every member in one call of zlib. False where it is not gzip from end to end. */
static bool by_zlib(struct slice wire, unsigned char *out, size_t *len, unsigned *members)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)wire.ptr, .avail_in = (uInt)wire.len};
    int rc = Z_STREAM_END;
    INSIST(inflateInit2(&z, 31) == Z_OK);
    z.next_out = out;
    z.avail_out = (uInt)CEILING;
    for (*members = 0; rc == Z_STREAM_END && z.avail_in; ++*members) {
        inflateReset(&z);
        rc = inflate(&z, Z_FINISH);
    }
    *len = CEILING - z.avail_out;
    inflateEnd(&z);
    return rc == Z_STREAM_END && *members;
}

static void against_zlib(struct slice wire, struct buf *out)
{
    static unsigned char want[CEILING];
    size_t len = 0;
    unsigned members = 0;
    enum err rc = inflate_in_pieces(wire, 0, CEILING, out);
    bool legal = by_zlib(wire, want, &len, &members);
    if (rc == OK) {
        INSIST(legal && len == out->len && (!len || memcmp(want, out->ptr, len) == 0));
        INSIST(gzip_is(wire));
    } else if (rc == ERR_INVALID) {
        INSIST(!legal || members > GZIP_MEMBERS_MAX);
    }
}

static void same_in_pieces(struct slice wire, struct buf *a, struct buf *b)
{
    static const size_t ceilings[] = {0, 1, 1000, 16 * 1024, CEILING};
    for (size_t i = 0; i < sizeof ceilings / sizeof *ceilings; i++) {
        enum err rc = inflate_in_pieces(wire, 0, ceilings[i], a);
        enum err cut = inflate_in_pieces(wire, (uint32_t)(wire.len + i + 1), ceilings[i], b);
        /* too big and damaged: which of the two is met first may depend on the pieces */
        INSIST((rc == OK) == (cut == OK));
        if (rc == OK)
            INSIST(slice_eq(buf_slice(a), buf_slice(b)));
    }
}

static void there_and_back(struct slice plain, struct buf *a, struct buf *b)
{
    buf_reset(a);
    buf_reset(b);
    INSIST(gzip_deflate_all(plain, a) == OK);
    INSIST(gzip_inflate_all(buf_slice(a), b, NULL) == OK && slice_eq(buf_slice(b), plain));
    if (plain.len) { /* one byte less of room is too little */
        struct buf tight;
        buf_init(&tight, plain.len - 1);
        INSIST(gzip_inflate_all(buf_slice(a), &tight, NULL) == ERR_TOO_BIG);
        buf_clear(&tight);
    }
}

static void packing(struct slice s, struct buf *a, struct buf *b)
{
    static struct packer *packer;
    if (!packer)
        packer = packer_new();
    buf_reset(a);
    buf_reset(b);
    buf_add_str(a, "head");
    if (packer_pack(packer, s, a)) {
        struct slice packed = slice_skip(buf_slice(a), 4);
        INSIST(s.len >= PACK_MIN && s.len <= PACK_MAX && packed.len < s.len);
        INSIST(packer_unpack(packed, s.len, b) == OK && slice_eq(buf_slice(b), s));
        buf_reset(b);
        INSIST(packer_unpack(packed, s.len - 1, b) != OK);
        buf_reset(b);
        INSIST(packer_unpack(packed, s.len + 1, b) != OK);
    } else {
        INSIST(a->len == 4);
    }
    size_t claimed = fuzz_byte(&s) * 37u; /* and damage */
    buf_reset(b);
    if (packer_unpack(s, claimed, b) == OK)
        INSIST(b->len == claimed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice wire = slice_make(data, size);
    struct buf a, b;
    buf_init(&a, 4 * CEILING);
    buf_init(&b, 4 * CEILING);
    against_zlib(wire, &a);
    same_in_pieces(wire, &a, &b);
    there_and_back(wire, &a, &b);
    packing(wire, &a, &b);
    buf_clear(&a);
    buf_clear(&b);
    return 0;
}
