#include "dispatcher/transport/own_addrs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static bool has(const struct own_addrs *o, const char *text)
{
    struct cidr c;
    assert_int_equal(cidr_parse(slice_str(text), &c, NULL), OK);
    for (size_t i = 0; i < o->count; i++)
        if (addr_same(&o->list[i], &c.base))
            return true;
    return false;
}

static void loopback_is_ours(void **state)
{
    (void)state;
    struct own_addrs o;
    own_addrs_init(&o);
    own_addrs_refresh(&o, 1);
    assert_true(has(&o, "127.0.0.1"));
    assert_false(has(&o, "192.0.2.1"));
    own_addrs_clear(&o);
}

static void they_are_read_again_after_a_while(void **state)
{
    (void)state;
    struct own_addrs o;
    own_addrs_init(&o);
    own_addrs_refresh(&o, 5);
    o.count = 0;
    own_addrs_refresh(&o, 5 + 9999999);
    assert_int_equal(o.count, 0);
    own_addrs_refresh(&o, 5 + 10000000);
    assert_true(has(&o, "127.0.0.1"));
    own_addrs_clear(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loopback_is_ours),
        cmocka_unit_test(they_are_read_again_after_a_while),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
