/* A webhook's body on its way through the receiver: verified, inflated, checked, its id and tag
 * found. However it is cut the answer is the same, and what is accepted is what it should be. */
#include "common/base/text.h"
#include "common/config/config.h"
#include "common/gzip/gzip.h"
#include "common/json/json_scan.h"
#include "receiver/ingest/body_reader.h"
#include "tests/fuzz/fuzz.h"

#define WIRE_MAX 700
#define INFLATED_MAX 200000
#define SECRET "a-secret-of-the-fuzzer"

struct seen {
    enum answer answer, identity;
    char digest[RECORD_DIGEST_LEN];
    struct identity id;
};

struct request { /* as the fuzzer wants it */
    struct slice signature, query, body;
    struct source *source;
    enum body_encoding encoding;
    bool is_json;
};

static struct slice header(void *ctx, const char *name, unsigned *count)
{
    const struct request *r = ctx;
    *count = strcasecmp(name, "x-serphouse-signature") == 0 && r->signature.len;
    return *count ? r->signature : slice_make(NULL, 0);
}

static void identify(const struct request *r, struct body_reader *in, struct seen *out)
{
    const struct scheme_request request = {
        .header = header, .ctx = (void *)r, .query = r->query, .now = 1763691349123};
    struct identity_sources from = {.picks = r->source->picks,
                                    .id_picks = r->source->id_picks,
                                    .tag_picks = r->source->tag_picks,
                                    .scan = in->scan,
                                    .request = &request,
                                    .may_generate = true};
    const char *why = NULL;
    out->identity = judge_identity(&from, &out->id, &why);
    if (out->identity == ANSWER_OK)
        INSIST(id_is_valid(slice_make(out->id.id, out->id.id_len)) &&
               tag_is_valid(slice_make(out->id.tag, out->id.tag_len)));
    else
        INSIST(why && *why);
}

static struct seen read_body(struct request *r, struct body_pool *pool, uint32_t seed)
{
    struct seen out = {.answer = ANSWER_OK};
    struct scheme_request req = {.header = header, .ctx = r, .now = 1763691349123};
    struct body_setup setup = {.source = r->source,
                               .encoding = r->encoding,
                               .payload = r->is_json ? PAYLOAD_JSON : PAYLOAD_ANY,
                               .wire_max = WIRE_MAX,
                               .inflated_max = INFLATED_MAX};
    out.answer = judge_signature(verify_start(r->source->verify, &req, &setup.verify));
    if (out.answer != ANSWER_OK)
        return out;
    struct body_reader in = {0};
    struct fuzz_cuts cuts = {seed};
    struct slice rest = r->body;
    body_begin(&in, pool, &setup);
    while (rest.len && out.answer == ANSWER_OK) {
        out.answer = body_feed(&in, fuzz_piece(&cuts, &rest));
        if (seed % 3 && out.answer == ANSWER_OK && body_is_behind(&in))
            out.answer = body_catch_up(&in);
    }
    if (out.answer == ANSWER_OK)
        out.answer = body_whole(&in);
    while (out.answer == ANSWER_OK && body_is_behind(&in))
        out.answer = body_catch_up(&in);
    if (out.answer == ANSWER_OK)
        out.answer = body_end(&in, out.digest);
    if (out.answer == ANSWER_OK) {
        INSIST(slice_eq(buf_slice(&in.wire), r->body));
        identify(r, &in, &out);
    }
    body_clear(&in, seed % 2 ? 0 : 1 << 16);
    buf_clear(&in.wire);
    return out;
}

static bool same(const struct seen *a, const struct seen *b)
{
    /* Damage behind the ceiling: which of the two is met first depends on the pieces. */
    if (a->answer == ANSWER_INFLATED_TOO_LARGE || b->answer == ANSWER_INFLATED_TOO_LARGE)
        return a->answer != ANSWER_OK && b->answer != ANSWER_OK;
    if (a->answer != b->answer || a->identity != b->identity)
        return false;
    if (a->answer != ANSWER_OK || a->identity != ANSWER_OK)
        return true;
    bool generated = a->id.id_len == UUID_LEN && b->id.id_len == UUID_LEN;
    return memcmp(a->digest, b->digest, RECORD_DIGEST_LEN) == 0 &&
           (generated || (a->id.id_len == b->id.id_len && strcmp(a->id.id, b->id.id) == 0)) &&
           a->id.tag_len == b->id.tag_len && memcmp(a->id.tag, b->id.tag, a->id.tag_len) == 0;
}

/* A body that was accepted as JSON is JSON, after inflating it. */
static void check_accepted(const struct request *r)
{
    struct buf plain;
    struct error e;
    buf_init(&plain, INFLATED_MAX);
    INSIST(r->body.len <= WIRE_MAX);
    if (gzip_is(r->body))
        INSIST(gzip_inflate_all(r->body, &plain, &e) == OK);
    else
        buf_add_slice(&plain, r->body);
    INSIST(!r->is_json || json_scan_accepts(buf_slice(&plain)));
    buf_clear(&plain);
}

static void set_up(struct source *none, struct source *hmac)
{
    static const char *const pointers[] = {"/id", "/tasks/0/id", "/tag"};
    struct scheme_spec any = {.name = "none", .tolerance_s = -1};
    struct scheme_spec signing = {
        .name = "serphouse", .tolerance_s = -1, .secrets = {SECRET}, .secret_count = 1};
    struct json_picks *picks = NULL;
    INSIST(json_picks_new(pointers, 3, &picks, NULL) == OK);
    INSIST(scheme_new(&any, &none->verify, NULL) == OK);
    INSIST(scheme_new(&signing, &hmac->verify, NULL) == OK);
    static struct source_pick where[] = {
        {PICK_JSON, 0, NULL}, {PICK_JSON, 1, NULL}, {PICK_JSON, 2, NULL}};
    none->json_picks = hmac->json_picks = picks;
    none->picks = hmac->picks = where;
    none->id_picks = hmac->id_picks = 2;
    none->tag_picks = hmac->tag_picks = 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct source none, hmac;
    static struct body_pool *pool;
    if (!pool) {
        set_up(&none, &hmac);
        pool = body_pool_new();
    }
    struct slice in = slice_make(data, size);
    unsigned flags = fuzz_byte(&in);
    struct request r = {.source = flags & 1 ? &hmac : &none,
                        .encoding = flags & 2 ? BODY_GZIP : BODY_PLAIN,
                        .is_json = !(flags & 4)};
    hmac.signed_over_wire = flags & 8;
    r.query = fuzz_line(&in);
    r.body = in;
    struct buf lines;
    buf_init(&lines, 1024);
    if (flags & 1) { /* signed as the body is, or (16) as what it inflates to, or not rightly */
        struct buf plain;
        buf_init(&plain, INFLATED_MAX);
        bool inflated = flags & 16 && gzip_inflate_all(in, &plain, NULL) == OK;
        INSIST(scheme_sign(hmac.verify, 0, slice_make(NULL, 0), 0,
                           inflated ? buf_slice(&plain) : in, &lines) == OK);
        r.signature = slice_trim(slice_skip(buf_slice(&lines), sizeof "x-serphouse-signature"));
        r.signature.len = 64;
        buf_clear(&plain);
        if (flags & 32)
            r.signature.len--;
    }
    struct seen whole = read_body(&r, pool, 0);
    for (uint32_t seed = 1; seed < 4; seed++) {
        struct seen cut = read_body(&r, pool, seed * 7919u + (uint32_t)size);
        INSIST(same(&whole, &cut));
    }
    if (whole.answer == ANSWER_OK) {
        INSIST((flags & 33) != 33);
        check_accepted(&r);
    }
    buf_clear(&lines);
    return 0;
}
