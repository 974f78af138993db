#include "dispatcher/transport/egress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define LIST_MAX 4

/* Space-separated ranges. */
static size_t read_list(const char *text, struct cidr list[LIST_MAX])
{
    size_t n = 0;
    struct slice rest = slice_str(text);
    while (rest.len) {
        assert_true(n < LIST_MAX);
        assert_int_equal(cidr_parse(slice_cut(&rest, ' '), &list[n++], NULL), OK);
    }
    return n;
}

struct row {
    const char *allow, *deny, *address; /* ALLOW is the list of both kinds of URL */
    bool configured, api;               /* may a URL of that origin be connected there? */
};

static void judges_addresses(void **state)
{
    (void)state;
    static const struct row rows[] = {
        /* neither list: only what came through the API is kept from special ranges */
        {"", "", "93.184.216.34", true, true},
        {"", "", "127.0.0.1", true, false},
        {"", "", "10.1.2.3", true, false},
        {"", "", "169.254.169.254", true, false},
        {"", "", "0.0.0.0", true, false},
        {"", "", "224.0.0.1", true, false},
        {"", "", "::1", true, false},
        {"", "", "fe80::1", true, false},
        {"", "", "fd00::1", true, false},
        {"", "", "::ffff:127.0.0.1", true, false},
        {"", "", "64:ff9b::7f00:1", true, false},
        {"", "", "2606:2800:220:1::1", true, true},
        /* allow opens for the API */
        {"10.1.0.0/16", "", "10.1.2.3", true, true},
        {"10.1.0.0/16", "", "10.2.2.3", true, false},
        {"::1", "", "::1", true, true},
        /* the machine itself only by its very address */
        {"127.0.0.0/8", "", "127.0.0.1", true, false},
        {"127.0.0.1/32", "", "127.0.0.1", true, true},
        {"127.0.0.1/32", "", "127.0.0.2", true, false},
        {"127.0.0.1/32", "", "::ffff:127.0.0.1", true, true},
        {"::/0", "", "::1", true, false},
        {"0.0.0.0/0", "", "0.0.0.0", true, false},
        {"0.0.0.0/0", "", "10.1.2.3", true, true},
        /* deny closes for both */
        {"", "93.184.216.0/24", "93.184.216.34", false, false},
        {"", "127.0.0.0/8", "127.0.0.1", false, false},
        {"", "127.0.0.0/8", "::ffff:127.0.0.1", false, false},
        {"", "0.0.0.0/0", "93.184.216.34", false, false},
        {"", "0.0.0.0/0", "2606:2800:220:1::1", true, true},
        /* both: an allowed address is open */
        {"10.1.0.0/16", "10.0.0.0/8", "10.1.2.3", true, true},
        {"10.1.0.0/16", "10.0.0.0/8", "10.2.2.3", false, false},
        {"10.0.0.0/8", "10.1.2.3", "10.1.2.3", true, true},
        {"10.0.0.0/8", "10.1.2.3", "10.1.2.4", true, true},
        {"10.0.0.0/8", "10.0.0.0/8", "10.1.2.3", true, true},
        {"0.0.0.0/0", "0.0.0.0/0", "127.0.0.1", true, false},
        /* each spelling of an IPv4 address */
        {"", "93.184.216.34", "64:ff9b::5db8:d822", false, false},
        {"", "93.184.216.34", "64:ff9b::5db8:d823", true, true},
        {"", "93.184.216.34", "2002:5db8:d822::1", false, false},
        {"", "93.184.216.34", "::93.184.216.34", false, false},
        {"", "93.184.216.34", "::ffff:0:93.184.216.34", false, false},
        {"", "93.184.216.34", "64:ff9b:1::5db8:d822", false, false},
        {"", "93.184.216.34", "64:ff9b:1:5db8:d8:2200::", false, false},
        {"", "93.184.216.34", "64:ff9b:1:5d:b8:d822::", false, false},
        {"", "93.184.216.34", "64:ff9b:1::5d:b8d8:2200:0", false, false},
        {"", "93.184.216.34", "64:ff9b:1:1234:5d:b8d8:22ff:ffff", false, false},
        {"", "93.184.216.34", "64:ff9b:1::5db8:d823", true, false},
        {"", "0.0.0.0/8", "64:ff9b:1::5db8:d823", true, false},
        {"10.1.0.0/16", "10.0.0.0/8", "64:ff9b::10.1.2.3", true, true},
        {"10.1.0.0/16", "10.0.0.0/8", "64:ff9b::10.2.2.3", false, false},
        {"64:ff9b::/96", "10.0.0.0/8", "64:ff9b::10.1.2.3", false, false},
        {"64:ff9b::/96", "64:ff9b::/96", "64:ff9b::8.8.8.8", true, true},
        {"10.0.0.0/8", "64:ff9b::/96", "64:ff9b::10.1.2.3", false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *row = &rows[i];
        struct cidr allow[LIST_MAX], deny[LIST_MAX], address;
        struct egress e = {.allow = allow, .allow_accounts = allow, .deny = deny};
        e.allow_count = e.allow_accounts_count = read_list(row->allow, allow);
        e.deny_count = read_list(row->deny, deny);
        assert_int_equal(cidr_parse(slice_str(row->address), &address, NULL), OK);
        if (egress_allows(&e, &address.base, false) != row->configured ||
            egress_allows(&e, &address.base, true) != row->api)
            fail_msg("row %zu: allow [%s] deny [%s] %s", i, row->allow, row->deny, row->address);
    }
}

static void the_api_does_not_reach_the_machine_itself(void **state)
{
    (void)state;
    static const char *const rows[] = {"198.41.0.4", "::ffff:198.41.0.4", "2606:2800:220:1::1",
                                       "64:ff9b::198.41.0.4"};
    struct cidr own[2], address, allow;
    struct addr addrs[2];
    assert_int_equal(cidr_parse(SLICE_LIT("198.41.0.4"), &own[0], NULL), OK);
    assert_int_equal(cidr_parse(SLICE_LIT("2606:2800:220:1::1"), &own[1], NULL), OK);
    addrs[0] = own[0].base;
    addrs[1] = own[1].base;
    struct egress e = {.own = addrs, .own_count = 2};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(cidr_parse(slice_str(rows[i]), &address, NULL), OK);
        assert_true(egress_allows(&e, &address.base, false));
        assert_false(egress_allows(&e, &address.base, true));
    }
    assert_int_equal(cidr_parse(SLICE_LIT("198.41.0.5"), &address, NULL), OK);
    assert_true(egress_allows(&e, &address.base, true));
    assert_int_equal(cidr_parse(SLICE_LIT("198.41.0.4"), &allow, NULL), OK);
    e.allow = &allow;
    e.allow_count = 1;
    assert_false(egress_allows(&e, &addrs[0], true));
    e.allow_accounts = &allow;
    e.allow_accounts_count = 1;
    assert_true(egress_allows(&e, &addrs[0], true));
    assert_int_equal(cidr_parse(SLICE_LIT("198.41.0.0/24"), &allow, NULL), OK);
    assert_false(egress_allows(&e, &addrs[0], true));
}

static void refuses_what_is_no_internet_address(void **state)
{
    (void)state;
    struct egress e = {0};
    struct addr a = {.family = 0};
    assert_false(egress_allows(&e, &a, false));
    assert_false(egress_allows(&e, &a, true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judges_addresses),
        cmocka_unit_test(the_api_does_not_reach_the_machine_itself),
        cmocka_unit_test(refuses_what_is_no_internet_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
