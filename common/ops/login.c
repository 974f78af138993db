#include "common/ops/login.h"

#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/base/hash.h"
#include "common/base/text.h"
#include "common/crypto/crypto.h"

#include <stdlib.h>

#define SETS 256
#define WAYS 4
#define CREDENTIALS_MAX 4096

struct guesser { /* an address that guessed wrong */
    unsigned char net[16];
    uint8_t family;  /* 0: free */
    mono_us free_at; /* when its wrong guesses are forgotten: each adds GUESS_US */
};

struct login_guard {
    struct hash_key key; /* so that nobody can choose addresses that share a set */
    struct guesser table[SETS][WAYS];
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

bool login_is_foreign(struct slice fetch_site, struct slice origin, struct slice host)
{
    if (fetch_site.len)
        return !slice_eq(fetch_site, SLICE_LIT("same-origin")) &&
               !slice_eq(fetch_site, SLICE_LIT("none"));
    if (!origin.len)
        return false;
    (void)slice_cut(&origin, ':');
    return !slice_starts(origin, SLICE_LIT("//")) || !slice_eq_nocase(slice_skip(origin, 2), host);
}

/* --- guesses --- */

static void network_of(const struct addr *peer, unsigned char net[16])
{
    memcpy(net, peer->ip, 16);
    if (peer->family == 6)
        memset(net + 8, 0, 8);
}

/* Returns the entry of PEER. If it has none, it takes over the entry of its set that would be forgotten first. */
static struct guesser *guesser_of(struct login_guard *g, const struct addr *peer)
{
    unsigned char net[16];
    network_of(peer, net);
    uint64_t h = hash_keyed(&g->key, slice_make(net, sizeof net));
    struct guesser *set = g->table[h % SETS], *oldest = set;
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].family == peer->family && memcmp(set[i].net, net, sizeof net) == 0)
            return &set[i];
        if (set[i].free_at < oldest->free_at)
            oldest = &set[i];
    }
    *oldest = (struct guesser){.family = peer->family};
    memcpy(oldest->net, net, sizeof net);
    return oldest;
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

static bool identify(const struct login_book *book, struct slice header, struct caller *who)
{
    bool found = false;
    struct buf given, utf8;
    buf_init(&given, 2 * CREDENTIALS_MAX);
    buf_init(&utf8, 4 * CREDENTIALS_MAX);
    if (read_credentials(header, &given)) {
        struct slice s = buf_slice(&given);
        if (!text_is_utf8(s)) {
            from_latin1(s, &utf8);
            s = buf_slice(&utf8);
        }
        found = book->find(book->ctx, s, who);
    }
    if (given.ptr)
        crypto_wipe(given.ptr, given.cap);
    if (utf8.ptr)
        crypto_wipe(utf8.ptr, utf8.cap);
    buf_clear(&given);
    buf_clear(&utf8);
    return found;
}

enum login_verdict login_check(struct login_guard *g, const struct login_book *book,
                               const struct addr *peer, struct slice header, mono_us now,
                               struct caller *who)
{
    if (!header.len)
        return LOGIN_WRONG; /* a request without a login is no guess */
    struct guesser *from = guesser_of(g, peer);
    if (from->free_at > now + (GUESSES - 1) * GUESS_US)
        return LOGIN_LIMITED;
    if (identify(book, header, who))
        return LOGIN_OK;
    from->free_at = (from->free_at > now ? from->free_at : now) + GUESS_US;
    return LOGIN_WRONG;
}
