/* answer_counts - counts the answers to webhooks by source, for /metrics.   [on common/base/metrics] */
#ifndef RECEIVER_ANSWER_COUNTS_H
#define RECEIVER_ANSWER_COUNTS_H

#include "common/base/clock.h"
#include "common/base/slice.h"
#include "receiver/ingest/judge.h"

struct answer_counts;
struct metrics;
struct
    source_counts; /* the counts of one source; live as long as their answer_counts, across reloads */

/* One per thread. METRICS is borrowed. */
struct answer_counts *answer_counts_new(struct metrics *metrics);
void answer_counts_free(struct answer_counts *c);
/* The counts of SOURCE, made on first use. SOURCE is a configured name or "unknown": senders choose no names. */
struct source_counts *answer_counts_of(struct answer_counts *c, struct slice source);
/* A request to the source of ROW, which began at STARTED, gets answer A now. */
void answer_counts_add(struct answer_counts *c, struct source_counts *row, enum answer a,
                       mono_us started);
/* The HTTP server itself refused a request with CODE. */
void answer_counts_add_code(struct answer_counts *c, const char *code);

#endif
