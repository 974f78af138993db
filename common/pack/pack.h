/* pack - quick compression of small bodies for the time they lie in Redis.   [edge: lz4]
 *
 * Costs 1.5 us for a KB of JSON (zlib's fastest level: 15 us) and saves a third or more of it:
 * memory, and bytes to the append-only file. What is relayed is unpacked again and byte for byte
 * what came.
 */
#ifndef COMMON_PACK_PACK_H
#define COMMON_PACK_PACK_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/slice.h"

#define PACK_MIN 256
#define PACK_MAX (64 * 1024)

struct packer; /* working memory; one per thread */
struct packer *packer_new(void);
void packer_free(struct packer *p); /* NULL is fine */

/* Appends PLAIN in LZ4's block format to OUT; false, and OUT unchanged, where it is not between
 * PACK_MIN and PACK_MAX bytes or less than an eighth would be saved. */
bool packer_pack(struct packer *p, struct slice plain, struct buf *out);
/* Appends what was packed, which must be PLAIN_LEN bytes. ERR_INVALID if it is not. */
enum err packer_unpack(struct slice packed, size_t plain_len, struct buf *out) MUST_CHECK;

#endif
