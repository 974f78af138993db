#include "receiver/api/api_auth.h"

#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/base/text.h"
#include "common/config/config.h"
#include "common/crypto/crypto.h"

#include <stdlib.h>

#define SETS 256
#define WAYS 4
#define CREDENTIALS_MAX 4096
#define SHA256_LEN 32

struct guesser { /* an address that guessed wrong */
    unsigned char net[16];
    uint8_t family;  /* 0: free */
    mono_us free_at; /* when its wrong guesses are forgotten: each adds GUESS_US */
};

struct api_auth {
    uint64_t key; /* so that nobody can choose addresses that share a set */
    struct guesser table[SETS][WAYS];
};

struct api_auth *api_auth_new(void)
{
    struct api_auth *a = NEW(struct api_auth);
    crypto_random(&a->key, sizeof a->key);
    return a;
}

void api_auth_free(struct api_auth *a)
{
    free(a);
}

bool api_auth_is_foreign(struct slice fetch_site, struct slice origin, struct slice host)
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

/* The entry of PEER, or the one of its set that is forgotten first, emptied for it. */
static struct guesser *guesser_of(struct api_auth *a, const struct addr *peer)
{
    unsigned char net[16];
    network_of(peer, net);
    uint64_t h = a->key;
    for (size_t i = 0; i < sizeof net; i++)
        h = (h ^ net[i]) * UINT64_C(0x100000001b3);
    struct guesser *set = a->table[(h >> 24) % SETS], *oldest = set;
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

/* Appends what stands in "Basic <base64>". False if it is none. */
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

/* Digests of the same length are compared, all of them, so that the time tells nothing. */
static const struct config_account *find_account(const struct config *conf, struct slice given)
{
    unsigned char mine[DIGEST_MAX], theirs[DIGEST_MAX];
    const struct config_account *found = NULL;
    struct buf expected;
    size_t at = 0;
    struct slice name;
    void *value;
    buf_init(&expected, 2 * CREDENTIALS_MAX);
    digest_once(DIGEST_SHA256, given, theirs);
    while (map_next(&conf->accounts, &at, &name, &value)) {
        const struct config_account *account = value;
        buf_reset(&expected);
        buf_add_slice(&expected, name);
        buf_add_char(&expected, ':');
        buf_add_str(&expected, account->password);
        digest_once(DIGEST_SHA256, buf_slice(&expected), mine);
        if (crypto_equal(slice_make((char *)mine, SHA256_LEN),
                         slice_make((char *)theirs, SHA256_LEN)))
            found = account;
    }
    if (expected.ptr)
        crypto_wipe(expected.ptr, expected.cap);
    buf_clear(&expected);
    return found;
}

static const struct config_account *identify(const struct config *conf, struct slice header)
{
    const struct config_account *found = NULL;
    struct buf given, utf8;
    buf_init(&given, 2 * CREDENTIALS_MAX);
    buf_init(&utf8, 4 * CREDENTIALS_MAX);
    if (read_credentials(header, &given)) {
        struct slice s = buf_slice(&given);
        if (!text_is_utf8(s)) {
            from_latin1(s, &utf8);
            s = buf_slice(&utf8);
        }
        found = find_account(conf, s);
    }
    if (given.ptr)
        crypto_wipe(given.ptr, given.cap);
    if (utf8.ptr)
        crypto_wipe(utf8.ptr, utf8.cap);
    buf_clear(&given);
    buf_clear(&utf8);
    return found;
}

enum auth_verdict api_auth_check(struct api_auth *a, const struct config *conf,
                                 const struct addr *peer, struct slice header, mono_us now,
                                 const struct config_account **account)
{
    if (!header.len)
        return AUTH_WRONG; /* asked without a login: no guess */
    struct guesser *g = guesser_of(a, peer);
    if (g->free_at > now + (GUESSES - 1) * GUESS_US)
        return AUTH_LIMITED;
    *account = identify(conf, header);
    if (*account)
        return AUTH_OK;
    g->free_at = (g->free_at > now ? g->free_at : now) + GUESS_US;
    return AUTH_WRONG;
}
