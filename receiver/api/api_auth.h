/* api_auth - who calls the API: Basic auth against the accounts (RFC 7617), and a limit on guesses.   [pure, but for the random
 * key of its table]
 */
#ifndef RECEIVER_API_AUTH_H
#define RECEIVER_API_AUTH_H

#include "common/base/clock.h"
#include "common/base/slice.h"
#include "common/net/addr.h"

#include <stdbool.h>

struct config;
struct config_account;

/* Wrong logins of one address (of IPv6 one /64): GUESSES at once, then one each GUESS_US. */
#define GUESSES 30
#define GUESS_US INT64_C(1000000)

enum auth_verdict {
    AUTH_OK,
    AUTH_WRONG,
    AUTH_LIMITED /* not even looked at: too many wrong ones from there */
};

/* Does a browser ask for the page of another site, with the login that it remembers for us? By what it says
 * of itself (Fetch Metadata; Origin, RFC 6454), each empty if it is not there: other clients say nothing. */
bool api_auth_is_foreign(struct slice fetch_site, struct slice origin, struct slice host);

struct api_auth; /* counts of wrong logins, bounded */

struct api_auth *api_auth_new(void);
void api_auth_free(struct api_auth *a);

/* HEADER: value of the one Authorization header; empty for none or several. *ACCOUNT is borrowed from CONF, with AUTH_OK only.
 * A password in UTF-8 may come in ISO 8859-1 too, as browsers' btoa sends it. Takes the same time for every account and wrong
 * password. */
enum auth_verdict api_auth_check(struct api_auth *a, const struct config *conf,
                                 const struct addr *peer, struct slice header, mono_us now,
                                 const struct config_account **account);

#endif
