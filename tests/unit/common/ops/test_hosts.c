#include "common/ops/hosts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static char first[] = "hookpace.example", second[] = "Queue";
static char *items[] = {first, second};

static void fits(const char *host, bool wanted)
{
    struct host_names names = {items, 2};
    if (hosts_fit(names, slice_str(host)) != wanted)
        fail_msg("%s", host);
}

static void test_names(void **state)
{
    (void)state;
    fits("hookpace.example", true);
    fits("HOOKPACE.example:8081", true);
    fits("hookpace.example.", true);
    fits("queue:1", true);
    fits("evil.example", false);
    fits("hookpace.example.evil.example:8081", false);
    fits("evil.hookpace.example", false);
    fits("hookpace.exampl", false);
    fits("1.2.3.4.evil.example", false);
    fits("localhost.evil.example", false);
}

static void test_addresses_cannot_be_rebound(void **state)
{
    (void)state;
    fits("127.0.0.1:8081", true);
    fits("10.0.0.1", true);
    fits("[::1]:8081", true);
    fits("localhost:8081", true);
    fits("", true);
}

static void test_without_names_any_name_fits(void **state)
{
    (void)state;
    struct host_names none = {0};
    assert_true(hosts_fit(none, SLICE_LIT("evil.example")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_addresses_cannot_be_rebound),
        cmocka_unit_test(test_without_names_any_name_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
