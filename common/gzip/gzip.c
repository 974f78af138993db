#include "common/gzip/gzip.h"

#include "common/base/alloc.h"

#include <assert.h>
#include <stdlib.h>
#include <zlib.h>

#define PIECE (16 * 1024)
#define GZIP_WINDOW (15 + 16) /* gzip wrapper only; 32 more would also take zlib's */
#define GZIP_LEVEL 6

/* Packing: bodies that are smaller do not shrink enough, larger ones cost too much time on the hot
 * path. A 4 KiB window at memory level 4 and level 1 took 5.6 us per KB. */
#define PACK_MIN 256
#define PACK_MAX (64 * 1024)
#define PACK_LEVEL 1
#define PACK_WINDOW (-12)
#define PACK_MEMORY 4
#define UNPACK_WINDOW (-15) /* reads whatever window a record was packed with */

bool gzip_is(struct slice s)
{
    return s.len >= 2 && (unsigned char)s.ptr[0] == 0x1f && (unsigned char)s.ptr[1] == 0x8b;
}

/* zlib asks for const away, but does not write there. */
static Bytef *input(struct slice s)
{
    union {
        const char *from;
        Bytef *to;
    } u = {s.ptr};
    return u.to;
}

struct gzip_inflate {
    z_stream z;
    size_t max_out, out;
    unsigned members; /* begun */
    bool in_member;
    char piece[PIECE];
};

struct gzip_inflate *gzip_inflate_new(size_t max_out)
{
    struct gzip_inflate *g = xrealloc(NULL, 1, sizeof *g); /* not zeroed: the piece is large */
    memset(g, 0, offsetof(struct gzip_inflate, piece));
    g->max_out = max_out;
    int rc = inflateInit2(&g->z, GZIP_WINDOW);
    assert(rc == Z_OK);
    return g;
}

void gzip_inflate_free(struct gzip_inflate *g)
{
    if (!g)
        return;
    inflateEnd(&g->z);
    free(g);
}

static enum err begin_member(struct gzip_inflate *g, struct error *e)
{
    if (g->members == GZIP_MEMBERS_MAX)
        return fail(e, ERR_INVALID, "more than %d gzip members", GZIP_MEMBERS_MAX);
    if (g->members > 0 && inflateReset(&g->z) != Z_OK)
        return fail(e, ERR_INVALID, "gzip data cannot be read");
    g->members++;
    g->in_member = true;
    return OK;
}

/* One call of inflate: from what is left of the input, at most one piece out. */
static enum err inflate_piece(struct gzip_inflate *g, gzip_sink sink, void *ctx, bool *full,
                              struct error *e)
{
    g->z.next_out = (Bytef *)g->piece;
    g->z.avail_out = PIECE;
    int rc = inflate(&g->z, Z_NO_FLUSH);
    if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
        return fail(e, ERR_INVALID, "bad gzip data");
    size_t n = PIECE - g->z.avail_out;
    *full = n == PIECE;
    if (n > g->max_out - g->out)
        return fail(e, ERR_TOO_BIG, "more than %zu bytes when inflated", g->max_out);
    g->out += n;
    if (rc == Z_STREAM_END)
        g->in_member = false;
    return n ? sink(ctx, slice_make(g->piece, n)) : OK;
}

enum err gzip_inflate_feed(struct gzip_inflate *g, struct slice wire, gzip_sink sink, void *ctx,
                           struct error *e)
{
    assert(wire.len <= UINT32_MAX);
    g->z.next_in = input(wire);
    g->z.avail_in = (uInt)wire.len;
    bool full = false;
    /* A full piece may leave output in zlib although its input is used up. */
    while (g->z.avail_in > 0 || (full && g->in_member)) {
        enum err rc = OK;
        if (!g->in_member)
            rc = begin_member(g, e);
        if (rc == OK)
            rc = inflate_piece(g, sink, ctx, &full, e);
        if (rc != OK)
            return rc;
    }
    return OK;
}

enum err gzip_inflate_end(struct gzip_inflate *g, struct error *e)
{
    if (g->members == 0)
        return fail(e, ERR_INVALID, "no gzip data");
    if (g->in_member)
        return fail(e, ERR_INVALID, "gzip data ends in the middle");
    return OK;
}

static enum err append(void *ctx, struct slice plain)
{
    buf_add_slice(ctx, plain);
    return OK;
}

enum err gzip_inflate_all(struct slice wire, struct buf *out, struct error *e)
{
    struct gzip_inflate *g = gzip_inflate_new(out->max - out->len);
    enum err rc = gzip_inflate_feed(g, wire, append, out, e);
    if (rc == OK)
        rc = gzip_inflate_end(g, e);
    gzip_inflate_free(g);
    return rc;
}

enum err gzip_deflate_all(struct slice plain, struct buf *out)
{
    z_stream z = {0};
    if (plain.len > UINT32_MAX / 2)
        return ERR_TOO_BIG;
    if (deflateInit2(&z, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return ERR_INVALID;
    size_t bound = deflateBound(&z, plain.len), room = out->max - out->len;
    if (bound > room)
        bound = room;
    char *to = buf_reserve(out, bound);
    z.next_in = input(plain);
    z.avail_in = (uInt)plain.len;
    z.next_out = (Bytef *)to;
    z.avail_out = (uInt)bound;
    int rc = to ? deflate(&z, Z_FINISH) : Z_BUF_ERROR;
    if (rc == Z_STREAM_END)
        buf_wrote(out, bound - z.avail_out);
    deflateEnd(&z);
    return rc == Z_STREAM_END ? OK : ERR_TOO_BIG;
}

struct packer {
    z_stream deflate, inflate;
};

struct packer *packer_new(void)
{
    struct packer *p = NEW(struct packer);
    int rc = deflateInit2(&p->deflate, PACK_LEVEL, Z_DEFLATED, PACK_WINDOW, PACK_MEMORY,
                          Z_DEFAULT_STRATEGY);
    assert(rc == Z_OK);
    rc = inflateInit2(&p->inflate, UNPACK_WINDOW);
    assert(rc == Z_OK);
    return p;
}

void packer_free(struct packer *p)
{
    if (!p)
        return;
    deflateEnd(&p->deflate);
    inflateEnd(&p->inflate);
    free(p);
}

bool packer_pack(struct packer *p, struct slice plain, struct buf *out)
{
    if (plain.len < PACK_MIN || plain.len > PACK_MAX || gzip_is(plain))
        return false;
    size_t room = plain.len - plain.len / 8; /* at least an eighth is to be saved */
    if (out->failed || room > out->max - out->len)
        return false;
    char *to = buf_reserve(out, room);
    int rc = deflateReset(&p->deflate);
    assert(rc == Z_OK);
    p->deflate.next_in = input(plain);
    p->deflate.avail_in = (uInt)plain.len;
    p->deflate.next_out = (Bytef *)to;
    p->deflate.avail_out = (uInt)room;
    if (deflate(&p->deflate, Z_FINISH) != Z_STREAM_END)
        return false;
    buf_wrote(out, room - p->deflate.avail_out);
    return true;
}

enum err packer_unpack(struct packer *p, struct slice packed, size_t plain_len, struct buf *out)
{
    if (packed.len > PACK_MAX || plain_len > PACK_MAX)
        return ERR_INVALID;
    char *to = buf_reserve(out, plain_len);
    if (!to)
        return ERR_TOO_BIG;
    int rc = inflateReset(&p->inflate);
    assert(rc == Z_OK);
    p->inflate.next_in = input(packed);
    p->inflate.avail_in = (uInt)packed.len;
    p->inflate.next_out = (Bytef *)to;
    p->inflate.avail_out = (uInt)plain_len;
    if (inflate(&p->inflate, Z_FINISH) != Z_STREAM_END || p->inflate.avail_in > 0 ||
        p->inflate.avail_out > 0)
        return ERR_INVALID;
    buf_wrote(out, plain_len);
    return OK;
}
