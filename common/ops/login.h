/* login - checks who calls: Basic credentials (RFC 7617) and a limit on wrong ones per address.   [pure, but for the random
 * key of its table]
 *
 * The names and passwords belong to the program, which looks them up in `struct login_book`.
 */
#ifndef COMMON_OPS_LOGIN_H
#define COMMON_OPS_LOGIN_H

#include "common/base/clock.h"
#include "common/base/slice.h"
#include "common/net/addr.h"

#include <stdbool.h>

/* An address (for IPv6: a /64) may send GUESSES wrong logins at once, then one each GUESS_US. */
#define GUESSES 30
#define GUESS_US INT64_C(1000000)

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
    LOGIN_LIMITED, /* too many wrong logins from this address; these credentials were not checked */
};

/* True if a browser asks on behalf of another site's page, with the login that it remembers for us. The arguments are the
 * request's headers Sec-Fetch-Site (Fetch Metadata), Origin (RFC 6454) and Host, empty if missing. Clients that are no
 * browsers send neither of the first two. */
bool login_is_foreign(struct slice fetch_site, struct slice origin, struct slice host);

struct login_guard; /* counts wrong logins, in a table of fixed size */

struct login_guard *login_guard_new(void);
void login_guard_free(struct login_guard *g);

/* HEADER is the value of the Authorization header; empty if there is none or several. LOGIN_OK fills *WHO. A password may also
 * come in ISO 8859-1, as browsers' btoa sends it. */
enum login_verdict login_check(struct login_guard *g, const struct login_book *book,
                               const struct addr *peer, struct slice header, mono_us now,
                               struct caller *who);

#endif
