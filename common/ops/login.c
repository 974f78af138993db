#include "common/ops/login.h"

#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/base/text.h"
#include "common/crypto/crypto.h"
#include "common/ops/meter.h"

#include <stdlib.h>

#define NAME_SETS 1024
#define ADDRESS_SETS 256
#define CREDENTIALS_MAX 4096

struct login_guard {
    struct hash_key key;
    struct meter_entry names[NAME_SETS * METER_WAYS], addresses[ADDRESS_SETS * METER_WAYS];
};

struct login_guard *login_guard_new(void)
{
    struct login_guard *g = NEW(struct login_guard);
    crypto_random(&g->key, sizeof g->key);
    return g;
}

void login_guard_free(struct login_guard *g)
{
    free(g);
}

/* URL is "scheme://host:port", and more behind it if HAS_PATH. */
static bool is_at(struct slice url, struct slice host, bool has_path)
{
    (void)slice_cut(&url, ':');
    if (!slice_starts(url, SLICE_LIT("//")))
        return false;
    url = slice_skip(url, 2);
    return slice_eq_nocase(has_path ? slice_cut(&url, '/') : url, host);
}

bool login_is_foreign(const struct login_page *p)
{
    if (p->fetch_site.len)
        return !slice_eq(p->fetch_site, SLICE_LIT("same-origin")) &&
               !slice_eq(p->fetch_site, SLICE_LIT("none"));
    if (p->origin.len && !is_at(p->origin, p->host, false))
        return true;
    return p->referer.len && !is_at(p->referer, p->host, true);
}

/* The Accept header of Java's HttpURLConnection if its program sets none. It is no browser. */
#define JAVA_ACCEPTS SLICE_LIT("text/html, image/gif, image/jpeg, *")

bool login_may_be_link(const struct login_page *p)
{
    if (p->fetch_site.len || p->origin.len || p->referer.len)
        return false; /* login_is_foreign has judged these */
    bool wants_page = slice_starts_nocase(p->accept, SLICE_LIT("text/html")) &&
                      !slice_starts(p->accept, JAVA_ACCEPTS);
    return p->upgrades || wants_page;
}

/* --- credentials --- */

/* Decodes "Basic <base64>" into OUT. False if HEADER is something else. */
static bool read_credentials(struct slice header, struct buf *out)
{
    struct slice rest = header;
    struct slice word = slice_cut(&rest, ' ');
    rest = slice_trim(rest);
    if (!slice_eq_nocase(word, SLICE_LIT("Basic")) || rest.len > CREDENTIALS_MAX)
        return false;
    char *at = buf_reserve(out, 3 * ((rest.len + 3) / 4));
    size_t len = 0;
    if (!at || text_unbase64(rest, true, at, &len) != OK)
        return false;
    buf_wrote(out, len);
    return len > 0 && memchr(at, ':', len);
}

static void from_latin1(struct slice s, struct buf *out)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c < 0x80) {
            buf_add_char(out, (char)c);
        } else {
            buf_add_char(out, (char)(0xc0 | c >> 6));
            buf_add_char(out, (char)(0x80 | (c & 0x3f)));
        }
    }
}

/* Reads HEADER as "name:password" in UTF-8. OUT is empty if it is none. */
static void read_utf8(struct slice header, struct buf *out)
{
    struct buf given;
    buf_init(&given, 2 * CREDENTIALS_MAX);
    if (read_credentials(header, &given)) {
        struct slice s = buf_slice(&given);
        if (text_is_utf8(s))
            buf_add_slice(out, s);
        else
            from_latin1(s, out);
    }
    if (given.ptr)
        crypto_wipe(given.ptr, given.cap);
    buf_clear(&given);
}

static struct login_result check(struct login_guard *g, const struct login_book *book,
                                 const struct addr *peer, struct slice credentials, mono_us now,
                                 struct caller *who)
{
    struct slice password = credentials, name = slice_cut(&password, ':');
    uint64_t network = meter_hash(&g->key, peer, NULL), pair = meter_hash(&g->key, peer, &name);
    bool is_strict = meter_free_at(g->addresses, ADDRESS_SETS, network) >
                     now + (ADDRESS_GUESSES - 1) * ADDRESS_GUESS_US;
    mono_us wait = meter_free_at(g->names, NAME_SETS, pair) - now;
    if (!is_strict)
        wait -= (GUESSES - 1) * GUESS_US;
    if (wait > 0)
        return (struct login_result){LOGIN_LIMITED, (unsigned)((wait + 999999) / 1000000)};
    if (credentials.len && book->find(book->ctx, credentials, who))
        return (struct login_result){.verdict = LOGIN_OK};
    meter_count(g->names, NAME_SETS, pair, now, is_strict ? STRICT_GUESS_US : GUESS_US);
    if (!is_strict) /* or an address that goes on guessing would stay strict for hours */
        meter_count(g->addresses, ADDRESS_SETS, network, now, ADDRESS_GUESS_US);
    return (struct login_result){.verdict = LOGIN_WRONG};
}

struct login_result login_check(struct login_guard *g, const struct login_book *book,
                                const struct addr *peer, struct slice header, mono_us now,
                                struct caller *who)
{
    struct buf credentials;
    if (!header.len)
        return (struct login_result){.verdict = LOGIN_WRONG}; /* without a login it is no guess */
    buf_init(&credentials, 4 * CREDENTIALS_MAX);
    read_utf8(header, &credentials);
    struct login_result r = check(g, book, peer, buf_slice(&credentials), now, who);
    if (credentials.ptr)
        crypto_wipe(credentials.ptr, credentials.cap);
    buf_clear(&credentials);
    return r;
}
