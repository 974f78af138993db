#include "receiver/api/api_time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void writes(void **state)
{
    (void)state;
    char text[API_TIME_LEN + 1];
    api_time_write(INT64_C(1763691349123), text);
    assert_string_equal(text, "2025-11-21 02:15:49 +00:00");
    api_time_write(0, text);
    assert_string_equal(text, "1970-01-01 00:00:00 +00:00");
}

static void reads(void **state)
{
    (void)state;
    const struct {
        const char *text;
        wall_ms want;
    } rows[] = {
        {"2025-11-21 02:15:49 +00:00", INT64_C(1763691349000)},
        {"2025-11-21 02:15:49", INT64_C(1763691349000)},
        {"2025-11-21 04:15:49 +02:00", INT64_C(1763691349000)},
        {"2025-11-20 20:45:49 -05:30", INT64_C(1763691349000)},
        {"1970-01-01 00:00:00 +00:00", 0},
        {"2024-02-29 00:00:00 +00:00", INT64_C(1709164800000)},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        wall_ms at = -1;
        if (!api_time_read(slice_str(rows[i].text), &at) || at != rows[i].want)
            fail_msg("%s: %lld", rows[i].text, (long long)at);
    }
}

static void refuses(void **state)
{
    (void)state;
    const char *const rows[] = {"",
                                "2025-11-21",
                                "2025-11-21T02:15:49 +00:00",
                                "2025-11-21 02:15:49 +0000",
                                "2025-11-21 02:15:49+00:00",
                                "2025-11-21 02:15:49 +00:00 ",
                                "2025-11-21 02:15:49 +00:60",
                                "2025-11-21 02:15:49 +15:00",
                                "2025-11-21 24:00:00 +00:00",
                                "2025-11-21 02:60:49 +00:00",
                                "2025-11-21 02:15:61 +00:00",
                                "2025-13-01 02:15:49 +00:00",
                                "2025-00-01 02:15:49 +00:00",
                                "2025-11-00 02:15:49 +00:00",
                                "2025-02-29 02:15:49 +00:00",
                                "2025-11-31 02:15:49 +00:00",
                                "20x5-11-21 02:15:49 +00:00",
                                "2025-11-2  02:15:49 +00:00",
                                "2025-11-21 +2:15:49 +00:00",
                                "1763691349"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        wall_ms at;
        if (api_time_read(slice_str(rows[i]), &at))
            fail_msg("%s", rows[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes),
        cmocka_unit_test(reads),
        cmocka_unit_test(refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
