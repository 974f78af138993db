#include "common/base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static int read_end, old_stderr;
static char lines[64 * 1024];

/* stderr is a pipe while a test runs, so that its lines can be read. */
static int begin(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    read_end = ends[0];
    assert_int_equal(fcntl(read_end, F_SETFL, O_NONBLOCK), 0);
    old_stderr = dup(STDERR_FILENO);
    assert_true(old_stderr >= 0);
    assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    close(ends[1]);
    unsetenv("HOOKPACE_LOG");
    unsetenv("HOOKPACE_LOG_FORMAT");
    assert_true(log_init("tester"));
    return 0;
}

static int end(void **state)
{
    (void)state;
    assert_int_equal(dup2(old_stderr, STDERR_FILENO), STDERR_FILENO);
    close(old_stderr);
    close(read_end);
    return 0;
}

/* Returns the lines written since the last call. */
static const char *written(void)
{
    ssize_t n = read(read_end, lines, sizeof lines - 1);
    lines[n > 0 ? n : 0] = 0;
    return lines;
}

/* Fails unless one line was written that ends in what follows its fixed beginning. */
static void expect(const char *rest)
{
    char pid[64];
    const char *line = written();
    snprintf(pid, sizeof pid, "\"program\":\"tester\",\"pid\":%ld,", (long)getpid());
    const char *at = strstr(line, pid);
    assert_non_null(at);
    assert_string_equal(at + strlen(pid), rest);
}

static void test_a_line_is_json(void **state)
{
    (void)state;
    LOG(LL_INFO, "thing.done", LS("name", "a\"b"), LI("count", -3),
        LSL("bytes", slice_make("x\0y", 3)));
    expect("\"msg\":\"thing.done\",\"name\":\"a\\\"b\",\"count\":-3,\"bytes\":\"x\\u0000y\"}\n");
    LOG(LL_ERROR, "thing.failed", LS("reason", NULL), LI("least", INT64_MIN));
    expect("\"msg\":\"thing.failed\",\"reason\":\"\",\"least\":-9223372036854775808}\n");
}

static void test_a_line_begins_with_when_and_how_bad(void **state)
{
    (void)state;
    LOG(LL_WARN, "thing.odd", LI("n", 1));
    const char *line = written();
    assert_memory_equal(line, "{\"ts\":\"2", 8);
    assert_memory_equal(line + 7 + CLOCK_ISO_LEN - 1, "Z\",\"level\":\"warn\",", 17);
}

static void test_levels(void **state)
{
    (void)state;
    assert_false(log_enabled(LL_DEBUG));
    assert_true(log_enabled(LL_INFO));
    LOG(LL_DEBUG, "thing.seen", LI("n", 1));
    assert_string_equal(written(), "");
    setenv("HOOKPACE_LOG", "error", 1);
    assert_true(log_init("tester"));
    assert_false(log_enabled(LL_WARN));
    assert_true(log_enabled(LL_ERROR));
    setenv("HOOKPACE_LOG", "debug", 1);
    assert_true(log_init("tester"));
    assert_true(log_enabled(LL_DEBUG));
    setenv("HOOKPACE_LOG", "info", 1);
    assert_true(log_init("tester"));
}

static void test_unknown_settings_are_refused(void **state)
{
    (void)state;
    setenv("HOOKPACE_LOG", "loud", 1);
    assert_false(log_init("tester"));
    setenv("HOOKPACE_LOG", "", 1); /* as if it were not set */
    assert_true(log_init("tester"));
    setenv("HOOKPACE_LOG_FORMAT", "xml", 1);
    assert_false(log_init("tester"));
    setenv("HOOKPACE_LOG_FORMAT", "json", 1);
    assert_true(log_init("tester"));
}

static void test_a_value_is_cut_and_stays_text(void **state)
{
    (void)state;
    char value[2000];
    memset(value, 'x', sizeof value);
    memcpy(value + 1022, "\xe2\x82\xac", 3); /* the ceiling of 1024 bytes is inside of it */
    LOG(LL_INFO, "thing.long", LSL("value", slice_make(value, sizeof value)));
    const char *line = written();
    const char *at = strstr(line, "xx\\ufffd\\ufffd\"}\n");
    assert_non_null(at);
    assert_int_equal(strlen(at), strlen("xx\\ufffd\\ufffd\"}\n"));
}

static void test_zero_dropped_is_not_worth_a_field(void **state)
{
    (void)state;
    LOG(LL_INFO, "thing.done", LI("dropped", 0), LI("n", 0));
    expect("\"msg\":\"thing.done\",\"n\":0}\n");
    LOG(LL_INFO, "thing.done", LI("dropped", 2));
    expect("\"msg\":\"thing.done\",\"dropped\":2}\n");
}

static void fill_stderr(void)
{
    char filler[4096] = {0};
    int flags = fcntl(STDERR_FILENO, F_GETFL);
    assert_int_equal(fcntl(STDERR_FILENO, F_SETFL, flags | O_NONBLOCK), 0);
    while (write(STDERR_FILENO, filler, sizeof filler) > 0)
        ;
    assert_int_equal(fcntl(STDERR_FILENO, F_SETFL, flags),
                     0); /* a writer that waits now waits for ever */
}

static void empty_stderr(void)
{
    char filler[4096];
    while (read(read_end, filler, sizeof filler) > 0)
        ;
}

/* A line that cannot be written is not waited for. It leaves with the next one. */
static void test_lines_wait_for_their_reader(void **state)
{
    (void)state;
    fill_stderr();
    LOG(LL_INFO, "thing.late", LI("n", 1));
    LOG_EVENT(LL_INFO, "thing.late", LI("n", 2));
    log_flush();
    empty_stderr();
    LOG(LL_INFO, "thing.seen", LI("n", 3));
    const char *line = written();
    const char *first = strstr(line, "\"msg\":\"thing.late\",\"n\":1}\n");
    const char *second = strstr(line, "\"msg\":\"thing.late\",\"n\":2}\n");
    const char *third = strstr(line, "\"msg\":\"thing.seen\",\"n\":3}\n");
    assert_true(first && first < second && second < third);
    assert_null(strstr(line, "log.lost"));
}

struct count { /* plain value */
    int late, seen, lost;
};

enum { SEEN = 300 };

/* Logs SEEN lines, each after at most STEP bytes were read, and counts what leaves until there is no more. */
static struct count read_on(size_t step)
{
    static char all[1024 * 1024];
    size_t len = 0;
    struct count c = {0};
    for (int i = 0; i < SEEN; i++) {
        ssize_t n = read(read_end, all + len, step);
        len += n > 0 ? (size_t)n : 0;
        LOG(LL_INFO, "thing.seen", LI("n", 3));
    }
    for (ssize_t n; (n = read(read_end, all + len, sizeof all - 1 - len)) > 0; log_flush())
        len += (size_t)n;
    for (size_t i = 0; i < len; i++)
        all[i] = all[i] ? all[i] : ' '; /* what fill_stderr wrote */
    all[len] = 0;
    for (const char *at = all; (at = strstr(at, "\"thing.late\"")); at++)
        c.late++;
    for (const char *at = all; (at = strstr(at, "\"thing.seen\"")); at++)
        c.seen++;
    for (const char *at = all; (at = strstr(at, "\"log.lost\",\"lines\":")); at++)
        c.lost += atoi(at + strlen("\"log.lost\",\"lines\":"));
    return c;
}

/* There is room for 256 KiB of lines. The next line that can be written says how many are missing. */
static void test_lost_lines_are_counted(void **state)
{
    (void)state;
    enum { LINES = 5000 };
    fill_stderr();
    for (int i = 0; i < LINES; i++)
        LOG(LL_INFO, "thing.late", LI("n", 1));
    empty_stderr();
    struct count all = read_on(64 * 1024);
    assert_true(all.late > 1000 && all.lost > 1000);
    assert_int_equal(all.late + all.seen + all.lost, LINES + SEEN);
}

/* Lines are longer than what a pipe takes at once, and after a page there is still too little room, even for the line that
 * says how many are missing. */
static void test_a_slow_reader_gets_the_number_of_lost_lines(void **state)
{
    (void)state;
    enum { LINES = 100 };
    /* The 36th line is the last one that has room, and leaves less than a page. */
    char pad[1007] = "";
    memset(pad, 'x', sizeof pad - 1);
    fill_stderr();
    for (int i = 0; i < LINES; i++)
        LOG(LL_INFO, "thing.late", LS("a", pad), LS("b", pad), LS("c", pad), LS("d", pad),
            LS("e", pad), LS("f", pad), LS("g", pad));
    struct count all = read_on(4096);
    assert_true(all.late > 30 && all.lost > 50);
    assert_int_equal(all.late + all.seen + all.lost, LINES + SEEN);
}

/* Lines that wait leave together, in one write, and in front of a line that does not wait. */
static void test_lines_of_events_leave_together(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++)
        LOG_EVENT(LL_INFO, "thing.done", LI("n", i), LSO("none", SLICE_LIT("")), LT("no", false));
    LOG_EVENT(LL_DEBUG, "thing.seen", LI("n", 1));
    assert_string_equal(written(), "");
    log_flush();
    const char *line = written();
    for (int i = 0; i < 20; i++) {
        char end[64];
        snprintf(end, sizeof end, "\"msg\":\"thing.done\",\"n\":%d}\n", i);
        const char *at = strstr(line, end);
        assert_non_null(at);
        assert_null(memchr(line, '\n', (size_t)(at - line))); /* it is the next line */
        line = at + strlen(end);
    }
    assert_string_equal(line, "");
    LOG_EVENT(LL_INFO, "thing.first", LT("yes", true), LIO("count", 0), LIO("more", 2));
    LOG(LL_INFO, "thing.second", LI("n", 2));
    line = written();
    const char *first = strstr(line, "\"msg\":\"thing.first\",\"yes\":true,\"more\":2}\n");
    assert_true(first && first < strstr(line, "thing.second"));
    log_flush();
    assert_string_equal(written(), "");
}

static void test_many_waiting_lines_do_not_wait_for_a_flush(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++)
        LOG_EVENT(LL_INFO, "thing.done", LI("n", i));
    assert_non_null(strstr(written(), "\"n\":0}"));
    log_flush();
    written();
}

static void repeat(int times)
{
    for (int i = 0; i < times; i++)
        LOG_RARELY(LL_WARN, "thing.failed", LI("n", i));
}

/* When the trouble is over, nothing else would say how many lines it would have had. */
static void test_the_end_of_trouble_tells_what_was_left_out(void **state)
{
    (void)state;
    repeat(10);
    mono_us now = clock_mono_us();
    written();
    log_tell_left_out(now - 1000000);
    assert_string_equal(written(), ""); /* its second is not over */
    log_tell_left_out(now + 2000000);
    const char *line = written();
    assert_non_null(strstr(line, "\"level\":\"warn\""));
    assert_non_null(strstr(line, "\"msg\":\"log.left_out\",\"of\":\"thing.failed\",\"dropped\":"));
    log_tell_left_out(now + 4000000);
    assert_string_equal(written(), "");
}

static void test_a_call_site_may_say_three_lines_a_second(void **state)
{
    (void)state;
    struct log_limit limit = {0};
    uint32_t dropped = 9;
    for (int i = 0; i < 10; i++)
        assert_int_equal(log_allow(&limit, 5000000 + i, &dropped), i < 3);
    assert_int_equal(dropped, 0); /* nothing was dropped before the first window */
    assert_true(log_allow(&limit, 6000000, &dropped));
    assert_int_equal(dropped, 7);
    assert_true(log_allow(&limit, 6000001, &dropped));
    assert_true(log_allow(&limit, 6999999, &dropped));
    assert_false(log_allow(&limit, 6999999, &dropped));
    assert_true(log_allow(&limit, 99000000, &dropped)); /* after a while without a line */
    assert_int_equal(dropped, 1);
    assert_true(log_allow(&limit, 100000000, &dropped));
    assert_int_equal(dropped, 0);
}

static void test_the_first_window_begins_at_time_zero(void **state)
{
    (void)state;
    struct log_limit limit = {0};
    uint32_t dropped = 0;
    for (int i = 0; i < 5; i++)
        assert_int_equal(log_allow(&limit, 0, &dropped), i < 3);
}

/* Last: a format of text stays until the process ends. */
static void test_lines_of_text(void **state)
{
    (void)state;
    setenv("HOOKPACE_LOG_FORMAT", "text", 1);
    assert_true(log_init("tester"));
    LOG(LL_WARN, "thing.done", LS("name", "a\nb"), LI("n", 7));
    assert_string_equal(written() + CLOCK_ISO_LEN,
                        " warn  tester thing.done name=\"a\\u000ab\" n=7\n");
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(test_a_line_is_json),
        WITH(test_a_line_begins_with_when_and_how_bad),
        WITH(test_levels),
        WITH(test_unknown_settings_are_refused),
        WITH(test_a_value_is_cut_and_stays_text),
        WITH(test_zero_dropped_is_not_worth_a_field),
        WITH(test_lines_wait_for_their_reader),
        WITH(test_lost_lines_are_counted),
        WITH(test_a_slow_reader_gets_the_number_of_lost_lines),
        WITH(test_lines_of_events_leave_together),
        WITH(test_many_waiting_lines_do_not_wait_for_a_flush),
        WITH(test_the_end_of_trouble_tells_what_was_left_out),
        WITH(test_a_call_site_may_say_three_lines_a_second),
        WITH(test_the_first_window_begins_at_time_zero),
        WITH(test_lines_of_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
