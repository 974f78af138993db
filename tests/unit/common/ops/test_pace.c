#include "common/ops/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define START INT64_C(5000000)
#define SECOND INT64_C(1000000)

static struct addr address(unsigned last)
{
    struct addr a = {.family = 4};
    a.ip[3] = (unsigned char)last;
    a.ip[2] = (unsigned char)(last >> 8);
    return a;
}

/* COUNT calls of NAME at once, which must all be let in. */
static void call(struct pace *p, const char *name, unsigned from, int count, mono_us now)
{
    struct addr a = address(from);
    for (int i = 0; i < count; i++)
        assert_int_equal(pace_take(p, slice_str(name), &a, now).verdict, PACE_OK);
}

static struct pace_result refused(struct pace *p, const char *name, unsigned from, mono_us now)
{
    struct addr a = address(from);
    struct pace_result r = pace_take(p, slice_str(name), &a, now);
    assert_int_not_equal(r.verdict, PACE_OK);
    return r;
}

static void test_an_account_has_its_limit_from_all_addresses_together(void **state)
{
    (void)state;
    struct pace *p = pace_new();
    call(p, "root", 1, PACE_ACCOUNT_CALLS / 2, START);
    call(p, "root", 2, PACE_ACCOUNT_CALLS / 2, START);
    struct pace_result r = refused(p, "root", 3, START);
    assert_int_equal(r.verdict, PACE_ACCOUNT);
    assert_int_equal(r.retry_s, 1);
    call(p, "other", 1, 10, START);
    refused(p, "root", 1, START + PACE_ACCOUNT_US - 1);
    call(p, "root", 1, 1, START + PACE_ACCOUNT_US);
    refused(p, "root", 1, START + PACE_ACCOUNT_US);
    call(p, "root", 1, SECOND / PACE_ACCOUNT_US, START + PACE_ACCOUNT_US + SECOND);
    refused(p, "root", 1, START + PACE_ACCOUNT_US + SECOND);
    call(p, "root", 1, PACE_ACCOUNT_CALLS, START + 60 * SECOND);
    pace_free(p);
}

static void test_one_account_does_not_use_up_its_address(void **state)
{
    (void)state;
    struct pace *p = pace_new();
    call(p, "root", 1, PACE_ACCOUNT_CALLS, START);
    for (int i = 0; i < 10 * PACE_ADDRESS_CALLS; i++)
        refused(p, "root", 1, START);
    call(p, "other", 1, PACE_ADDRESS_CALLS - PACE_ACCOUNT_CALLS, START);
    assert_int_equal(refused(p, "third", 1, START).verdict, PACE_ADDRESS);
    call(p, "third", 2, PACE_ACCOUNT_CALLS, START); /* the refused call does not count */
    pace_free(p);
}

static void test_many_names_push_out_no_account_at_its_limit(void **state)
{
    (void)state;
    struct pace *p = pace_new();
    char name[16];
    call(p, "root", 1, PACE_ACCOUNT_CALLS, START);
    for (unsigned i = 0; i < 20000; i++) {
        snprintf(name, sizeof name, "n%u", i);
        call(p, name, 2 + i, 1, START);
    }
    assert_int_equal(refused(p, "root", 1, START).verdict, PACE_ACCOUNT);
    pace_free(p);
}

static void test_a_network_of_ipv6_is_one_address(void **state)
{
    (void)state;
    struct pace *p = pace_new();
    struct addr a = {.family = 6, .ip = {0x20, 1, 0xd, 0xb8}};
    for (int i = 0; i < PACE_ADDRESS_CALLS; i++) {
        a.ip[15] = (unsigned char)i;
        assert_int_equal(pace_take(p, slice_str(i % 2 ? "root" : "other"), &a, START).verdict,
                         PACE_OK);
    }
    assert_int_equal(pace_take(p, slice_str("third"), &a, START).verdict, PACE_ADDRESS);
    a.ip[7] = 1;
    assert_int_equal(pace_take(p, slice_str("third"), &a, START).verdict, PACE_OK);
    pace_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_account_has_its_limit_from_all_addresses_together),
        cmocka_unit_test(test_one_account_does_not_use_up_its_address),
        cmocka_unit_test(test_many_names_push_out_no_account_at_its_limit),
        cmocka_unit_test(test_a_network_of_ipv6_is_one_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
