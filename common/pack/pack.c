#include "common/pack/pack.h"

#include "common/base/alloc.h"

#include <lz4.h>
#include <stdlib.h>

struct packer {
    LZ4_stream_t *stream; /* LZ4's hash table */
};

struct packer *packer_new(void)
{
    struct packer *p = NEW(struct packer);
    p->stream = xcalloc(1, sizeof *p->stream);
    (void)LZ4_initStream(p->stream, sizeof *p->stream);
    return p;
}

void packer_free(struct packer *p)
{
    if (!p)
        return;
    free(p->stream);
    free(p);
}

/* One block of its own, as LZ4_compress_fast_extState would make it. LZ4_compress_fast_extState clears its table of 16 KiB
 * for each block. Here the entries of earlier blocks stay, and count as too old. */
static int pack_block(struct packer *p, struct slice plain, char *to, size_t room)
{
    LZ4_resetStream_fast(p->stream);
    int packed = LZ4_compress_fast_continue(p->stream, plain.ptr, to, (int)plain.len, (int)room, 1);
    if (packed <= 0)
        (void)LZ4_initStream(p->stream, sizeof *p->stream); /* a failure leaves it undefined */
    return packed;
}

bool packer_pack(struct packer *p, struct slice plain, struct buf *out)
{
    if (plain.len < PACK_MIN || plain.len > PACK_MAX)
        return false;
    size_t room = plain.len - plain.len / 8;
    if (out->failed || room > out->max - out->len)
        return false;
    char *to = buf_reserve(out, room);
    int packed = pack_block(p, plain, to, room);
    if (packed <= 0)
        return false;
    buf_wrote(out, (size_t)packed);
    return true;
}

enum err packer_unpack(struct slice packed, size_t plain_len, struct buf *out)
{
    if (packed.len > PACK_MAX || plain_len > PACK_MAX)
        return ERR_INVALID;
    char *to = buf_reserve(out, plain_len);
    if (!to)
        return ERR_TOO_BIG;
    int plain = LZ4_decompress_safe(packed.ptr, to, (int)packed.len, (int)plain_len);
    if (plain < 0 || (size_t)plain != plain_len)
        return ERR_INVALID;
    buf_wrote(out, plain_len);
    return OK;
}
