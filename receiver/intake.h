/* intake - one body as it streams in: kept as received, inflated, its signature computed, its JSON
 * checked. Inflated bytes are looked at and dropped.   [on common/gzip, common/json,
 * common/webhook]
 */
#ifndef RECEIVER_INTAKE_H
#define RECEIVER_INTAKE_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/queue/record.h"
#include "receiver/judge.h"

struct gzip_inflate;
struct intake_pool;
struct json_scan;
struct sha256;
struct source;
struct verify;

/* What a body in transit holds beyond its bytes: scan, contexts; and more where it is gzip. */
#define INTAKE_BYTES (16 * 1024)

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
    size_t seen;     /* bytes of it that were looked at */
    size_t inflated_max;
    bool says_gzip, is_judged; /* first bytes were looked at */
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
/* ANSWER_OK, or the hard limit that was passed (answer at once). Defects come out at the end. */
enum answer intake_feed(struct intake *in, struct slice piece) MUST_CHECK;
/* The body is complete: what it is worth. After ANSWER_OK, in->scan has the picks, and DIGEST is
 * filled. */
enum answer intake_end(struct intake *in, char digest[RECORD_DIGEST_LEN]) MUST_CHECK;
/* Lets everything go; a buffer of at most KEEP bytes stays for the next body. */
void intake_clear(struct intake *in, size_t keep);

#endif
