/* families - the metrics that the programs have, one row each.   [pure]
 *
 * docs/guides/operations.md says what to watch; tests/checks compares the names.
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
    X(OLDEST, "hookpace_oldest_seconds", GAUGE, "lane",                                            \
      "Age of the oldest delivery near the ends of the lane")                                      \
    X(RETRYING, "hookpace_retry_waiting", GAUGE, "lane",                                           \
      "Deliveries that wait for a retry or for their origin")                                      \
    X(INFLIGHT, "hookpace_inflight", GAUGE, "lane", "Deliveries that a dispatcher has claimed")    \
    X(PAUSED, "hookpace_lane_paused", GAUGE, "lane", "1 if an operator has stopped the lane")      \
    X(CIRCUITS, "hookpace_circuit_open", GAUGE, "destination", "Origins whose circuit is open")    \
    X(REDIS_UP, "hookpace_redis_up", GAUGE, "shard", "1 if Redis answered at this scrape")         \
    X(DEAD, "hookpace_dead_letters", GAUGE, "destination", "Dead letters held")                    \
    X(INGEST_SECONDS, "hookpace_ingest_seconds", HISTOGRAM, "", "Request read to answer written")  \
    X(ATTEMPT_SECONDS, "hookpace_attempt_seconds", HISTOGRAM, "destination",                       \
      "Attempts from connecting to their end")                                                     \
    X(DELIVERY_SECONDS, "hookpace_delivery_seconds", HISTOGRAM, "destination",                     \
      "Accepted to delivered, but for deliveries that were sent again")                            \
    X(GAP_OVERSHOOT, "hookpace_send_gap_overshoot_seconds", HISTOGRAM, "",                         \
      "How much longer than the delay the gap between two sends was while work waited")            \
    X(BUILD_INFO, "hookpace_build_info", GAUGE, "version,program", "1; the labels say what runs")  \
    X(RELOAD, "hookpace_config_last_reload_successful", GAUGE, "",                                 \
      "0 if the last reload was refused, so that an older configuration is in force")              \
    X(PROCESS_CPU, "process_cpu_seconds_total", READING, "", "Processor time of the process")      \
    X(PROCESS_RSS, "process_resident_memory_bytes", GAUGE, "", "Memory of the process")            \
    X(PROCESS_VIRTUAL, "process_virtual_memory_bytes", GAUGE, "", "Addresses of the process")      \
    X(PROCESS_START, "process_start_time_seconds", GAUGE, "", "When it started, since 1970")       \
    X(PROCESS_FDS, "process_open_fds", GAUGE, "", "Open files of the process")                     \
    X(PROCESS_MAX_FDS, "process_max_fds", GAUGE, "", "Its limit of open files")

enum metric { /* the number of a family in the registry */
#define METRIC_ENUM(id, name, type, labels, help) METRIC_##id,
              METRIC_FAMILIES(METRIC_ENUM)
#undef METRIC_ENUM
                  METRIC_COUNT
};

/* A registry of these families, with what is known from the start; freed with metrics_free. PROGRAM and VERSION are the
 * labels of hookpace_build_info. */
struct metrics *families_metrics(const char *program, const char *version);
/* Brings the families process_* up to date. Values that the system does not report are absent. */
void families_read_process(struct metrics *m);
/* A reload was taken, or refused. */
void families_reloaded(struct metrics *m, bool taken);

#endif
