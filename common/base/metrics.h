/* metrics - counters, gauges and histograms in Prometheus' text format.
 *
 * The programs bring the families (common/ops/families.h). A series (a family with label values) is looked up once and then
 * counted through its pointer, which stays valid as long as the registry. Counting is atomic; looking up takes a lock.
 */
#ifndef COMMON_BASE_METRICS_H
#define COMMON_BASE_METRICS_H

#include "common/base/buf.h"
#include "common/base/slice.h"

#include <stdint.h>

enum metric_type {
    METRIC_COUNTER,
    METRIC_GAUGE,
    METRIC_HISTOGRAM,
    METRIC_READING /* a counter that somebody else counts: metric_set sets it */
};

struct metric_family {
    const char *name;
    enum metric_type type;
    const char *labels; /* up to two names, with a comma between them */
    const char *help;
};

struct metrics;
struct metric_series;

/* A registry of COUNT families, which must outlive it. Freed with metrics_free. */
struct metrics *metrics_new(const struct metric_family *families, unsigned count);
void metrics_free(struct metrics *m);

/* The series of family number FAMILY with these label values (L1, L2 in the order of the row; empty where the
 * family has fewer labels). Made on first use; at most 4096 per family (16384 of gauges), past which the values
 * become "other". Never NULL; owned by the registry. */
struct metric_series *metrics_series(struct metrics *m, unsigned family, struct slice l1,
                                     struct slice l2);

void metric_add(struct metric_series *s, uint64_t n);         /* counters */
void metric_set(struct metric_series *s, double value);       /* gauges */
void metric_observe(struct metric_series *s, double seconds); /* histograms */

/* All gauges of FAMILY are absent until they are set again. */
void metrics_unset(struct metrics *m, unsigned family);

#define METRIC_BUCKETS 19 /* of a histogram; the last one has what took longer than every bound */

struct metric_reading {  /* what a series has counted; all borrowed */
    struct slice labels; /* as in the text format */
    uint64_t count;
    const uint64_t *buckets; /* METRIC_BUCKETS of a histogram, else NULL */
};
typedef void (*metric_fn)(void *ctx, const struct metric_reading *r);
/* Calls FN with each series of FAMILY, a counter or histogram. FN must not use the registry. */
void metrics_read(struct metrics *m, unsigned family, metric_fn fn, void *ctx);
/* The value of label number N (from 0), which has no characters that need an escape. */
struct slice metric_label(struct slice labels, unsigned n);
/* The seconds that bucket I holds at most; of the last bucket there is no bound. */
double metric_bound(size_t i);

/* Appends the whole registry in text format 0.0.4. */
void metrics_write(struct metrics *m, struct buf *out);

#endif
