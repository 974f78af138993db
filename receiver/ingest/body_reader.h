/* body_reader - reads one body as it streams in: keeps it as received, inflates it, computes its signature, checks its JSON or reads its form.
 * [on common/gzip, common/json, common/webhook]
 *
 * Inflated bytes are checked and dropped.
 */
#ifndef RECEIVER_BODY_READER_H
#define RECEIVER_BODY_READER_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/config/kinds.h"
#include "common/queue/record.h"
#include "receiver/ingest/judge.h"

struct gzip_inflate;
struct body_pool;
struct form_scan;
struct json_scan;
struct sha256;
struct source;
struct verify;

/* Memory that a body in transit takes beside its bytes (scan, contexts), and what a gzip body takes more. */
#define BODY_BYTES (16 * 1024)
#define BODY_GZIP_BYTES (64 * 1024)
/* One call inflates at most so many plain bytes: 0.6 ms of the costliest JSON (100 MB/s here). */
#define BODY_SLICE (64 * 1024)

/* Keeps scanners for reuse. One per thread. */
struct body_pool *body_pool_new(void);
void body_pool_free(struct body_pool *p);

struct
    body_reader { /* Part of its webhook. Between body_begin and body_clear it owns what it points at. */
    struct body_pool *pool;
    const struct source *source; /* borrowed */
    struct verify *verify;       /* NULL after its verdict */
    struct json_scan *scan;      /* of a JSON payload, else NULL */
    struct form_scan *form;      /* of a form with picks, else NULL */
    struct gzip_inflate *inflate;
    struct sha256 *digest;
    struct buf wire; /* as received */
    size_t seen;     /* bytes of it that were inflated */
    size_t inflated_max;
    bool says_gzip; /* Content-Encoding is gzip */
    bool has_begun; /* the first bytes have shown whether the body is gzip */
    bool is_whole;  /* all bytes have come */
    enum scheme_verdict signature;
    enum answer defect;
    struct error detail; /* the message for the answer */
};

struct body_setup {
    const struct source *source;
    struct verify *verify; /* taken */
    enum body_encoding encoding;
    enum payload_kind payload;
    size_t wire_max, inflated_max;
};

/* B is zero, or was cleared: then its buffer is used again. */
void body_begin(struct body_reader *b, struct body_pool *pool, const struct body_setup *setup);
/* Takes the next bytes of the body. Returns ANSWER_OK, or the hard limit that was passed: then answer at once. body_end
 * reports other defects. */
enum answer body_feed(struct body_reader *b, struct slice piece) MUST_CHECK;
/* The last byte has come. A signature over the wire is judged here, so that nothing is inflated for a sender who cannot sign.
 * Returns ANSWER_OK or the 401. */
enum answer body_whole(struct body_reader *b) MUST_CHECK;
/* True if bytes have come that are not inflated yet. Each call inflates BODY_SLICE at most, so that a few bytes that inflate
 * to many delay nothing else. */
bool body_is_behind(const struct body_reader *b);
/* Inflates the next slice, if B is behind. Returns what body_feed returns. */
enum answer body_catch_up(struct body_reader *b) MUST_CHECK;
/* True if so much came out of so few bytes that the body is most likely a gzip bomb. */
bool body_is_bomb(const struct body_reader *b);
/* Judges the whole body; B must not be behind. ANSWER_OK fills DIGEST, and b->scan or b->form has the picks. */
enum answer body_end(struct body_reader *b, char digest[RECORD_DIGEST_LEN]) MUST_CHECK;
/* Frees everything but a buffer of at most KEEP bytes, which stays for the next body. */
void body_clear(struct body_reader *b, size_t keep);

#endif
