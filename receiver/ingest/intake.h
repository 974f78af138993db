/* intake - one body as it streams in: kept as received, inflated, its signature computed, its JSON
 * checked. Inflated bytes are looked at and dropped.   [on common/gzip, common/json,
 * common/webhook]
 */
#ifndef RECEIVER_INTAKE_H
#define RECEIVER_INTAKE_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/queue/record.h"
#include "receiver/ingest/judge.h"

struct gzip_inflate;
struct intake_pool;
struct json_scan;
struct sha256;
struct source;
struct verify;

/* What a body in transit holds beyond its bytes: scan, contexts; and more where it is gzip. */
#define INTAKE_BYTES (16 * 1024)
#define INTAKE_GZIP_BYTES (64 * 1024)
/* Plain bytes that one call inflates at most: 0.6 ms of the costliest JSON (100 MB/s here). */
#define INTAKE_SLICE (64 * 1024)

/* Scanners kept for reuse; one per thread. */
struct intake_pool *intake_pool_new(void);
void intake_pool_free(struct intake_pool *p);

struct intake { /* Part of its request. Between intake_begin and intake_clear it owns what it points
                   at. */
    struct intake_pool *pool;
    const struct source *source; /* borrowed */
    struct verify *verify;       /* NULL after its verdict */
    struct json_scan *scan;      /* NULL where the payload may be anything */
    struct gzip_inflate *inflate;
    struct sha256 *digest;
    struct buf wire; /* as received */
    size_t seen;     /* bytes of it that were inflated */
    size_t inflated_max;
    bool says_gzip, is_judged; /* first bytes were looked at */
    bool is_whole;             /* all bytes have come */
    enum scheme_verdict signature;
    enum answer defect;
    struct error detail; /* what is wrong, for the answer's message */
};

struct intake_setup {
    const struct source *source;
    struct verify *verify; /* taken */
    enum body_encoding encoding;
    bool is_json;
    size_t wire_max, inflated_max;
};

/* IN is zero, or was cleared: its buffer is used again. */
void intake_begin(struct intake *in, struct intake_pool *pool, const struct intake_setup *setup);
/* The next bytes of the body. ANSWER_OK, or the hard limit that was passed (answer at once). Defects
 * come out at the end. */
enum answer intake_feed(struct intake *in, struct slice piece) MUST_CHECK;
/* No more comes. A signature over the wire is judged here, before anything is inflated for whoever
 * cannot sign: ANSWER_OK, or its 401. */
enum answer intake_whole(struct intake *in) MUST_CHECK;
/* Is there more to inflate of what has come? Each call looks at INTAKE_SLICE at most, so that a few
 * bytes that inflate to many hold up nobody else. */
bool intake_is_behind(const struct intake *in);
/* The next slice, if it is behind. As intake_feed. */
enum answer intake_catch_up(struct intake *in) MUST_CHECK;
/* Much came out of few bytes, as of a bomb and hardly of anything else. */
bool intake_is_bomb(const struct intake *in);
/* The body was whole, and nothing is behind: what it is worth. After ANSWER_OK, in->scan has the
 * picks, and DIGEST is filled. */
enum answer intake_end(struct intake *in, char digest[RECORD_DIGEST_LEN]) MUST_CHECK;
/* Lets everything go; a buffer of at most KEEP bytes stays for the next body. */
void intake_clear(struct intake *in, size_t keep);

#endif
