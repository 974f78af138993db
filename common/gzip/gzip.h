/* gzip - streaming inflate and deflate with ceilings.   [edge: zlib]
 *
 * Inflating is where a small request turns into much memory and time, so every stream has a ceiling
 * on bytes out and members; output is only final after gzip_inflate_end said OK.
 */
#ifndef COMMON_GZIP_GZIP_H
#define COMMON_GZIP_GZIP_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/slice.h"

#define GZIP_MEMBERS_MAX 16

/* S starts with the gzip magic 1f 8b. Two bytes are enough to tell. */
bool gzip_is(struct slice s);

struct gzip_inflate;
/* Takes the plain bytes, piece by piece (at most 16 KiB each). A result other than OK ends the
 * stream with that result. */
typedef enum err (*gzip_sink)(void *ctx, struct slice plain);

/* gzip format only (RFC 1952). MAX_OUT: ceiling of all plain bytes together. */
struct gzip_inflate *gzip_inflate_new(size_t max_out);
void gzip_inflate_free(struct gzip_inflate *g);
/* ERR_TOO_BIG past the ceiling, ERR_INVALID for bad data or too many members, or what SINK said. */
enum err gzip_inflate_feed(struct gzip_inflate *g, struct slice wire, gzip_sink sink, void *ctx,
                           struct error *e) MUST_CHECK;
/* The same, but stops when MOST plain bytes or a little more (a piece) came out, so that a few bytes that inflate
 * to many do not keep a loop from its other work. *WIRE is then what was not looked at. It is to be
 * called again as long as something is left there or gzip_inflate_is_full. */
enum err gzip_inflate_some(struct gzip_inflate *g, struct slice *wire, size_t most, gzip_sink sink,
                           void *ctx, struct error *e) MUST_CHECK;
/* Plain bytes wait inside although their input was taken. */
bool gzip_inflate_is_full(const struct gzip_inflate *g);
/* Plain bytes so far. */
size_t gzip_inflate_total(const struct gzip_inflate *g);
/* ERR_INVALID if the last member is not complete (zlib hands out all bytes of a stream whose
 * checksum is missing; only this tells). */
enum err gzip_inflate_end(struct gzip_inflate *g, struct error *e) MUST_CHECK;

/* Whole bodies at once, appended to OUT (whose ceiling limits the result). */
enum err gzip_inflate_all(struct slice wire, struct buf *out, struct error *e) MUST_CHECK;
enum err gzip_deflate_all(struct slice plain, struct buf *out) MUST_CHECK;

#endif
