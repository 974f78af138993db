#include "common/gzip/gzip.h"

#include "common/base/alloc.h"

#include <assert.h>
#include <stdlib.h>
#include <zlib.h>

#define PIECE (16 * 1024)
#define GZIP_WINDOW (15 + 16) /* gzip wrapper only; 32 more would also take zlib's */
#define GZIP_LEVEL 6

bool gzip_is(struct slice s)
{
    return s.len >= 2 && (unsigned char)s.ptr[0] == 0x1f && (unsigned char)s.ptr[1] == 0x8b;
}

/* zlib wants a pointer without const, but does not write there. */
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
    bool full; /* the last piece was full: inflate may have more bytes */
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

/* Calls inflate once. At most one piece comes out. */
static enum err inflate_piece(struct gzip_inflate *g, gzip_sink sink, void *ctx, struct error *e)
{
    g->z.next_out = (Bytef *)g->piece;
    g->z.avail_out = PIECE;
    int rc = inflate(&g->z, Z_NO_FLUSH);
    if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
        return fail(e, ERR_INVALID, "bad gzip data");
    size_t n = PIECE - g->z.avail_out;
    g->full = n == PIECE;
    if (n > g->max_out - g->out)
        return fail(e, ERR_TOO_BIG, "more than %zu bytes when inflated", g->max_out);
    g->out += n;
    if (rc == Z_STREAM_END)
        g->in_member = false;
    return n ? sink(ctx, slice_make(g->piece, n)) : OK;
}

enum err gzip_inflate_some(struct gzip_inflate *g, struct slice *wire, size_t most, gzip_sink sink,
                           void *ctx, struct error *e)
{
    size_t before = g->out;
    assert(wire->len <= UINT32_MAX);
    g->z.next_in = input(*wire);
    g->z.avail_in = (uInt)wire->len;
    enum err rc = OK;
    while (rc == OK && g->out - before < most && (g->z.avail_in > 0 || gzip_inflate_is_full(g))) {
        if (!g->in_member)
            rc = begin_member(g, e);
        if (rc == OK)
            rc = inflate_piece(g, sink, ctx, e);
    }
    *wire = slice_skip(*wire, wire->len - g->z.avail_in);
    return rc;
}

bool gzip_inflate_is_full(const struct gzip_inflate *g)
{
    return g->full && g->in_member;
}

size_t gzip_inflate_total(const struct gzip_inflate *g)
{
    return g->out;
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
    enum err rc = gzip_inflate_some(g, &wire, SIZE_MAX, append, out, e);
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
