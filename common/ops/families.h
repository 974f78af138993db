/* families - the metrics that the programs have, one row each.   [pure]
 *
 * docs/operations.md says what to watch; tests/checks compares the names.
 */
#ifndef COMMON_OPS_FAMILIES_H
#define COMMON_OPS_FAMILIES_H

#include "common/base/metrics.h"

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

enum metric { /* the number of a family in the registry */
#define METRIC_ENUM(id, name, type, labels, help) METRIC_##id,
              METRIC_FAMILIES(METRIC_ENUM)
#undef METRIC_ENUM
                  METRIC_COUNT
};

/* A registry of these families; freed with metrics_free. */
struct metrics *families_metrics(void);

#endif
