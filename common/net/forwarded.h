/* forwarded - finds the client behind trusted proxies, in X-Forwarded-For or Forwarded (RFC 7239).   [pure]
 *
 * Each proxy on the way appends the address that it was connected from. So the last entry comes from the proxy that is
 * connected to us, and the entry before it from the proxy before that proxy. The entries are read from the last to the
 * first:
 *
 *     entry                                          then
 *     an address in the list of trusted proxies      the entry before it is read
 *     another address                                it is the client
 *     no address (unknown, _hidden, malformed)       the proxy that wrote the entry counts as the client
 *
 * Entries before the client's are the client's own words, and are never looked at. If all entries are trusted proxies, the
 * first one is the client.
 */
#ifndef COMMON_NET_FORWARDED_H
#define COMMON_NET_FORWARDED_H

#include "common/net/addr.h"
#include "common/net/http_rules.h"

struct trusted_proxies { /* plain value; borrows the list */
    const struct cidr *list;
    size_t count; /* 0: no proxy is trusted */
};

/* Finds the client of a request with the header fields of HEAD that came from PEER, which must be trusted. Fills *OUT.
 *
 * A proxy that maintains one of the two headers passes on what a client wrote into the other one, and nobody here knows which
 * one the proxy maintains. So two headers that lead to different clients are FAULT_FORWARDED. */
enum http_fault forwarded_client(const struct http_head *head, const struct addr *peer,
                                 const struct trusted_proxies *trusted,
                                 struct addr *out) MUST_CHECK;

#endif
