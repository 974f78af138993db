/* pack - compresses small bodies while they are stored in Redis.   [edge: lz4]
 *
 * Packing 1 KB of JSON takes 1.5 us (zlib's fastest level: 15 us) and saves a third of it or more, both in memory and in
 * the append-only file. Before a body is sent it is unpacked to exactly the bytes that came in.
 */
#ifndef COMMON_PACK_PACK_H
#define COMMON_PACK_PACK_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/slice.h"

#define PACK_MIN 256
/* A small packed body may be 250 times as large in the memory of a dispatcher, which has hundreds of bodies at a
 * time. */
#define PACK_MAX (256 * 1024)

struct packer; /* working memory; one per thread */
struct packer *packer_new(void);
void packer_free(struct packer *p); /* NULL is fine */

/* Appends PLAIN in LZ4's block format to OUT; false, and OUT unchanged, where it is not between
 * PACK_MIN and PACK_MAX bytes or less than an eighth would be saved. */
bool packer_pack(struct packer *p, struct slice plain, struct buf *out);
/* Appends the plain bytes of PACKED. ERR_INVALID if they are not PLAIN_LEN bytes. */
enum err packer_unpack(struct slice packed, size_t plain_len, struct buf *out) MUST_CHECK;

#endif
