#include "common/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <time.h>

static void expect(wall_ms at, const char *text)
{
    char out[CLOCK_ISO_LEN + 2] = {0};
    out[CLOCK_ISO_LEN + 1] = '!';
    clock_iso(at, out);
    assert_string_equal(out, text);
    assert_int_equal(out[CLOCK_ISO_LEN + 1], '!');
}

static void test_moments_as_text(void **state)
{
    (void)state;
    expect(0, "1970-01-01T00:00:00.000Z");
    expect(1, "1970-01-01T00:00:00.001Z");
    expect(999, "1970-01-01T00:00:00.999Z");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moments_as_text),
        cmocka_unit_test(test_moments_that_have_no_such_text),
        cmocka_unit_test(test_the_local_time_zone_does_not_matter),
        cmocka_unit_test(test_the_clocks_have_their_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
