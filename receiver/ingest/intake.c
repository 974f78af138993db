#include "receiver/ingest/intake.h"

#include "common/base/alloc.h"
#include "common/base/text.h"
#include "common/config/config.h"
#include "common/crypto/crypto.h"
#include "common/gzip/gzip.h"
#include "common/json/json_scan.h"

#include <assert.h>
#include <stdlib.h>

#define BOMB_BYTES ((size_t)8 << 20) /* JSON that is repetitive reaches 50:1; a bomb can 1000:1 */
#define BOMB_RATIO 100
#define POOL_MAX 64 /* scanners kept; more bodies than that are rarely in transit at once */

struct intake_pool {
    struct json_scan *scans[POOL_MAX];
    size_t count;
};

struct intake_pool *intake_pool_new(void)
{
    return NEW(struct intake_pool);
}

void intake_pool_free(struct intake_pool *p)
{
    if (!p)
        return;
    while (p->count)
        json_scan_free(p->scans[--p->count]);
    free(p);
}

static struct json_scan *take_scan(struct intake_pool *p, const struct json_picks *picks)
{
    if (p->count == 0)
        return json_scan_new(picks);
    struct json_scan *s = p->scans[--p->count];
    json_scan_reset(s, picks);
    return s;
}

static void give_scan(struct intake_pool *p, struct json_scan *s)
{
    if (s && p->count < POOL_MAX)
        p->scans[p->count++] = s;
    else
        json_scan_free(s);
}

void intake_begin(struct intake *in, struct intake_pool *pool, const struct intake_setup *setup)
{
    in->pool = pool;
    in->source = setup->source;
    in->verify = setup->verify;
    in->scan = NULL;
    in->inflate = NULL;
    in->digest = sha256_start();
    in->seen = 0;
    in->inflated_max = setup->inflated_max;
    in->says_gzip = setup->encoding == BODY_GZIP;
    in->is_judged = in->is_whole = false;
    in->signature = SCHEME_OK;
    in->defect = ANSWER_OK;
    in->detail.text[0] = 0;
    in->wire.max = setup->wire_max;
    if (setup->is_json)
        in->scan = take_scan(pool, setup->source->picks);
}

static void note(struct intake *in, enum answer defect, const char *what)
{
    in->defect = defect;
    if (what)
        fail(&in->detail, OK, "%s", what);
}

/* Bytes in the form that is signed. They also are what tells repeats apart: whoever packs a signed body anew
 * has no other event. */
static void take_signed(struct intake *in, struct slice bytes)
{
    sha256_add(in->digest, bytes);
    verify_body(in->verify, bytes);
}

/* Bytes in the form that is checked. */
static enum err take_plain(void *ctx, struct slice plain)
{
    struct intake *in = ctx;
    if (!in->source->signed_over_wire)
        take_signed(in, plain);
    /* A defect does not end the reading: the signature is judged first. */
    if (in->scan && in->defect == ANSWER_OK && json_scan_feed(in->scan, plain, &in->detail) != OK)
        note(in, ANSWER_INVALID_JSON, NULL);
    return OK;
}

/* With the first two bytes, or at the end of a shorter body: is it gzip? Some send it without
 * saying. */
static void look_at_start(struct intake *in)
{
    in->is_judged = true;
    if (gzip_is(buf_slice(&in->wire)))
        in->inflate = gzip_inflate_new(in->inflated_max);
    else if (in->says_gzip)
        note(in, ANSWER_INVALID_GZIP, "the Content-Encoding is gzip, the body is not");
}

bool intake_is_behind(const struct intake *in)
{
    if (!in->inflate || in->defect == ANSWER_INVALID_GZIP)
        return false;
    if (in->source->signed_over_wire && !in->is_whole)
        return false; /* its turn comes with the signature */
    return in->seen < in->wire.len || gzip_inflate_is_full(in->inflate);
}

enum answer intake_catch_up(struct intake *in)
{
    if (!intake_is_behind(in))
        return ANSWER_OK;
    struct slice rest = slice_skip(buf_slice(&in->wire), in->seen);
    enum err rc = gzip_inflate_some(in->inflate, &rest, INTAKE_SLICE, take_plain, in, &in->detail);
    in->seen = in->wire.len - rest.len;
    if (rc == ERR_TOO_BIG)
        return ANSWER_INFLATED_TOO_LARGE;
    if (rc != OK)
        note(in, ANSWER_INVALID_GZIP, NULL);
    return ANSWER_OK;
}

bool intake_is_bomb(const struct intake *in)
{
    size_t plain = in->inflate ? gzip_inflate_total(in->inflate) : 0;
    return plain > BOMB_BYTES && plain / BOMB_RATIO > in->seen;
}

enum answer intake_feed(struct intake *in, struct slice piece)
{
    bool was_behind = intake_is_behind(in);
    size_t before = in->is_judged ? in->wire.len : 0;
    buf_add_slice(&in->wire, piece);
    if (in->wire.failed)
        return ANSWER_BODY_TOO_LARGE;
    if (in->source->signed_over_wire)
        take_signed(in, piece);
    if (!in->is_judged) {
        if (in->wire.len < 2 && !in->is_whole)
            return ANSWER_OK;
        look_at_start(in);
    }
    if (!in->inflate)
        (void)!take_plain(in, slice_skip(buf_slice(&in->wire), before));
    return was_behind ? ANSWER_OK : intake_catch_up(in);
}

enum answer intake_whole(struct intake *in)
{
    in->is_whole = true;
    if (!in->is_judged)
        (void)!intake_feed(in, SLICE_LIT("")); /* less than two bytes: plain */
    if (!in->source->signed_over_wire)
        return ANSWER_OK;
    in->signature = verify_end(in->verify, false);
    in->verify = NULL;
    return judge_signature(in->signature);
}

enum answer intake_end(struct intake *in, char digest[RECORD_DIGEST_LEN])
{
    assert(in->is_whole && !intake_is_behind(in));
    if (in->inflate && in->defect != ANSWER_INVALID_GZIP &&
        gzip_inflate_end(in->inflate, &in->detail) != OK)
        note(in, ANSWER_INVALID_GZIP, NULL);
    if (in->scan && in->defect == ANSWER_OK && json_scan_end(in->scan, &in->detail) != OK)
        note(in, ANSWER_INVALID_JSON, NULL);
    unsigned char sum[32];
    sha256_end(in->digest, sum);
    in->digest = NULL;
    text_hex(sum, RECORD_DIGEST_LEN / 2, digest);
    if (in->verify)
        in->signature = verify_end(in->verify, false);
    in->verify = NULL;
    struct findings f = {
        .signature = in->signature,
        .is_unsigned_text = in->inflate && in->defect == ANSWER_INVALID_GZIP &&
                            !in->source->signed_over_wire && scheme_covers_body(in->source->verify),
        .defect = in->defect,
    };
    return judge_body(&f);
}

void intake_clear(struct intake *in, size_t keep)
{
    if (in->verify)
        (void)!verify_end(in->verify, true);
    in->verify = NULL;
    sha256_end(in->digest, NULL);
    in->digest = NULL;
    gzip_inflate_free(in->inflate);
    in->inflate = NULL;
    if (in->pool)
        give_scan(in->pool, in->scan);
    in->scan = NULL;
    if (in->wire.cap > keep)
        buf_clear(&in->wire);
    else
        buf_reset(&in->wire);
}
