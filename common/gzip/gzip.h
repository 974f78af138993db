/* gzip - inflates and deflates bodies, within limits.   [edge: zlib]
 *
 * A few bytes can inflate to gigabytes. Therefore each stream has a limit on the bytes that come out and on the number
 * of its members. The plain bytes are valid only after gzip_inflate_end has returned OK.
 */
#ifndef COMMON_GZIP_GZIP_H
#define COMMON_GZIP_GZIP_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/slice.h"

#define GZIP_MEMBERS_MAX 16

/* True if S starts with the two bytes of gzip, 1f 8b. */
bool gzip_is(struct slice s);

struct gzip_inflate;
/* Takes plain bytes, at most 16 KiB a call. A result other than OK ends the stream with that result. */
typedef enum err (*gzip_sink)(void *ctx, struct slice plain);

/* A stream in gzip format (RFC 1952) that may inflate to MAX_OUT bytes. Free it with gzip_inflate_free. */
struct gzip_inflate *gzip_inflate_new(size_t max_out);
void gzip_inflate_free(struct gzip_inflate *g);
/* Inflates *WIRE and takes what was read off it. Stops after about MOST plain bytes, so that a small input does not keep
 * a loop from its other work. Call it again while *WIRE has bytes or gzip_inflate_is_full.
 * ERR_TOO_BIG past MAX_OUT, ERR_INVALID for bad data or too many members, or the result of SINK. */
enum err gzip_inflate_some(struct gzip_inflate *g, struct slice *wire, size_t most, gzip_sink sink,
                           void *ctx, struct error *e) MUST_CHECK;
/* True if more plain bytes may come although all input was taken. */
bool gzip_inflate_is_full(const struct gzip_inflate *g);
/* Plain bytes so far. */
size_t gzip_inflate_total(const struct gzip_inflate *g);
/* ERR_INVALID if the last member is not complete. Only this call detects it: zlib hands out all bytes of a stream whose
 * checksum is missing. */
enum err gzip_inflate_end(struct gzip_inflate *g, struct error *e) MUST_CHECK;

/* Inflates or deflates a whole body and appends it to OUT, whose limit holds for the result. */
enum err gzip_inflate_all(struct slice wire, struct buf *out, struct error *e) MUST_CHECK;
enum err gzip_deflate_all(struct slice plain, struct buf *out) MUST_CHECK;

#endif
