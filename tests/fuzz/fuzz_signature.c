/* Signature headers of every scheme. The oracle: an accepted request has the right signature, as
 * computed here with OpenSSL alone, over the body, id and timestamp that were shown, and fresh. */
#include "common/base/text.h"
#include "common/webhook/scheme.h"
#include "tests/fuzz/fuzz.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#define NOW INT64_C(1763691349123)
#define TOLERANCE_S 300
#define HEADERS_MOST 12

enum { SECRETS = 2 };
static const char *const secrets[SECRETS] = {"first-secret-of-the-fuzzer-0001",
                                             "second-secret-of-the-fuzzer-002"};

struct row {
    const char *scheme, *signature, *other_signature, *id, *other_id, *timestamp, *other_timestamp;
    const char *before; /* the signed text: %i, %t, and the body follows */
    bool base64, stripe;
};

static const struct row rows[] = {
    {.scheme = "serphouse", .signature = "x-serphouse-signature", .before = ""},
    {.scheme = "semscraper", .signature = "X-Signature", .before = ""},
    {.scheme = "github", .signature = "X-Hub-Signature-256", .before = ""},
    {.scheme = "shopify",
     .signature = "X-Shopify-Hmac-Sha256",
     .other_signature = "shopify-hmac-sha256",
     .before = "",
     .base64 = true},
    {.scheme = "slack",
     .signature = "X-Slack-Signature",
     .timestamp = "X-Slack-Request-Timestamp",
     .before = "v0:%t:"},
    {.scheme = "stripe", .signature = "Stripe-Signature", .before = "%t.", .stripe = true},
    {.scheme = "standard-webhooks",
     .signature = "webhook-signature",
     .other_signature = "svix-signature",
     .id = "webhook-id",
     .other_id = "svix-id",
     .timestamp = "webhook-timestamp",
     .other_timestamp = "svix-timestamp",
     .before = "%i.%t.",
     .base64 = true},
    {.scheme = "hmac",
     .signature = "X-Sig",
     .id = "X-Id",
     .timestamp = "X-Time",
     .before = "%i.%t."},
    {.scheme = "token"},
    {.scheme = "basic"},
};
enum { ROWS = sizeof rows / sizeof *rows };

struct headers {
    struct slice names[HEADERS_MOST], values[HEADERS_MOST];
    size_t count;
};

static struct slice find(void *ctx, const char *name, unsigned *count)
{
    const struct headers *h = ctx;
    struct slice first = {0};
    *count = 0;
    for (size_t i = 0; i < h->count; i++)
        if (slice_eq_nocase(h->names[i], slice_str(name)) && !(*count)++)
            first = h->values[i];
    return first;
}

static void read_headers(struct slice *in, struct headers *h)
{
    h->count = 0;
    while (in->len && h->count < HEADERS_MOST) {
        struct slice value = fuzz_line(in);
        if (!value.len)
            return; /* the body follows */
        h->names[h->count] = slice_cut(&value, ':');
        h->values[h->count++] = slice_trim(value);
    }
}

static struct scheme *make(const struct row *r)
{
    struct scheme_spec spec = {.name = r->scheme, .tolerance_s = -1, .secret_count = SECRETS};
    char keys[SECRETS][80];
    for (size_t i = 0; i < SECRETS; i++) {
        spec.secrets[i] = secrets[i];
        if (strcmp(r->scheme, "standard-webhooks") == 0) {
            char text[64] = {0};
            text_base64(secrets[i], strlen(secrets[i]), text);
            snprintf(keys[i], sizeof keys[i], "whsec_%s", text);
            spec.secrets[i] = keys[i];
        } else if (strcmp(r->scheme, "basic") == 0) {
            snprintf(keys[i], sizeof keys[i], "user:%s", secrets[i]);
            spec.secrets[i] = keys[i];
        }
    }
    if (strcmp(r->scheme, "hmac") == 0) {
        spec.header = "X-Sig";
        spec.id_header = "X-Id";
        spec.timestamp_header = "X-Time";
        spec.signed_text = "{id}.{timestamp}.{body}";
    }
    struct scheme *s = NULL;
    struct error e = {""};
    if (scheme_new(&spec, &s, &e) != OK)
        fprintf(stderr, "%s: %s\n", r->scheme, e.text);
    INSIST(s);
    return s;
}

static enum scheme_verdict verify(const struct scheme *s, struct headers *h, struct slice query,
                                  struct slice body, uint32_t seed)
{
    struct scheme_request req = {.header = find, .ctx = h, .query = query, .now = NOW};
    struct fuzz_cuts cuts = {seed};
    struct verify *v = NULL;
    enum scheme_verdict verdict = verify_start(s, &req, &v);
    INSIST((verdict == SCHEME_OK) == (v != NULL));
    struct slice origin;
    (void)scheme_message_id(s, &req, &origin);
    (void)scheme_signed_timestamp(s, &req);
    if (!v)
        return verdict;
    while (body.len)
        verify_body(v, fuzz_piece(&cuts, &body));
    return verify_end(v);
}

/* --- the oracle --- */

static struct slice shown(struct headers *h, const char *name, const char *other)
{
    unsigned n = 0, m = 0;
    struct slice a = name ? find(h, name, &n) : slice_make(NULL, 0);
    struct slice b = other ? find(h, other, &m) : slice_make(NULL, 0);
    INSIST(n <= 1 && m <= 1); /* two of a kind are not to be accepted */
    return b.len ? b : a;
}

static bool contains(struct slice text, const char *part, bool any_case)
{
    size_t n = strlen(part);
    for (size_t i = 0; i + n <= text.len; i++) {
        struct slice here = slice_make(text.ptr + i, n), want = slice_make(part, n);
        if (any_case ? slice_eq_nocase(here, want) : slice_eq(here, want))
            return true;
    }
    return false;
}

static struct slice stripe_time(struct slice value)
{
    while (value.len) {
        struct slice part = slice_trim(slice_cut(&value, ','));
        if (slice_starts(part, SLICE_LIT("t=")))
            return slice_skip(part, 2);
    }
    return slice_make(NULL, 0);
}

static void insist_fresh(struct slice time)
{
    uint64_t at = 0;
    INSIST(text_u64(time, 999999999999, &at) == OK);
    int64_t age = NOW / 1000 - (int64_t)at;
    INSIST(age >= -TOLERANCE_S && age <= TOLERANCE_S);
}

static void insist_signed(const struct row *r, struct headers *h, struct slice body)
{
    struct slice value = shown(h, r->signature, r->other_signature);
    struct slice id = shown(h, r->id, r->other_id);
    struct slice time = shown(h, r->timestamp, r->other_timestamp);
    if (r->stripe)
        time = stripe_time(value);
    struct buf text;
    buf_init(&text, 1 << 20);
    for (const char *c = r->before; *c; c++) {
        if (*c != '%')
            buf_add_char(&text, *c);
        else
            buf_add_slice(&text, *++c == 'i' ? id : time);
    }
    if (strchr(r->before, '%'))
        insist_fresh(time);
    buf_add_slice(&text, body);
    bool right = false;
    for (size_t i = 0; i < SECRETS; i++) {
        unsigned char mac[64];
        unsigned len = 0;
        char encoded[128] = {0};
        HMAC(EVP_sha256(), secrets[i], (int)strlen(secrets[i]),
             (const unsigned char *)(text.len ? text.ptr : ""), text.len, mac, &len);
        if (r->base64) {
            text_base64(mac, 32, encoded);
            encoded[43] = 0; /* without the padding */
        } else {
            text_hex(mac, 32, encoded);
        }
        right |= contains(value, encoded, !r->base64);
    }
    INSIST(right);
    buf_clear(&text);
}

static void insist_shown(const struct row *r, struct headers *h, struct slice query)
{
    unsigned n = 0;
    struct slice credential = find(h, "Authorization", &n);
    bool is_token = strcmp(r->scheme, "token") == 0;
    unsigned tokens = 0;
    for (struct slice rest = query; rest.len;)
        tokens += slice_starts(slice_cut(&rest, '&'), SLICE_LIT("token="));
    INSIST(is_token ? tokens + (tokens ? 0 : n) <= 1 : n == 1);
    bool right = false;
    for (size_t i = 0; i < SECRETS; i++) {
        char plain[80], encoded[120] = {0};
        snprintf(plain, sizeof plain, "user:%s", secrets[i]);
        text_base64(plain, strlen(plain), encoded);
        struct buf decoded;
        buf_init(&decoded, 1 << 20);
        if (text_unpercent(&decoded, query, false) == OK)
            right |= contains(buf_slice(&decoded), secrets[i], false);
        /* a broken escape elsewhere in the query does not matter */
        right |= contains(query, secrets[i], false) ||
                 memchr(query.ptr ? query.ptr : "", '%', query.len);
        buf_clear(&decoded);
        right |= contains(credential, is_token ? secrets[i] : encoded, false);
    }
    INSIST(right);
}

/* --- what is signed is accepted; changed, it is not --- */

static void sign_and_change(const struct row *r, const struct scheme *s, struct slice in)
{
    if (!scheme_can_sign(s))
        return;
    struct buf lines;
    struct headers h;
    buf_init(&lines, 64 * 1024);
    unsigned where = fuzz_byte(&in), flip = fuzz_byte(&in);
    int64_t age_s = (int64_t)(fuzz_byte(&in) << 2) - 512;
    INSIST(scheme_sign(s, where % SECRETS, SLICE_LIT("msg_1"), NOW - age_s * 1000, in, &lines) ==
           OK);
    struct slice text = buf_slice(&lines);
    for (size_t i = 0; i < text.len; i++)
        INSIST(text.ptr[i] != '\n' || (i && text.ptr[i - 1] == '\r'));
    struct buf unix_lines;
    buf_init(&unix_lines, 64 * 1024);
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] != '\r')
            buf_add_char(&unix_lines, text.ptr[i]);
    text = buf_slice(&unix_lines);
    read_headers(&text, &h);
    bool stale = strchr(r->before, '%') && (age_s > TOLERANCE_S || age_s < -TOLERANCE_S);
    INSIST(verify(s, &h, slice_make(NULL, 0), in, where) == (stale ? SCHEME_STALE : SCHEME_OK));
    if (in.len && flip && !stale) {
        char *changed = malloc(in.len);
        memcpy(changed, in.ptr, in.len);
        changed[where % in.len] = (char)(changed[where % in.len] ^ (int)flip);
        INSIST(verify(s, &h, slice_make(NULL, 0), slice_make(changed, in.len), 0) ==
               SCHEME_INVALID);
        free(changed);
        INSIST(verify(s, &h, slice_make(NULL, 0), slice_make(in.ptr, in.len - 1), 0) ==
               SCHEME_INVALID);
    }
    buf_clear(&lines);
    buf_clear(&unix_lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct scheme *schemes[ROWS];
    for (size_t i = 0; i < ROWS && !schemes[ROWS - 1]; i++)
        schemes[i] = make(&rows[i]);
    struct slice in = slice_make(data, size);
    unsigned choice = fuzz_byte(&in) - (unsigned)'a';
    const struct row *r = &rows[choice % ROWS];
    const struct scheme *s = schemes[choice % ROWS];
    sign_and_change(r, s, in);

    struct headers h;
    struct slice query = fuzz_line(&in);
    read_headers(&in, &h);
    enum scheme_verdict verdict = verify(s, &h, query, in, 0);
    INSIST(verify(s, &h, query, in, choice + 1) == verdict);
    if (verdict == SCHEME_OK && r->signature)
        insist_signed(r, &h, in);
    else if (verdict == SCHEME_OK)
        insist_shown(r, &h, query);
    return 0;
}
