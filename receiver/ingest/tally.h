/* tally - counts answers by source, each series looked up once.   [on common/base/metrics]
 */
#ifndef RECEIVER_TALLY_H
#define RECEIVER_TALLY_H

#include "common/base/clock.h"
#include "common/base/slice.h"
#include "receiver/ingest/judge.h"

struct metrics;
struct tally;
struct tally_row; /* one source; stays as long as its tally, whatever is configured later */

/* One per thread. METRICS is borrowed. */
struct tally *tally_new(struct metrics *metrics);
void tally_free(struct tally *t);
/* The row of SOURCE, made on first use: for names that are configured, and "unknown". */
struct tally_row *tally_row(struct tally *t, struct slice source);
/* A request of SOURCE that began at STARTED gets answer A now. */
void tally_count(struct tally *t, struct tally_row *row, enum answer a, mono_us started);
/* The HTTP server itself refused a request with CODE. */
void tally_count_code(struct tally *t, const char *code);

#endif
