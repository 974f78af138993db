/* addr - IP addresses, CIDR blocks and which of them are special.   [pure]
 */
#ifndef COMMON_NET_ADDR_H
#define COMMON_NET_ADDR_H

#include "common/base/err.h"
#include "common/base/slice.h"

#include <stdint.h>

struct sockaddr;

struct addr { /* plain value; IPv4-mapped IPv6 is kept as IPv4 */
    unsigned char ip[16];
    uint8_t family; /* 4, 6, or 0 for none (a unix socket) */
    uint16_t port;
};

#define ADDR_TEXT 64
void addr_from_sockaddr(const struct sockaddr *sa, struct addr *out);
/* "1.2.3.4" or "2001:db8::1", without the port; ADDR_TEXT bytes are enough. */
void addr_text(const struct addr *a, char out[ADDR_TEXT]);

/* Reads "1.2.3.4" or "2001:db8::1", without a port, brackets or a zone. */
enum err addr_parse(struct slice text, struct addr *out) MUST_CHECK;
/* From the N = 4 or 16 bytes of an address in network order. */
void addr_from_bytes(const void *ip, size_t n, struct addr *out);

struct cidr {
    struct addr base;
    unsigned bits;
};
/* "10.0.0.0/8", "2001:db8::/32", or a bare address (all its bits). Bits outside the mask must be 0.
 */
enum err cidr_parse(struct slice text, struct cidr *out, struct error *e) MUST_CHECK;
bool cidr_has(const struct cidr *c, const struct addr *a);
bool cidr_any(const struct cidr *list, size_t n, const struct addr *a);

/* Private, loopback, link-local, multicast, documentation, translation and other ranges that are
 * not the public internet (IANA special-purpose registries; 6to4, NAT64 and the like judged by what
 * they embed, or refused). */
bool addr_is_special(const struct addr *a);
/* A is in the NAT64 prefix of the internet (RFC 6052, 64:ff9b::/96). Requests to A go to the one IPv4 address inside. */
bool addr_is_nat64(const struct addr *a);
/* The IPv4 addresses that a translator or relay may send to for the IPv6 address A. A may be of NAT64 (also the local
 * prefix of RFC 8215, whose layout is not known), 6to4, SIIT, or the old IPv4-compatible form. Returns how many; 0 for
 * IPv4. */
#define ADDR_EMBEDDED_MAX 4
size_t addr_embedded(const struct addr *a, struct addr out[ADDR_EMBEDDED_MAX]);
/* The same address; ports do not matter. */
bool addr_same(const struct addr *a, const struct addr *b);

#endif
