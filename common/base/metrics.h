/* metrics - counters, gauges and histograms in Prometheus' text format.
 *
 * Families are the rows of METRIC_FAMILIES, so that a metric has its name, type and help in one
 * place. A series (a family with label values) is looked up once and then counted through its
 * pointer, which stays valid as long as the registry. Counting is atomic; looking up takes a lock.
 */
#ifndef COMMON_BASE_METRICS_H
#define COMMON_BASE_METRICS_H

#include "common/base/buf.h"
#include "common/base/slice.h"

#include <stdint.h>

/* id, name, type, label names (comma-separated), help */
#define METRIC_FAMILIES(X)                                                                         \
    X(EVENTS, "hookpace_events_total", COUNTER, "source,result", "Webhooks answered")              \
    X(ATTEMPTS, "hookpace_attempts_total", COUNTER, "destination,result", "Attempts ended")        \
    X(REQUEUES, "hookpace_requeues_total", COUNTER, "lane",                                        \
      "Deliveries moved to the tail because of their delay")                                       \
    X(QUEUE_DEPTH, "hookpace_queue_depth", GAUGE, "lane", "Deliveries ready to send")              \
    X(OLDEST, "hookpace_oldest_seconds", GAUGE, "lane", "Age of the delivery at the head")         \
    X(DEAD, "hookpace_dead_letters", GAUGE, "destination", "Dead letters held")                    \
    X(INGEST_SECONDS, "hookpace_ingest_seconds", HISTOGRAM, "", "Request read to answer written")  \
    X(DELIVERY_SECONDS, "hookpace_delivery_seconds", HISTOGRAM, "destination",                     \
      "Accepted to delivered")                                                                     \
    X(GAP_OVERSHOOT, "hookpace_send_gap_overshoot_seconds", HISTOGRAM, "",                         \
      "How much longer than the delay the gap between two sends was while work waited")

enum metric {
#define METRIC_ENUM(id, name, type, labels, help) METRIC_##id,
    METRIC_FAMILIES(METRIC_ENUM)
#undef METRIC_ENUM
        METRIC_COUNT
};

struct metrics;
struct metric_series;

/* A registry; owned by the caller, freed with metrics_free. */
struct metrics *metrics_new(void);
void metrics_free(struct metrics *m);

/* The series of FAMILY with these label values (L1, L2 in the order of the row; empty where the
 * family has fewer labels). Made on first use; at most 4096 per family, past which the values
 * become "other". Never NULL; owned by the registry. */
struct metric_series *metrics_series(struct metrics *m, enum metric family, struct slice l1,
                                     struct slice l2);

void metric_add(struct metric_series *s, uint64_t n);         /* counters */
void metric_set(struct metric_series *s, double value);       /* gauges */
void metric_observe(struct metric_series *s, double seconds); /* histograms */

/* Appends the whole registry in text format 0.0.4. */
void metrics_write(struct metrics *m, struct buf *out);

#endif
