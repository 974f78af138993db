#include "common/base/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <stdio.h>

enum { EVENTS, ATTEMPTS, DEPTH, DELIVERY_SECONDS, INGEST_SECONDS, REQUEUES, DEAD, FAMILIES };

static const struct metric_family families[FAMILIES] = {
    [EVENTS] = {"t_events_total", METRIC_COUNTER, "source,result", "Events"},
    [ATTEMPTS] = {"t_attempts_total", METRIC_COUNTER, "destination,result", "Attempts"},
    [DEPTH] = {"t_queue_depth", METRIC_GAUGE, "lane", "Depth"},
    [DELIVERY_SECONDS] = {"t_delivery_seconds", METRIC_HISTOGRAM, "destination", "Delivery"},
    [INGEST_SECONDS] = {"t_ingest_seconds", METRIC_HISTOGRAM, "", "Ingest"},
    [REQUEUES] = {"t_requeues_total", METRIC_COUNTER, "lane", "Requeues"},
    [DEAD] = {"t_dead_letters", METRIC_GAUGE, "destination", "Dead"},
};

static struct metrics *m;
static struct buf text;

static int begin(void **state)
{
    (void)state;
    m = metrics_new(families, FAMILIES);
    buf_init(&text, 4 << 20);
    return 0;
}

static int end(void **state)
{
    (void)state;
    metrics_free(m);
    buf_clear(&text);
    return 0;
}

static const char *written(void)
{
    buf_reset(&text);
    metrics_write(m, &text);
    assert_false(text.failed);
    return buf_slice(&text).ptr;
}

/* Fails unless LINE is a line of what is written. */
static void expect(const char *line)
{
    char whole[400];
    snprintf(whole, sizeof whole, "\n%s\n", line);
    if (!strstr(written(), whole))
        fail_msg("no line %s in %s", line, text.ptr);
}

static struct metric_series *series(unsigned family, const char *l1, const char *l2)
{
    return metrics_series(m, family, slice_str(l1), slice_str(l2));
}

static void test_each_family_is_described_once(void **state)
{
    (void)state;
    metric_add(series(EVENTS, "a", "x"), 1);
    metric_add(series(EVENTS, "b", "x"), 1);
    expect("# TYPE t_events_total counter");
    expect("# TYPE t_queue_depth gauge");
    expect("# TYPE t_ingest_seconds histogram");
    const char *first = strstr(written(), "# TYPE t_events_total");
    assert_non_null(first);
    assert_null(strstr(first + 1, "# TYPE t_events_total"));
}

static void test_a_family_without_series_is_described_too(void **state)
{
    (void)state;
    assert_memory_equal(written(), "# HELP t_events_total Events\n# TYPE t_events_total counter\n",
                        58);
    expect("# HELP t_dead_letters Dead");
}

static void test_a_counter(void **state)
{
    (void)state;
    struct metric_series *s = series(EVENTS, "shop", "queued");
    expect("t_events_total{source=\"shop\",result=\"queued\"} 0");
    metric_add(s, 1);
    metric_add(s, 41);
    expect("t_events_total{source=\"shop\",result=\"queued\"} 42");
    metric_add(s, UINT64_MAX - 42);
    expect("t_events_total{source=\"shop\",result=\"queued\"} 18446744073709551615");
}

static void test_a_series_is_made_once(void **state)
{
    (void)state;
    struct metric_series *s = series(EVENTS, "a", "b");
    for (int i = 0; i < 100; i++) {
        char name[16];
        snprintf(name, sizeof name, "s%d", i);
        series(EVENTS, name, "b");
    }
    assert_ptr_equal(series(EVENTS, "a", "b"), s);
    assert_ptr_not_equal(series(EVENTS, "b", "a"), s);
    assert_ptr_not_equal(series(ATTEMPTS, "a", "b"), s);
}

static void test_a_gauge(void **state)
{
    (void)state;
    struct metric_series *s = series(DEPTH, "lane", "");
    metric_set(s, 3);
    expect("t_queue_depth{lane=\"lane\"} 3");
    metric_set(s, 0.25);
    expect("t_queue_depth{lane=\"lane\"} 0.25");
    metric_set(s, 123456789012345);
    expect("t_queue_depth{lane=\"lane\"} 123456789012345");
}

static void test_label_values_are_escaped(void **state)
{
    (void)state;
    metric_set(series(DEPTH, "a\"b\\c", ""), 1);
    expect("t_queue_depth{lane=\"a\\\"b\\\\c\"} 1");
}

static void test_a_histogram_has_cumulative_buckets(void **state)
{
    (void)state;
    struct metric_series *s = series(DELIVERY_SECONDS, "d", "");
    metric_observe(s, 0.001); /* a bound belongs to its bucket */
    metric_observe(s, 0.0011);
    metric_observe(s, 100); /* above the last bound */
    metric_observe(s, -1);  /* a clock was set back: counted, adds nothing to the sum */
    expect("t_delivery_seconds_bucket{destination=\"d\",le=\"0.0001\"} 1");
    expect("t_delivery_seconds_bucket{destination=\"d\",le=\"0.0005\"} 1");
    expect("t_delivery_seconds_bucket{destination=\"d\",le=\"0.001\"} 2");
    expect("t_delivery_seconds_bucket{destination=\"d\",le=\"0.0025\"} 3");
    expect("t_delivery_seconds_bucket{destination=\"d\",le=\"60\"} 3");
    expect("t_delivery_seconds_bucket{destination=\"d\",le=\"+Inf\"} 4");
    expect("t_delivery_seconds_count{destination=\"d\"} 4");
    expect("t_delivery_seconds_sum{destination=\"d\"} 100.002100");
}

static void test_a_family_without_labels(void **state)
{
    (void)state;
    metric_observe(series(INGEST_SECONDS, "ignored", "too"), 0.002);
    expect("t_ingest_seconds_bucket{le=\"0.0025\"} 1");
    expect("t_ingest_seconds_count 1");
    expect("t_ingest_seconds_sum 0.002000");
    assert_ptr_equal(series(INGEST_SECONDS, "", ""), series(INGEST_SECONDS, "ignored", "too"));
}

static void test_past_the_limit_series_are_one(void **state)
{
    (void)state;
    char name[16];
    for (int i = 0; i < 4096; i++) {
        snprintf(name, sizeof name, "lane-%d", i);
        series(REQUEUES, name, "");
    }
    metric_add(series(REQUEUES, "one more", ""), 1);
    metric_add(series(REQUEUES, "yet another", ""), 2);
    metric_add(series(REQUEUES, "lane-4095", ""), 5); /* this one was there before */
    expect("t_requeues_total{lane=\"other\"} 3");
    expect("t_requeues_total{lane=\"lane-4095\"} 5");
    metric_set(series(DEAD, "fits", ""), 1); /* the limit is one of each family */
    expect("t_dead_letters{destination=\"fits\"} 1");
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(test_each_family_is_described_once),
        WITH(test_a_family_without_series_is_described_too),
        WITH(test_a_counter),
        WITH(test_a_series_is_made_once),
        WITH(test_a_gauge),
        WITH(test_label_values_are_escaped),
        WITH(test_a_histogram_has_cumulative_buckets),
        WITH(test_a_family_without_labels),
        WITH(test_past_the_limit_series_are_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
