#include "common/ops/pace.h"

#include "common/base/alloc.h"
#include "common/crypto/crypto.h"
#include "common/ops/meter.h"

#include <stdlib.h>

#define SETS 256

struct pace {
    struct hash_key key;
    struct meter_entry accounts[SETS * METER_WAYS], addresses[SETS * METER_WAYS];
};

struct pace *pace_new(void)
{
    struct pace *p = NEW(struct pace);
    crypto_random(&p->key, sizeof p->key);
    return p;
}

void pace_free(struct pace *p)
{
    free(p);
}

/* VERDICT if WHO has no room for a call within COUNT calls at once and then one each EACH. */
static struct pace_result judge(struct meter_entry *table, uint64_t who, mono_us now, int64_t count,
                                mono_us each, enum pace_verdict verdict)
{
    mono_us wait = meter_free_at(table, SETS, who) - now - (count - 1) * each;
    if (wait <= 0)
        return (struct pace_result){.verdict = PACE_OK};
    return (struct pace_result){verdict, (unsigned)((wait + 999999) / 1000000)};
}

struct pace_result pace_take(struct pace *p, struct slice account, const struct addr *peer,
                             mono_us now)
{
    uint64_t name = hash_keyed(&p->key, account), network = meter_hash(&p->key, peer, NULL);
    struct pace_result r =
        judge(p->accounts, name, now, PACE_ACCOUNT_CALLS, PACE_ACCOUNT_US, PACE_ACCOUNT);
    if (r.verdict == PACE_OK)
        r = judge(p->addresses, network, now, PACE_ADDRESS_CALLS, PACE_ADDRESS_US, PACE_ADDRESS);
    if (r.verdict != PACE_OK)
        return r;
    meter_count(p->accounts, SETS, name, now, PACE_ACCOUNT_US);
    meter_count(p->addresses, SETS, network, now, PACE_ADDRESS_US);
    return r;
}
