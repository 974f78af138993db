/* targets - the destinations of one configuration, ready to be sent to.   [wiring]
 *
 * A set belongs to one configuration: its HTTP client (connection pool, egress rules) and, made
 * when first needed, what each destination's attempts have in common.
 */
#ifndef DISPATCHER_TARGETS_H
#define DISPATCHER_TARGETS_H

#include "common/config/config.h"
#include "common/queue/queue_take.h"
#include "dispatcher/engine/egress.h"
#include "dispatcher/engine/flight.h"
#include "dispatcher/engine/own_addrs.h"
#include "dispatcher/engine/quickness.h"
#include "dispatcher/engine/request.h"
#include "dispatcher/engine/retry.h"
#include "dispatcher/transport/http_client.h"

#define VERDICTS (SETTLE_DEFER + 1)

struct metric_series;
struct metrics;
struct target_set;

struct target { /* Owned by its set. */
    struct target_set *set;
    struct request_rules rules;
    const struct source *source; /* whose announced results are fetched here, or NULL */
    char *headers;               /* of a fetch; secret */
    struct retry_schedule schedule;
    struct http_profile *profile;
    bool from_api;                 /* its URL came through the API */
    unsigned concurrency, running; /* attempts that may be, and are, under way here */
    struct turns turns;            /* flights that wait for one of them to end */
    struct quickness quickness;
    bool start_due;         /* start_next is on its way */
    struct deliver *engine; /* for it */
    struct slice name;
    struct metric_series *results[VERDICTS]; /* attempts, by enum settle_verdict */
    struct metric_series *latency;           /* accepted to delivered */
};

struct target_set {          /* Owned by target_sets; target_set_free. */
    struct target_set *next; /* the list of retired ones */
    struct config *conf;     /* referenced */
    struct http_client *client;
    struct egress egress;
    struct own_addrs own;    /* for egress */
    struct metrics *metrics; /* borrowed */
    struct map targets;      /* destination -> struct target */
    size_t in_use;           /* attempts under way */
};

/* NULL if the HTTP library cannot start. */
struct target_set *target_set_new(struct loop *l, struct config *conf, struct metrics *metrics,
                                  const struct http_hooks *hooks);
/* May a connection of T's be made to A? */
bool target_may_connect(struct target *t, const struct addr *a);
/* Nothing may be in use; not from a hook of its client. */
void target_set_free(struct target_set *s);
/* The target of a destination, or NULL if it is not configured. */
struct target *target_set_find(struct target_set *s, struct slice destination);

#endif
