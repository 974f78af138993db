/* retry_after: seconds and the three date formats are read, anything else is ignored. */
#include "dispatcher/transport/retry_after.h"

#include "dispatcher/transport/transport.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NOW INT64_C(784111777000) /* Sun, 06 Nov 1994 08:49:37 GMT */
#define DAY RETRY_AFTER_MAX_MS

struct row {
    const char *value;
    int64_t wait_ms;
};

static void reads_retry_after(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"0", 0},
        {"1", 1000},
        {" 120 ", 120000},
        {"86400", DAY},
        {"86401", DAY},
        {"99999999999999999999999999999999", DAY},
        {"000000000000000000000000000000000000000000000000001",
         DAY}, /* more digits than are read */
        {"Sun, 06 Nov 1994 08:49:37 GMT", 0},
        {"Sun, 06 Nov 1994 08:49:38 GMT", 1000},
        {"Sun, 06 Nov 1994 08:49:36 GMT", 0},
        {"Sunday, 06-Nov-94 08:50:37 GMT", 60000},
        {"Sun Nov  6 09:49:37 1994", 3600000},
        {"Mon Nov 17 00:00:00 1994", DAY},
        {"Mon, 07 Nov 1994 08:49:37 GMT", DAY},
        {"Fri, 31 Dec 9999 23:59:59 GMT", DAY},
        {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
        {"Sun, 06 Nov 1994 08:49:60 GMT", 23000},
        /* not understood */
        {"", -1},
        {"   ", -1},
        {"-1", -1},
        {"+5", -1},
        {"1.5", -1},
        {"0x10", -1},
        {"1e3", -1},
        {"5 seconds", -1},
        {"5, 6", -1},
        {"soon", -1},
        {"Sun, 06 Nov 1994 08:49:37", -1},
        {"Sun, 06 Nov 1994 08:49:37 CET", -1},
        {"Sun, 06 Nov 1994 08:49:37 GMT, junk", -1},
        {"Sun, 32 Nov 1994 08:49:37 GMT", -1},
        {"Sun, 00 Nov 1994 08:49:37 GMT", -1},
        {"Sun, 06 Foo 1994 08:49:37 GMT", -1},
        {"Sun, 39 Nov 1994 08:49:37 GMT", -1},
        {"Sun, 06 Nov 0094 08:49:37 GMT", -1},
        {"GMT, 06 Nov 1994 08:49:37 GMT", -1},
        {"Friday, 44-Nov-25 08:49:37 GMT", -1},
        {"Sunday, 06-Nov-94 25:49:37 GMT", -1},
        {"Sun Nov 44 08:49:37 1994", -1},
        {"Sun Nov  0 08:49:37 1994", -1},
        {"Sun Nov  6 25:49:37 1994", -1},
        {"EST Nov  6 08:49:38 1994", -1},
        {"Sun, 06 Nov 1994 24:49:37 GMT", -1},
        {"Sun, 06 Nov 1994 08:60:37 GMT", -1},
        {"Sun, 06 Nov 1969 08:49:37 GMT", -1},
        {"Sun, 06 Nov 99994 08:49:37 GMT", -1},
        {"Sun,06 Nov 1994 08:49:37 GMT", -1},
        {", 06 Nov 1994 08:49:37 GMT", -1},
        {"Sun Nov 6 09:49:37 1994", -1},
        {"Sun Nov  6 09:49:37 1994 GMT", -1},
        {"1111111111111111111111111111111111111111111111111111111111111111111111111111111", -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t got = retry_after_ms(slice_str(rows[i].value), NOW);
        if (got != rows[i].wait_ms)
            fail_msg("\"%s\": %lld, not %lld", rows[i].value, (long long)got,
                     (long long)rows[i].wait_ms);
    }
}

static void counts_leap_years(void **state)
{
    (void)state;
    const wall_ms leap = INT64_C(1709164800000); /* Thu, 29 Feb 2024 00:00:00 GMT */
    assert_int_equal(retry_after_ms(SLICE_LIT("Thu, 29 Feb 2024 00:00:01 GMT"), leap), 1000);
    assert_int_equal(retry_after_ms(SLICE_LIT("Fri, 01 Mar 2024 00:00:00 GMT"), leap), DAY);
    assert_int_equal(retry_after_ms(SLICE_LIT("Thu, 29 Feb 2024 23:59:59 GMT"), leap), DAY - 1000);
}

static void every_prefix_is_survived(void **state)
{
    (void)state;
    static const char *const dates[] = {"Sun, 06 Nov 1994 08:49:37 GMT",
                                        "Sunday, 06-Nov-94 08:49:37 GMT",
                                        "Sun Nov  6 08:49:37 1994"};
    for (size_t i = 0; i < 3; i++)
        for (size_t n = 0; n < strlen(dates[i]); n++)
            assert_int_equal(retry_after_ms(slice_make(dates[i], n), NOW), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_retry_after),
        cmocka_unit_test(counts_leap_years),
        cmocka_unit_test(every_prefix_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
