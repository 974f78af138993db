#include "common/net/http_peers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct peers p;

static unsigned slot(const char *text)
{
    struct cidr c;
    assert_int_equal(cidr_parse(slice_str(text), &c, NULL), OK);
    return peers_slot(&p, &c.base);
}

static int clear(void **state)
{
    (void)state;
    p = (struct peers){.key = {{0x0123456789abcdef, 0}}};
    return 0;
}

static void hosts_are_told_apart(void **state)
{
    (void)state;
    assert_int_equal(slot("192.0.2.1"), slot("192.0.2.1"));
    assert_int_not_equal(slot("192.0.2.1"), slot("192.0.2.2"));
    assert_int_equal(slot("2001:db8:0:1::1"),
                     slot("2001:db8:0:1:ffff::2")); /* one host's 64 bits */
    assert_int_not_equal(slot("2001:db8:0:1::1"), slot("2001:db8:0:2::1"));
    assert_int_equal(slot("::ffff:192.0.2.1"), slot("192.0.2.1"));
    unsigned before = slot("192.0.2.1"); /* not to be known from outside */
    p.key.k[0]++;
    assert_int_not_equal(slot("192.0.2.1"), before);
}

static void addresses_are_spread(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 64 * PEERS_SLOTS; i++) {
        struct addr a = {
            .ip = {10, (unsigned char)(i >> 16), (unsigned char)(i >> 8), (unsigned char)i},
            .family = 4};
        peers_add(&p, peers_slot(&p, &a));
    }
    for (unsigned i = 0; i < PEERS_SLOTS; i++)
        assert_in_range(p.counts[i], 64 / 4, 64 * 4);
}

static void a_hog_holds_more_than_twice_as_many(void **state)
{
    (void)state;
    assert_int_equal(peers_hog(&p, 5), PEERS_SLOTS);
    peers_add(&p, 7);
    peers_add(&p, 7);
    assert_int_equal(peers_hog(&p, 5), PEERS_SLOTS);
    peers_add(&p, 7);
    assert_int_equal(peers_hog(&p, 5), 7);
    assert_int_equal(peers_hog(&p, 7), PEERS_SLOTS); /* nobody is a hog to himself */
    peers_add(&p, 5);
    assert_int_equal(peers_hog(&p, 5), PEERS_SLOTS);
    peers_drop(&p, 5);
    peers_drop(&p, 7);
    assert_int_equal(peers_hog(&p, 5), PEERS_SLOTS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(hosts_are_told_apart, clear),
        cmocka_unit_test_setup(addresses_are_spread, clear),
        cmocka_unit_test_setup(a_hog_holds_more_than_twice_as_many, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
