#include "common/base/metrics.h"

#include "common/base/alloc.h"
#include "common/base/map.h"
#include "common/base/text.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

static const char *const type_words[] = {"counter", "gauge", "histogram", "counter"};

static const double bounds[] = {.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05,
                                .1,    .25,    .5,    1,    2.5,   5,    10,  30,   60};
#define BOUNDS (sizeof bounds / sizeof bounds[0])
#define SERIES_MAX 4096
#define GAUGES_MAX 16384 /* they are small, and "other" would mean nothing */

struct metric_series {
    char *labels; /* text inside the braces, may be empty */
    _Atomic uint64_t count;
    _Atomic uint64_t sum_us;    /* histograms */
    _Atomic double value;       /* gauges */
    _Atomic bool is_set;        /* else the gauge is absent */
    _Atomic uint64_t buckets[]; /* of a histogram: BOUNDS */
};

struct metrics {
    const struct metric_family *families;
    unsigned count;
    pthread_mutex_t lock;
    struct map *series; /* one per family: label text -> struct metric_series, owned here */
};

struct metrics *metrics_new(const struct metric_family *families, unsigned count)
{
    struct metrics *m = NEW(struct metrics);
    m->families = families;
    m->count = count;
    m->series = xcalloc(count, sizeof *m->series);
    pthread_mutex_init(&m->lock, NULL);
    for (unsigned i = 0; i < count; i++)
        map_init(&m->series[i]);
    return m;
}

void metrics_free(struct metrics *m)
{
    if (!m)
        return;
    for (unsigned i = 0; i < m->count; i++) {
        size_t at = 0;
        struct slice key;
        void *value;
        while (map_next(&m->series[i], &at, &key, &value)) {
            free(((struct metric_series *)value)->labels);
            free(value);
        }
        map_clear(&m->series[i]);
    }
    pthread_mutex_destroy(&m->lock);
    free(m->series);
    free(m);
}

static void add_labels(struct buf *b, const char *names, struct slice l1, struct slice l2)
{
    struct slice rest = slice_str(names);
    struct slice values[2] = {l1, l2};
    for (int i = 0; i < 2 && rest.len; i++) {
        struct slice name = slice_cut(&rest, ',');
        buf_addf(b, "%s%.*s=\"", i ? "," : "", SLICE_FMT(name));
        text_add_json(b, values[i]);
        buf_add_char(b, '"');
    }
}

struct metric_series *metrics_series(struct metrics *m, unsigned family, struct slice l1,
                                     struct slice l2)
{
    struct buf labels;
    buf_init(&labels, 4096);
    add_labels(&labels, m->families[family].labels, l1, l2);
    pthread_mutex_lock(&m->lock);
    struct metric_series *s = map_get(&m->series[family], buf_slice(&labels));
    enum metric_type type = m->families[family].type;
    if (!s && map_count(&m->series[family]) >= (type == METRIC_GAUGE ? GAUGES_MAX : SERIES_MAX)) {
        buf_reset(&labels);
        add_labels(&labels, m->families[family].labels, SLICE_LIT("other"), SLICE_LIT("other"));
        s = map_get(&m->series[family], buf_slice(&labels));
    }
    if (!s) {
        size_t buckets = type == METRIC_HISTOGRAM ? BOUNDS : 0;
        s = xcalloc(1, sizeof *s + buckets * sizeof s->buckets[0]);
        s->labels = xslicedup(buf_slice(&labels));
        map_set(&m->series[family], buf_slice(&labels), s);
    }
    pthread_mutex_unlock(&m->lock);
    buf_clear(&labels);
    return s;
}

void metric_add(struct metric_series *s, uint64_t n)
{
    atomic_fetch_add_explicit(&s->count, n, memory_order_relaxed);
}

void metric_set(struct metric_series *s, double value)
{
    atomic_store_explicit(&s->value, value, memory_order_relaxed);
    atomic_store_explicit(&s->is_set, true, memory_order_relaxed);
}

void metric_observe(struct metric_series *s, double seconds)
{
    size_t i = 0;
    while (i < BOUNDS && seconds > bounds[i])
        i++;
    if (i < BOUNDS)
        atomic_fetch_add_explicit(&s->buckets[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->sum_us, seconds > 0 ? (uint64_t)(seconds * 1e6) : 0,
                              memory_order_relaxed);
}

void metrics_unset(struct metrics *m, unsigned family)
{
    size_t at = 0;
    struct slice key;
    void *value;
    pthread_mutex_lock(&m->lock);
    while (map_next(&m->series[family], &at, &key, &value))
        atomic_store_explicit(&((struct metric_series *)value)->is_set, false,
                              memory_order_relaxed);
    pthread_mutex_unlock(&m->lock);
}

_Static_assert(BOUNDS + 1 == METRIC_BUCKETS, "one bucket more than bounds");

double metric_bound(size_t i)
{
    return bounds[i];
}

struct slice metric_label(struct slice labels, unsigned n)
{
    for (; n > 0; n--) {
        slice_cut(&labels, '"');
        slice_cut(&labels, '"');
    }
    slice_cut(&labels, '"');
    return slice_cut(&labels, '"');
}

void metrics_read(struct metrics *m, unsigned family, metric_fn fn, void *ctx)
{
    bool is_histogram = m->families[family].type == METRIC_HISTOGRAM;
    size_t at = 0;
    struct slice key;
    void *value;
    pthread_mutex_lock(&m->lock);
    while (map_next(&m->series[family], &at, &key, &value)) {
        const struct metric_series *s = value;
        uint64_t buckets[METRIC_BUCKETS] = {0}, sum = 0;
        for (size_t i = 0; is_histogram && i < BOUNDS; i++) {
            buckets[i] = atomic_load_explicit(&s->buckets[i], memory_order_relaxed);
            sum += buckets[i];
        }
        uint64_t count = atomic_load_explicit(&s->count, memory_order_relaxed);
        buckets[BOUNDS] = count > sum ? count - sum : 0;
        struct metric_reading r = {slice_str(s->labels), count, is_histogram ? buckets : NULL};
        fn(ctx, &r);
    }
    pthread_mutex_unlock(&m->lock);
}

static void write_histogram(struct buf *out, const char *name, const struct metric_series *s)
{
    const char *comma = *s->labels ? "," : "";
    uint64_t sum = 0;
    for (size_t i = 0; i < BOUNDS; i++) {
        sum += atomic_load_explicit(&s->buckets[i], memory_order_relaxed);
        buf_addf(out, "%s_bucket{%s%sle=\"%g\"} %llu\n", name, s->labels, comma, bounds[i],
                 (unsigned long long)sum);
    }
    unsigned long long count = atomic_load_explicit(&s->count, memory_order_relaxed);
    double total = (double)atomic_load_explicit(&s->sum_us, memory_order_relaxed) / 1e6;
    buf_addf(out, "%s_bucket{%s%sle=\"+Inf\"} %llu\n", name, s->labels, comma, count);
    const char *open = *s->labels ? "{" : "", *close = *s->labels ? "}" : "";
    buf_addf(out, "%s_sum%s%s%s %.6f\n", name, open, s->labels, close, total);
    buf_addf(out, "%s_count%s%s%s %llu\n", name, open, s->labels, close, count);
}

static void write_series(struct buf *out, const struct metric_family *f,
                         const struct metric_series *s)
{
    if (f->type == METRIC_HISTOGRAM) {
        write_histogram(out, f->name, s);
        return;
    }
    if (f->type != METRIC_COUNTER && !atomic_load_explicit(&s->is_set, memory_order_relaxed))
        return;
    if (*s->labels)
        buf_addf(out, "%s{%s} ", f->name, s->labels);
    else
        buf_addf(out, "%s ", f->name);
    if (f->type == METRIC_COUNTER)
        buf_addf(out, "%llu\n",
                 (unsigned long long)atomic_load_explicit(&s->count, memory_order_relaxed));
    else
        buf_addf(out, "%.15g\n", atomic_load_explicit(&s->value, memory_order_relaxed));
}

void metrics_write(struct metrics *m, struct buf *out)
{
    pthread_mutex_lock(&m->lock);
    for (unsigned i = 0; i < m->count; i++) {
        const struct metric_family *f = &m->families[i];
        buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name,
                 type_words[f->type]);
        size_t at = 0;
        struct slice key;
        void *value;
        while (map_next(&m->series[i], &at, &key, &value))
            write_series(out, f, value);
    }
    pthread_mutex_unlock(&m->lock);
}
