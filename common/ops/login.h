/* login - checks who calls: Basic credentials (RFC 7617), and limits on wrong ones.   [pure, but for the random key of its
 * tables]
 *
 * The names and passwords belong to the program, which looks them up in `struct login_book`.
 *
 * Two limits hold, so that guessing is slow and one tenant's mistakes lock out nobody else behind the same address:
 *
 *     per address and name   GUESSES wrong logins at once, then one each GUESS_US. Above that the name waits, at this address.
 *     per address            ADDRESS_GUESSES wrong logins at once, then one each ADDRESS_GUESS_US, whatever their names. Above
 *                            that no name has to wait by itself. But each name has only one wrong login there, then one each
 *                            STRICT_GUESS_US, so that names without a mistake still log in and nobody guesses many in parallel.
 *
 * The name is the one that was sent, whether there is such an account or not: the limits do not tell which names exist. An
 * address is an IPv4 address or a /64 of IPv6. The tables have a fixed size. A new entry replaces the entry of its set that
 * would be forgotten first, so a flood of names pushes out names with few mistakes, not those that are being guessed.
 */
#ifndef COMMON_OPS_LOGIN_H
#define COMMON_OPS_LOGIN_H

#include "common/base/clock.h"
#include "common/base/slice.h"
#include "common/net/addr.h"

#include <stdbool.h>

#define GUESSES 30
#define GUESS_US INT64_C(1000000)
#define ADDRESS_GUESSES 300
#define ADDRESS_GUESS_US INT64_C(100000)
#define STRICT_GUESS_US INT64_C(10000000)

struct caller {
    unsigned role;       /* one bit of enum route_role */
    const void *account; /* the program's; borrowed from its configuration */
};

struct login_book {
    /* Fills *WHO and returns true if CREDENTIALS ("name:password", UTF-8) are right. Must take the same time for every
     * account and every wrong password. */
    bool (*find)(void *ctx, struct slice credentials, struct caller *who);
    void *ctx;
};

enum login_verdict {
    LOGIN_OK,
    LOGIN_WRONG,
    LOGIN_LIMITED, /* too many wrong logins of this name from this address; these credentials were not checked */
};

struct login_result {
    enum login_verdict verdict;
    unsigned retry_s; /* of LOGIN_LIMITED: the next login is checked in so many seconds */
};

/* The headers of a browser about the page that makes it ask; each is empty if the header is missing. */
struct login_page {
    struct slice
        fetch_site; /* Sec-Fetch-Site (Fetch Metadata); browsers leave it out over plain HTTP */
    struct slice origin;  /* Origin (RFC 6454); not with a link */
    struct slice referer; /* Referer; a page can leave it out */
    struct slice host;    /* Host */
    struct slice accept;  /* Accept */
    bool upgrades;        /* there is an Upgrade-Insecure-Requests: a browser opens a page */
};

/* True if a browser asks on behalf of another site's page, with the login that it remembers for us. Clients that are no
 * browsers send none of the first three headers. */
bool login_is_foreign(const struct login_page *p);
/* True if a browser opens a page, and says nothing about where the link to it stood. So it may be another site's. Ask only
 * where the request changes something. */
bool login_may_be_link(const struct login_page *p);

struct login_guard; /* counts wrong logins */

struct login_guard *login_guard_new(void);
void login_guard_free(struct login_guard *g);

/* HEADER is the value of the Authorization header; empty if there is none or several. LOGIN_OK fills *WHO. A password may also
 * come in ISO 8859-1, as browsers' btoa sends it. */
struct login_result login_check(struct login_guard *g, const struct login_book *book,
                                const struct addr *peer, struct slice header, mono_us now,
                                struct caller *who);

#endif
