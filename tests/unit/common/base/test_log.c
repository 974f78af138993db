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

/* What was written since the last call. */
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

/* A line that cannot be written is not waited for. The next one says how many are missing. */
static void test_lost_lines_are_counted(void **state)
{
    (void)state;
    char filler[4096] = {0};
    int flags = fcntl(STDERR_FILENO, F_GETFL);
    assert_int_equal(fcntl(STDERR_FILENO, F_SETFL, flags | O_NONBLOCK), 0);
    while (write(STDERR_FILENO, filler, sizeof filler) > 0)
        ;
    LOG(LL_INFO, "thing.lost", LI("n", 1));
    LOG(LL_INFO, "thing.lost", LI("n", 2));
    while (read(read_end, filler, sizeof filler) > 0)
        ;
    LOG(LL_INFO, "thing.seen", LI("n", 3));
    const char *line = written();
    assert_null(strstr(line, "thing.lost"));
    assert_non_null(strstr(line, "\"msg\":\"thing.seen\",\"n\":3}\n"));
    assert_non_null(strstr(line, "\"msg\":\"log.lost\",\"lines\":2}\n"));
    LOG(LL_INFO, "thing.seen", LI("n", 4));
    assert_null(strstr(written(), "log.lost"));
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
        WITH(test_lost_lines_are_counted),
        WITH(test_a_call_site_may_say_three_lines_a_second),
        WITH(test_the_first_window_begins_at_time_zero),
        WITH(test_lines_of_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
