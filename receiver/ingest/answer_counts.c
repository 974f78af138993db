#include "receiver/ingest/answer_counts.h"

#include "common/base/alloc.h"
#include "common/base/map.h"
#include "common/ops/families.h"

#include <stdlib.h>

struct source_counts { /* owned by its answer_counts */
    char *source;
    struct metric_series *by_answer[ANSWER_COUNT]; /* NULL: not looked up yet */
};

struct answer_counts {
    struct metrics *metrics;
    struct map rows; /* source -> struct source_counts */
    struct metric_series *seconds;
};

struct answer_counts *answer_counts_new(struct metrics *metrics)
{
    struct answer_counts *c = NEW(struct answer_counts);
    c->metrics = metrics;
    map_init(&c->rows);
    c->seconds = metrics_series(metrics, METRIC_INGEST_SECONDS, SLICE_LIT(""), SLICE_LIT(""));
    return c;
}

void answer_counts_free(struct answer_counts *c)
{
    if (!c)
        return;
    size_t at = 0;
    struct slice source;
    void *value;
    while (map_next(&c->rows, &at, &source, &value)) {
        struct source_counts *row = value;
        free(row->source);
        free(row);
    }
    map_clear(&c->rows);
    free(c);
}

struct source_counts *answer_counts_of(struct answer_counts *c, struct slice source)
{
    struct source_counts *row = map_get(&c->rows, source);
    if (!row) {
        row = NEW(struct source_counts);
        row->source = xslicedup(source);
        map_set(&c->rows, source, row);
    }
    return row;
}

void answer_counts_add(struct answer_counts *c, struct source_counts *row, enum answer a,
                       mono_us started)
{
    if (!row->by_answer[a])
        row->by_answer[a] = metrics_series(c->metrics, METRIC_EVENTS, slice_str(row->source),
                                           slice_str(answer_row(a)->code));
    metric_add(row->by_answer[a], 1);
    metric_observe(c->seconds, (double)(clock_mono_us() - started) / 1e6);
}

void answer_counts_add_code(struct answer_counts *c, const char *code)
{
    metric_add(metrics_series(c->metrics, METRIC_EVENTS, SLICE_LIT("unknown"), slice_str(code)), 1);
}
