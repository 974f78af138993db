/* pace - limits how often accounts and addresses call the operators' API.   [pure, but for the random key of its tables]
 *
 *     per account    PACE_ACCOUNT_CALLS calls at once, then one each PACE_ACCOUNT_US, from whatever addresses
 *     per address    PACE_ADDRESS_CALLS calls at once, then one each PACE_ADDRESS_US, of whatever accounts
 *
 * A refused call counts for nobody. So one account alone never uses up its address, where others may call too.
 * The memory is fixed: some 40 KB.
 */
#ifndef COMMON_OPS_PACE_H
#define COMMON_OPS_PACE_H

#include "common/base/clock.h"
#include "common/base/slice.h"
#include "common/net/addr.h"

#define PACE_ACCOUNT_CALLS 2000
#define PACE_ACCOUNT_US INT64_C(5000)
#define PACE_ADDRESS_CALLS 4000
#define PACE_ADDRESS_US INT64_C(2500)

struct pace;

enum pace_verdict { PACE_OK, PACE_ACCOUNT, PACE_ADDRESS }; /* the limit that the call is above */

struct pace_result {
    enum pace_verdict verdict;
    unsigned retry_s; /* unless PACE_OK: there is room for a call in so many seconds */
};

struct pace *pace_new(void);
void pace_free(struct pace *p); /* NULL is fine */
/* Judges a call of ACCOUNT from PEER, and counts it unless it is refused. */
struct pace_result pace_take(struct pace *p, struct slice account, const struct addr *peer,
                             mono_us now);

#endif
