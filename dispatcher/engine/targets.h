/* targets - the destinations of one configuration, ready to be sent to.   [wiring]
 *
 * A reload makes new targets. The engine frees the old ones when their last attempt is over (deliver.c).
 */
#ifndef DISPATCHER_TARGETS_H
#define DISPATCHER_TARGETS_H

#include "common/config/config.h"
#include "common/queue/queue_take.h"
#include "dispatcher/engine/flight.h"
#include "dispatcher/engine/prefetch_rule.h"
#include "dispatcher/engine/request.h"
#include "dispatcher/engine/retry.h"
#include "dispatcher/transport/egress.h"
#include "dispatcher/transport/own_addrs.h"
#include "dispatcher/transport/transport.h"

#define VERDICTS (SETTLE_WAIT + 1)

struct metric_series;
struct metrics;

struct target { /* One destination. Owned by its targets. */
    struct targets *targets;
    const struct destination *dest; /* of the targets' configuration */
    struct slice name;
    struct endpoint *endpoint,
        *other_tls; /* the other one: verify_tls is the contrary; opened when first needed */
    struct request_rules rules;
    const struct source *source; /* whose announced results are fetched here, or NULL */
    char *headers;               /* of a fetch; secret */
    struct retry_schedule schedule;
    const struct status_set *give_up_on; /* of the configuration */
    unsigned concurrency, running;       /* attempts that may run, and that run now */
    struct list turns; /* flights that wait for a running one to end, oldest first */
    struct prefetch_rule prefetch;
    struct list_link start;                  /* in the engine's targets whose first turns are up */
    struct metric_series *results[VERDICTS]; /* attempts, by enum settle_verdict */
    struct metric_series *latency;           /* from accepted to delivered */
    struct metric_series *attempt_seconds;
};

struct targets {           /* Owned by the engine; targets_free. */
    struct list_link link; /* in the engine's retired ones */
    struct config *conf;   /* referenced */
    struct transport *transport;
    const struct transport_hooks *hooks; /* borrowed, like METRICS */
    struct metrics *metrics;
    struct egress egress;
    struct own_addrs own; /* for egress */
    struct map by_name;   /* destination -> struct target, made when first needed */
    size_t in_use;        /* flights and starts that hold a target */
};

/* CONF is referenced. TRANSPORT is taken, METRICS and HOOKS are borrowed. */
struct targets *targets_new(struct config *conf, struct transport *transport,
                            struct metrics *metrics, const struct transport_hooks *hooks);
/* Closes the transport too. None may be in use. Not from a hook. NULL is fine. */
void targets_free(struct targets *s);
/* The target of a destination, or NULL if it is not configured. */
struct target *targets_find(struct targets *s, struct slice destination);
/* The endpoint of T whose verify_tls is VERIFY_TLS. */
struct endpoint *target_endpoint(struct target *t, bool verify_tls);
/* May a connection of T's be made to A? */
bool target_may_connect(struct target *t, const struct addr *a);

#endif
