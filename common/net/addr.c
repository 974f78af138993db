#include "common/net/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/text.h"

enum { V4_MAPPED = 96 }; /* bits before the IPv4 address in ::ffff:a.b.c.d */

static const unsigned char mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static void set_v4(struct addr *a, const void *ip)
{
    memset(a->ip, 0, sizeof a->ip);
    memcpy(a->ip, ip, 4);
    a->family = 4;
}

static void set_v6(struct addr *a, const unsigned char *ip)
{
    if (memcmp(ip, mapped_prefix, sizeof mapped_prefix) == 0) {
        set_v4(a, ip + 12);
        return;
    }
    memcpy(a->ip, ip, 16);
    a->family = 6;
}

void addr_from_sockaddr(const struct sockaddr *sa, struct addr *out)
{
    *out = (struct addr){0};
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, sa, sizeof in);
        set_v4(out, &in.sin_addr);
        out->port = ntohs(in.sin_port);
    } else if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in;
        memcpy(&in, sa, sizeof in);
        set_v6(out, in.sin6_addr.s6_addr);
        out->port = ntohs(in.sin6_port);
    }
}

void addr_text(const struct addr *a, char out[ADDR_TEXT])
{
    int family = a->family == 4 ? AF_INET : AF_INET6;
    if (a->family == 0 || !inet_ntop(family, a->ip, out, ADDR_TEXT))
        snprintf(out, ADDR_TEXT, "unix");
}

/* All bits of A from BIT on are 0. */
static bool rest_is_zero(const struct addr *a, unsigned bit)
{
    unsigned end = a->family == 4 ? 32 : 128;
    for (; bit < end; bit++)
        if (a->ip[bit / 8] & (0x80 >> bit % 8))
            return false;
    return true;
}

static enum err parse_ip(struct slice text, struct addr *out, bool *mapped)
{
    char z[ADDR_TEXT];
    unsigned char ip[16];
    if (text.len == 0 || text.len >= sizeof z || memchr(text.ptr, '\0', text.len))
        return ERR_INVALID;
    memcpy(z, text.ptr, text.len);
    z[text.len] = '\0';
    *out = (struct addr){0};
    *mapped = false;
    if (inet_pton(AF_INET, z, ip) == 1) {
        set_v4(out, ip);
        return OK;
    }
    if (inet_pton(AF_INET6, z, ip) != 1)
        return ERR_INVALID;
    set_v6(out, ip);
    *mapped = out->family == 4;
    return OK;
}

enum err addr_parse(struct slice text, struct addr *out)
{
    bool mapped;
    return parse_ip(text, out, &mapped);
}

void addr_from_bytes(const void *ip, size_t n, struct addr *out)
{
    *out = (struct addr){0};
    if (n == 4)
        set_v4(out, ip);
    else
        set_v6(out, ip);
}

enum err cidr_parse(struct slice text, struct cidr *out, struct error *e)
{
    struct slice rest = text;
    struct slice ip = slice_cut(&rest, '/');
    bool mapped;
    if (parse_ip(ip, &out->base, &mapped) != OK)
        return fail(e, ERR_INVALID, "\"%.*s\" is not an IP address or CIDR block", SLICE_FMT(text));
    unsigned all = out->base.family == 4 ? 32 : 128;
    uint64_t bits = all + (mapped ? V4_MAPPED : 0);
    if (rest.ptr && text_u64(rest, bits, &bits) != OK)
        return fail(e, ERR_INVALID, "\"%.*s\": the part behind the slash must be 0 to %u",
                    SLICE_FMT(text), (unsigned)bits);
    if (mapped && bits < V4_MAPPED)
        return fail(e, ERR_INVALID, "\"%.*s\" reaches beyond the IPv4-mapped addresses",
                    SLICE_FMT(text));
    out->bits = (unsigned)bits - (mapped ? V4_MAPPED : 0);
    if (!rest_is_zero(&out->base, out->bits))
        return fail(e, ERR_INVALID, "\"%.*s\" has bits set behind its /%u", SLICE_FMT(text),
                    out->bits);
    return OK;
}

bool cidr_has(const struct cidr *c, const struct addr *a)
{
    if (c->base.family != a->family || a->family == 0)
        return false;
    unsigned bytes = c->bits / 8, bits = c->bits % 8;
    if (memcmp(c->base.ip, a->ip, bytes) != 0)
        return false;
    return bits == 0 || ((c->base.ip[bytes] ^ a->ip[bytes]) >> (8 - bits)) == 0;
}

bool cidr_any(const struct cidr *list, size_t n, const struct addr *a)
{
    for (size_t i = 0; i < n; i++)
        if (cidr_has(&list[i], a))
            return true;
    return false;
}

#define V4(a, b, c, d, n)                                                                          \
    {                                                                                              \
        {{a, b, c, d}, 4, 0}, n                                                                    \
    }

/* https://www.iana.org/assignments/iana-ipv4-special-registry, and Azure's platform address, which
 * answers from inside every virtual network there. */
static const struct cidr special_v4[] = {
    V4(0, 0, 0, 0, 8),      V4(10, 0, 0, 0, 8),     V4(100, 64, 0, 0, 10), V4(127, 0, 0, 0, 8),
    V4(169, 254, 0, 0, 16), V4(172, 16, 0, 0, 12),  V4(192, 0, 0, 0, 24),  V4(192, 0, 2, 0, 24),
    V4(192, 88, 99, 0, 24), V4(192, 168, 0, 0, 16), V4(198, 18, 0, 0, 15), V4(198, 51, 100, 0, 24),
    V4(203, 0, 113, 0, 24), V4(224, 0, 0, 0, 4),    V4(240, 0, 0, 0, 4),   V4(168, 63, 129, 16, 32),
};

/* Only 2000::/3 of IPv6 is the public internet, less these: protocol assignments (Teredo, ORCHID, benchmarks),
 * documentation, 6to4 (leads to the embedded address, through a relay), documentation again. */
static const struct cidr global_v6 = {{{0x20}, 6, 0}, 3};
static const struct cidr special_v6[] = {
    {{{0x20, 0x01}, 6, 0}, 23},
    {{{0x20, 0x01, 0x0d, 0xb8}, 6, 0}, 32},
    {{{0x20, 0x02}, 6, 0}, 16},
    {{{0x3f, 0xff}, 6, 0}, 20},
};
/* RFC 6052: a NAT64 sends to the IPv4 address in the last 32 bits. Networks without IPv4 of their own reach everything
 * this way. The local-use 64:ff9b:1::/48 may hide anything: special. */
static const struct cidr nat64 = {{{0, 0x64, 0xff, 0x9b}, 6, 0}, 96};

/* Where prefixes have the IPv4 address. A network divides 64:ff9b:1::/48 as it likes (RFC 8215), so its rows are the
 * layouts of RFC 6052 2.2. Byte 8 is not used there. */
static const struct embedding {
    struct cidr prefix;
    unsigned char at[4];
} embeddings[] = {
    {{{{0, 0x64, 0xff, 0x9b}, 6, 0}, 96}, {12, 13, 14, 15}},
    {{{{0, 0x64, 0xff, 0x9b, 0, 1}, 6, 0}, 48}, {6, 7, 9, 10}},
    {{{{0, 0x64, 0xff, 0x9b, 0, 1}, 6, 0}, 48}, {7, 9, 10, 11}},
    {{{{0, 0x64, 0xff, 0x9b, 0, 1}, 6, 0}, 48}, {9, 10, 11, 12}},
    {{{{0, 0x64, 0xff, 0x9b, 0, 1}, 6, 0}, 48}, {12, 13, 14, 15}},
    {{{{0x20, 0x02}, 6, 0}, 16}, {2, 3, 4, 5}},                             /* 6to4, RFC 3056 */
    {{{{0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 6, 0}, 96}, {12, 13, 14, 15}}, /* SIIT, RFC 2765 */
    {{{{0}, 6, 0}, 96}, {12, 13, 14, 15}},                                  /* RFC 4291 2.5.5.1 */
};

bool addr_is_nat64(const struct addr *a)
{
    return cidr_has(&nat64, a);
}

size_t addr_embedded(const struct addr *a, struct addr out[ADDR_EMBEDDED_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < sizeof embeddings / sizeof embeddings[0]; i++) {
        const struct embedding *e = &embeddings[i];
        unsigned char ip[4];
        if (!cidr_has(&e->prefix, a))
            continue;
        for (size_t j = 0; j < sizeof ip; j++)
            ip[j] = a->ip[e->at[j]];
        /* All layouts of a local prefix but one find mostly zeros, and nothing is sent to 0.0.0.0/8. */
        if (ip[0] == 0 && !addr_is_nat64(a))
            continue;
        out[n] = (struct addr){0};
        set_v4(&out[n++], ip);
    }
    return n;
}

bool addr_same(const struct addr *a, const struct addr *b)
{
    return a->family == b->family && memcmp(a->ip, b->ip, a->family == 4 ? 4 : 16) == 0;
}

bool addr_is_special(const struct addr *a)
{
    if (a->family == 4)
        return cidr_any(special_v4, sizeof special_v4 / sizeof special_v4[0], a);
    if (a->family != 6)
        return true;
    struct addr inner[ADDR_EMBEDDED_MAX];
    if (addr_is_nat64(a) && addr_embedded(a, inner) == 1)
        return addr_is_special(&inner[0]);
    return !cidr_has(&global_v6, a) ||
           cidr_any(special_v6, sizeof special_v6 / sizeof special_v6[0], a);
}
