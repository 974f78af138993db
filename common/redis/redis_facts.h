/* redis_facts - what a server says about itself, and whether it can be trusted with events. [pure]
 */
#ifndef COMMON_REDIS_REDIS_FACTS_H
#define COMMON_REDIS_REDIS_FACTS_H

#include "common/base/err.h"
#include "common/base/slice.h"

#define FACT_MAX 32

struct redis_facts { /* texts are empty where the server did not say */
    char version[FACT_MAX];
    char role[FACT_MAX];        /* master, slave */
    char loading[FACT_MAX];     /* 0, 1 */
    char aof_enabled[FACT_MAX]; /* 0, 1 */
    char appendfsync[FACT_MAX]; /* always, everysec, no */
    char policy[FACT_MAX];      /* maxmemory_policy */
};

/* Takes the facts out of an answer to INFO; what it does not mention stays. */
void redis_facts_read(struct redis_facts *f, struct slice info);
void redis_facts_set(char fact[FACT_MAX], struct slice value);

/* Why this server cannot be used at all now, or NULL. */
const char *redis_facts_refuse(const struct redis_facts *f);

/* The I-th (from 0) thing that could lose acknowledged events, as a sentence; NULL past the last.
 */
const char *redis_facts_risk(const struct redis_facts *f, unsigned i);

#endif
