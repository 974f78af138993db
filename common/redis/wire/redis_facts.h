/* redis_facts - decides by a server's INFO whether it can be used, and what could lose events there.   [pure]
 */
#ifndef COMMON_REDIS_WIRE_REDIS_FACTS_H
#define COMMON_REDIS_WIRE_REDIS_FACTS_H

#include "common/base/err.h"
#include "common/base/slice.h"

#define FACT_MAX 32

struct redis_facts {            /* texts are empty where the server did not say */
    char version[FACT_MAX];     /* of Redis; a Valkey names one that it is compatible with */
    char valkey[FACT_MAX];      /* version of Valkey; empty: it is a Redis */
    char mode[FACT_MAX];        /* redis_mode: standalone, cluster, sentinel */
    char role[FACT_MAX];        /* master, slave */
    char loading[FACT_MAX];     /* 0, 1 */
    char aof_enabled[FACT_MAX]; /* 0, 1 */
    char appendfsync[FACT_MAX]; /* always, everysec, no */
    char policy[FACT_MAX];      /* maxmemory_policy */
    char cluster[FACT_MAX];     /* cluster_enabled: 0, 1 */
    char coverage[FACT_MAX];    /* cluster-require-full-coverage, if it was asked for: yes, no */
    char run[FACT_MAX];         /* the first 31 digits of run_id, another one after each start */
    int replicas; /* how many are online: they get all that is written. -1: not said */
};

/* Reads the facts from the answer to INFO. A fact that the answer does not have stays as it was. */
void redis_facts_read(struct redis_facts *f, struct slice info);
void redis_facts_set(char fact[FACT_MAX], struct slice value);

/* The version of the server's own numbering: Valkey's where it is a Valkey. Empty: the server did not say. */
const char *redis_facts_version(const struct redis_facts *f);

/* Why this server cannot be used at all now, or NULL. */
const char *redis_facts_refuse(const struct redis_facts *f);

/* The I-th setting (from 0) that could lose acknowledged events, as a sentence. NULL past the last. */
const char *redis_facts_risk(const struct redis_facts *f, unsigned i);

#endif
