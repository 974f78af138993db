#include "receiver/ingest/body_reader.h"

#include "common/base/alloc.h"
#include "common/base/text.h"
#include "common/config/config.h"
#include "common/crypto/crypto.h"
#include "common/gzip/gzip.h"
#include "common/json/form_scan.h"
#include "common/json/json_scan.h"

#include <assert.h>
#include <stdlib.h>

#define BOMB_BYTES ((size_t)8 << 20) /* repetitive JSON inflates 50:1, a bomb up to 1000:1 */
#define BOMB_RATIO 100
#define POOL_MAX 64 /* scanners kept; more bodies are rarely in transit at once */

struct body_pool {
    struct json_scan *scans[POOL_MAX];
    struct form_scan *forms[POOL_MAX];
    size_t count, form_count;
};

struct body_pool *body_pool_new(void)
{
    return NEW(struct body_pool);
}

void body_pool_free(struct body_pool *p)
{
    if (!p)
        return;
    while (p->count)
        json_scan_free(p->scans[--p->count]);
    while (p->form_count)
        form_scan_free(p->forms[--p->form_count]);
    free(p);
}

static struct json_scan *pool_take_scan(struct body_pool *p, const struct json_picks *picks)
{
    if (p->count == 0)
        return json_scan_new(picks);
    struct json_scan *s = p->scans[--p->count];
    json_scan_reset(s, picks);
    return s;
}

static void pool_give_scan(struct body_pool *p, struct json_scan *s)
{
    if (s && p->count < POOL_MAX)
        p->scans[p->count++] = s;
    else
        json_scan_free(s);
}

static struct form_scan *pool_take_form(struct body_pool *p, const struct form_picks *picks)
{
    if (p->form_count == 0)
        return form_scan_new(picks);
    struct form_scan *s = p->forms[--p->form_count];
    form_scan_reset(s, picks);
    return s;
}

static void pool_give_form(struct body_pool *p, struct form_scan *s)
{
    if (s && p && p->form_count < POOL_MAX)
        p->forms[p->form_count++] = s;
    else
        form_scan_free(s);
}

void body_begin(struct body_reader *b, struct body_pool *pool, const struct body_setup *setup)
{
    b->pool = pool;
    b->source = setup->source;
    b->verify = setup->verify;
    b->scan = NULL;
    b->form = NULL;
    b->inflate = NULL;
    b->digest = sha256_start();
    b->seen = 0;
    b->inflated_max = setup->inflated_max;
    b->says_gzip = setup->encoding == BODY_GZIP;
    b->has_begun = b->is_whole = false;
    b->signature = SCHEME_OK;
    b->defect = ANSWER_OK;
    b->detail.text[0] = 0;
    b->wire.max = setup->wire_max;
    if (setup->payload == PAYLOAD_JSON)
        b->scan = pool_take_scan(pool, setup->source->json_picks);
    else if (setup->payload == PAYLOAD_FORM && setup->source->form_picks)
        b->form = pool_take_form(pool, setup->source->form_picks);
}

static void note_defect(struct body_reader *b, enum answer defect, const char *what)
{
    b->defect = defect;
    if (what)
        fail(&b->detail, OK, "%s", what);
}

/* Takes BYTES in the form that is signed. The digest is computed over them too: a signed body that is compressed anew is the
 * same event. */
static void take_signed(struct body_reader *b, struct slice bytes)
{
    sha256_add(b->digest, bytes);
    verify_body(b->verify, bytes);
}

/* Takes bytes in the form that is checked. A defect does not end the reading: the signature is judged first. */
static void check_plain(struct body_reader *b, struct slice plain)
{
    if (!b->source->signed_over_wire)
        take_signed(b, plain);
    if (b->scan && b->defect == ANSWER_OK && json_scan_feed(b->scan, plain, &b->detail) != OK)
        note_defect(b, ANSWER_INVALID_JSON, NULL);
    if (b->form)
        form_scan_feed(b->form, plain);
}

static enum err take_plain(void *ctx, struct slice plain)
{
    check_plain(ctx, plain);
    return OK;
}

/* Finds out whether the body is gzip: some senders send gzip without saying so. Called with the first two bytes, or at the end
 * of a shorter body. */
static void detect_gzip(struct body_reader *b)
{
    b->has_begun = true;
    if (gzip_is(buf_slice(&b->wire)))
        b->inflate = gzip_inflate_new(b->inflated_max);
    else if (b->says_gzip)
        note_defect(b, ANSWER_INVALID_GZIP, "the Content-Encoding is gzip, the body is not");
}

bool body_is_behind(const struct body_reader *b)
{
    if (!b->inflate || b->defect == ANSWER_INVALID_GZIP)
        return false;
    if (b->source->signed_over_wire && !b->is_whole)
        return false; /* body_whole judges the signature first */
    return b->seen < b->wire.len || gzip_inflate_is_full(b->inflate);
}

enum answer body_catch_up(struct body_reader *b)
{
    if (!body_is_behind(b))
        return ANSWER_OK;
    struct slice rest = slice_skip(buf_slice(&b->wire), b->seen);
    enum err rc = gzip_inflate_some(b->inflate, &rest, BODY_SLICE, take_plain, b, &b->detail);
    b->seen = b->wire.len - rest.len;
    if (rc == ERR_TOO_BIG)
        return ANSWER_INFLATED_TOO_LARGE;
    if (rc != OK)
        note_defect(b, ANSWER_INVALID_GZIP, NULL);
    return ANSWER_OK;
}

bool body_is_bomb(const struct body_reader *b)
{
    size_t plain = b->inflate ? gzip_inflate_total(b->inflate) : 0;
    return plain > BOMB_BYTES && plain / BOMB_RATIO > b->seen;
}

enum answer body_feed(struct body_reader *b, struct slice piece)
{
    bool was_behind = body_is_behind(b);
    size_t before = b->has_begun ? b->wire.len : 0;
    buf_add_slice(&b->wire, piece);
    if (b->wire.failed)
        return ANSWER_BODY_TOO_LARGE;
    if (b->source->signed_over_wire)
        take_signed(b, piece);
    if (!b->has_begun) {
        if (b->wire.len < 2)
            return ANSWER_OK;
        detect_gzip(b);
    }
    if (!b->inflate)
        check_plain(b, slice_skip(buf_slice(&b->wire), before));
    return was_behind ? ANSWER_OK : body_catch_up(b);
}

enum answer body_whole(struct body_reader *b)
{
    b->is_whole = true;
    if (!b->has_begun) {
        detect_gzip(b); /* less than two bytes are no gzip */
        check_plain(b, buf_slice(&b->wire));
    }
    if (!b->source->signed_over_wire)
        return ANSWER_OK;
    b->signature = verify_end(b->verify);
    b->verify = NULL;
    return judge_signature(b->signature);
}

enum answer body_end(struct body_reader *b, char digest[RECORD_DIGEST_LEN])
{
    assert(b->is_whole && !body_is_behind(b));
    if (b->inflate && b->defect != ANSWER_INVALID_GZIP &&
        gzip_inflate_end(b->inflate, &b->detail) != OK)
        note_defect(b, ANSWER_INVALID_GZIP, NULL);
    if (b->scan && b->defect == ANSWER_OK && json_scan_end(b->scan, &b->detail) != OK)
        note_defect(b, ANSWER_INVALID_JSON, NULL);
    if (b->form)
        form_scan_end(b->form);
    unsigned char sum[32];
    sha256_end(b->digest, sum);
    b->digest = NULL;
    text_hex(sum, RECORD_DIGEST_LEN / 2, digest);
    if (b->verify)
        b->signature = verify_end(b->verify);
    b->verify = NULL;
    struct findings f = {
        .signature = b->signature,
        .is_unsigned_text = b->inflate && b->defect == ANSWER_INVALID_GZIP &&
                            !b->source->signed_over_wire && scheme_covers_body(b->source->verify),
        .defect = b->defect,
    };
    return judge_body(&f);
}

void body_clear(struct body_reader *b, size_t keep)
{
    verify_free(b->verify);
    b->verify = NULL;
    sha256_end(b->digest, NULL);
    b->digest = NULL;
    gzip_inflate_free(b->inflate);
    b->inflate = NULL;
    if (b->pool)
        pool_give_scan(b->pool, b->scan);
    b->scan = NULL;
    if (b->form)
        pool_give_form(b->pool, b->form);
    b->form = NULL;
    if (b->wire.cap > keep)
        buf_clear(&b->wire);
    else
        buf_reset(&b->wire);
}
