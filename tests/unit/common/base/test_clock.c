#include "common/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <time.h>

static void expect(wall_ms at, const char *text)
{
    static struct clock_text last; /* of the call before */
    char out[CLOCK_ISO_LEN + 2] = {0};
    out[CLOCK_ISO_LEN + 1] = '!';
    clock_iso(at, out);
    assert_string_equal(out, text);
    assert_int_equal(out[CLOCK_ISO_LEN + 1], '!');
    assert_string_equal(clock_iso_again(&last, at), text);
}

static void test_moments_as_text(void **state)
{
    (void)state;
    expect(0, "1970-01-01T00:00:00.000Z");
    expect(1, "1970-01-01T00:00:00.001Z");
    expect(999, "1970-01-01T00:00:00.999Z");
    expect(20, "1970-01-01T00:00:00.020Z");
    expect(1000, "1970-01-01T00:00:01.000Z");
    expect(951782399999, "2000-02-28T23:59:59.999Z");
    expect(951782400000, "2000-02-29T00:00:00.000Z");  /* a leap year */
    expect(4107542400000, "2100-03-01T00:00:00.000Z"); /* 2100 is none */
    expect(253402300799999, "9999-12-31T23:59:59.999Z");
}

static void test_moments_that_have_no_such_text(void **state)
{
    (void)state;
    expect(-1, "1970-01-01T00:00:00.000Z");
    expect(7, "1970-01-01T00:00:00.007Z");
    expect(-7, "1970-01-01T00:00:00.000Z");
    expect(INT64_MIN, "1970-01-01T00:00:00.000Z");
    expect(253402300800000, "9999-12-31T23:59:59.999Z");
    expect(INT64_MAX, "9999-12-31T23:59:59.999Z");
}

static void test_the_local_time_zone_does_not_matter(void **state)
{
    (void)state;
    assert_int_equal(setenv("TZ", "Asia/Kathmandu", 1), 0);
    tzset();
    expect(0, "1970-01-01T00:00:00.000Z");
    assert_int_equal(unsetenv("TZ"), 0);
}

static void test_the_clocks_have_their_units(void **state)
{
    (void)state;
    struct timespec wall, mono;
    mono_us before = clock_mono_us();
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &mono), 0);
    mono_us after = clock_mono_us();
    int64_t between = (int64_t)mono.tv_sec * 1000000 + mono.tv_nsec / 1000;
    assert_true(before <= between && between <= after);
    assert_int_equal(clock_gettime(CLOCK_REALTIME, &wall), 0);
    int64_t off = clock_wall_ms() - (int64_t)wall.tv_sec * 1000;
    assert_true(off > -60000 &&
                off < 60000); /* somebody may set the clock meanwhile, but not by this much */
}

static void test_moments_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        wall_ms at;
    } good[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2026-11-21T02:15:49.123Z", INT64_C(1795227349123)},
        {"2026-11-21t02:15:49.123456z", INT64_C(1795227349123)},
        {"2026-11-21T03:15:49.1+01:00", INT64_C(1795227349100)},
        {"2026-11-20T20:45:49-05:30", INT64_C(1795227349000)},
        {"2024-02-29T12:00:00Z", INT64_C(1709208000000)},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        wall_ms at = -1;
        assert_true(clock_read_iso(good[i].text, strlen(good[i].text), &at));
        assert_int_equal(at, good[i].at);
    }
}

static void test_what_is_no_moment_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "2026",
        "2026-11-21T02:15:49",
        "2026-11-21 02:15:49Z",
        "2026-11-21T02:15:49.Z",
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:60Z",
        "2026-01-01T00:00:00+0100",
        "2026-01-01T00:00:00+24:00",
        "2026-01-01T00:00:00+01:60",
        "2026-01-01T00:00:00Z ",
        "1969-12-31T23:59:59Z",
        "-026-01-01T00:00:00Z",
        "2026-1a-01T00:00:00Z",
        "2026-01-01T00:00:-1Z",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        wall_ms at = -1;
        if (clock_read_iso(bad[i], strlen(bad[i]), &at))
            fail_msg("'%s' was read as %lld", bad[i], (long long)at);
        assert_int_equal(at, -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moments_as_text),
        cmocka_unit_test(test_moments_that_have_no_such_text),
        cmocka_unit_test(test_the_local_time_zone_does_not_matter),
        cmocka_unit_test(test_the_clocks_have_their_units),
        cmocka_unit_test(test_moments_are_read),
        cmocka_unit_test(test_what_is_no_moment_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
