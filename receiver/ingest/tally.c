#include "receiver/ingest/tally.h"

#include "common/base/alloc.h"
#include "common/base/map.h"
#include "common/ops/families.h"

#include <stdlib.h>

struct tally_row { /* owned by its tally */
    char *source;
    struct metric_series *by_answer[ANSWER_COUNT]; /* NULL: not looked up yet */
};

struct tally {
    struct metrics *metrics;
    struct map rows; /* source -> struct tally_row */
    struct metric_series *seconds;
};

struct tally *tally_new(struct metrics *metrics)
{
    struct tally *t = NEW(struct tally);
    t->metrics = metrics;
    map_init(&t->rows);
    t->seconds = metrics_series(metrics, METRIC_INGEST_SECONDS, SLICE_LIT(""), SLICE_LIT(""));
    return t;
}

void tally_free(struct tally *t)
{
    if (!t)
        return;
    size_t at = 0;
    struct slice source;
    void *value;
    while (map_next(&t->rows, &at, &source, &value)) {
        struct tally_row *row = value;
        free(row->source);
        free(row);
    }
    map_clear(&t->rows);
    free(t);
}

struct tally_row *tally_row(struct tally *t, struct slice source)
{
    struct tally_row *row = map_get(&t->rows, source);
    if (!row) {
        row = NEW(struct tally_row);
        row->source = xslicedup(source);
        map_set(&t->rows, source, row);
    }
    return row;
}

void tally_count(struct tally *t, struct tally_row *row, enum answer a, mono_us started)
{
    if (!row->by_answer[a])
        row->by_answer[a] = metrics_series(t->metrics, METRIC_EVENTS, slice_str(row->source),
                                           slice_str(answer_row(a)->code));
    metric_add(row->by_answer[a], 1);
    metric_observe(t->seconds, (double)(clock_mono_us() - started) / 1e6);
}

void tally_count_code(struct tally *t, const char *code)
{
    metric_add(metrics_series(t->metrics, METRIC_EVENTS, SLICE_LIT("unknown"), slice_str(code)), 1);
}
