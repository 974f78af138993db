#include "common/net/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct addr parsed(const char *text)
{
    struct cidr c;
    struct error e;
    if (cidr_parse(slice_str(text), &c, &e) != OK)
        fail_msg("%s: %s", text, e.text);
    return c.base;
}

static void every_special_range_is_special(void **state)
{
    (void)state;
    /* The first and the last address of each block that is not for the public (RFC 6890 and what came after), by what it is. */
    static const char *const special[] = {
        "0.0.0.0",
        "0.255.255.255", /* this network */
        "10.0.0.0",
        "10.255.255.255", /* private */
        "100.64.0.0",
        "100.127.255.255", /* carrier NAT */
        "127.0.0.1",
        "127.255.255.255", /* loopback */
        "169.254.0.0",
        "169.254.169.254",
        "169.254.255.255", /* link-local, cloud metadata */
        "172.16.0.0",
        "172.31.255.255",
        "192.0.0.0",
        "192.0.0.255",
        "192.0.2.1",
        "192.88.99.1", /* 6to4 relays */
        "192.168.0.0",
        "192.168.255.255",
        "198.18.0.0",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.255",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.0",
        "255.255.255.255",
        "168.63.129.16", /* Azure's platform */
        "::",
        "::1",
        "::10.0.0.1",
        "::8.8.8.8", /* unspecified, loopback, compatible */
        "::ffff:127.0.0.1",
        "::ffff:10.1.2.3",
        "::ffff:169.254.169.254", /* mapped */
        "64:ff9b::10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::169.254.169.254", /* NAT64 */
        "64:ff9b:1::1",
        "64:ff9b:1::8.8.8.8", /* local NAT64: layout unknown */
        "100::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "2001::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2", /* Teredo */
        "2001:1ff:ffff::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "2002:808:808::1", /* 6to4 */
        "3fff::1",
        "3fff:fff::1",
        "4000::1",
        "1fff::1",
    };
    for (size_t i = 0; i < sizeof special / sizeof special[0]; i++) {
        struct addr a = parsed(special[i]);
        if (!addr_is_special(&a))
            fail_msg("%s must be special", special[i]);
    }
}

static void the_public_internet_is_not_special(void **state)
{
    (void)state;
    static const char *const public[] = {
        "1.0.0.0",       "9.255.255.255",        "11.0.0.0",         "100.63.255.255",
        "100.128.0.0",   "126.255.255.255",      "128.0.0.0",        "169.253.255.255",
        "169.255.0.0",   "172.15.255.255",       "172.32.0.0",       "192.0.1.0",
        "192.0.3.0",     "192.167.255.255",      "192.169.0.0",      "198.17.255.255",
        "198.20.0.0",    "203.0.112.255",        "223.255.255.255",  "8.8.8.8",
        "168.63.129.17", "::ffff:8.8.8.8",       "64:ff9b::8.8.8.8", "2000::1",
        "2001:200::1",   "2001:4860:4860::8888", "2606:4700::1111",  "2a00:1450::1",
        "3ffe:ffff::1",  "3fff:1000::1",
    };
    for (size_t i = 0; i < sizeof public / sizeof public[0]; i++) {
        struct addr a = parsed(public[i]);
        if (addr_is_special(&a))
            fail_msg("%s must not be special", public[i]);
    }
}

static void no_address_is_special(void **state)
{
    (void)state;
    struct addr none = {0};
    char text[ADDR_TEXT];
    assert_true(addr_is_special(&none));
    addr_text(&none, text);
    assert_string_equal(text, "unix");
}

static void blocks_are_read_strictly(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "10.0.0.0/33",
        "10.0.0.1/8",
        "10.0.0.0/",
        "10.0.0.0/+8",
        "10.0.0/8",
        "010.0.0.0/8",
        "10.0.0.0/8/8",
        "0x0a000000",
        "167772160",
        "10.0.0.0 ",
        "2001:db8::/129",
        "2001:db8::1/64",
        "fe80::1%eth0",
        "[::1]",
        "localhost",
        "::ffff:10.0.0.0/95",
        "10.0.0.0/-1",
        "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd:eeee:ffff",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct cidr c;
        struct error e = {""};
        if (cidr_parse(slice_str(bad[i]), &c, &e) == OK)
            fail_msg("\"%s\" must be refused", bad[i]);
        assert_true(e.text[0] != '\0');
    }
    struct cidr c;
    assert_int_equal(cidr_parse(slice_make("10.0.0.1\0", 9), &c, NULL), ERR_INVALID);
}

static bool has(const char *block, const char *address)
{
    struct cidr c;
    assert_int_equal(cidr_parse(slice_str(block), &c, NULL), OK);
    struct addr a = parsed(address);
    return cidr_has(&c, &a);
}

static void blocks_hold_what_they_say(void **state)
{
    (void)state;
    assert_true(has("10.0.0.0/8", "10.255.0.1"));
    assert_false(has("10.0.0.0/8", "11.0.0.0"));
    assert_true(has("203.0.113.128/25", "203.0.113.128"));
    assert_false(has("203.0.113.128/25", "203.0.113.127"));
    assert_true(has("0.0.0.0/0", "8.8.8.8"));
    assert_false(has("0.0.0.0/0", "2000::1"));
    assert_true(has("::/0", "2000::1"));
    assert_false(has("::/0", "8.8.8.8"));
    assert_true(has("192.0.2.1", "192.0.2.1"));
    assert_false(has("192.0.2.1", "192.0.2.2"));
    assert_true(has("2001:db8::/33", "2001:db8:7fff::"));
    assert_false(has("2001:db8::/33", "2001:db8:8000::"));
    /* A mapped address is the IPv4 address, on both sides. */
    assert_true(has("10.0.0.0/8", "::ffff:10.1.1.1"));
    assert_true(has("::ffff:10.0.0.0/104", "10.1.1.1"));
    assert_false(has("::ffff:10.0.0.0/104", "11.1.1.1"));
}

static void socket_addresses_become_addresses(void **state)
{
    (void)state;
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(443)};
    struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(80)};
    struct sockaddr unix_peer = {.sa_family = AF_UNIX};
    struct addr a;
    char text[ADDR_TEXT];
    inet_pton(AF_INET6, "::ffff:192.0.2.7", &in6.sin6_addr);
    addr_from_sockaddr((struct sockaddr *)&in6, &a);
    addr_text(&a, text);
    assert_int_equal(a.family, 4);
    assert_int_equal(a.port, 443);
    assert_string_equal(text, "192.0.2.7");
    inet_pton(AF_INET6, "2001:db8::1", &in6.sin6_addr);
    addr_from_sockaddr((struct sockaddr *)&in6, &a);
    addr_text(&a, text);
    assert_string_equal(text, "2001:db8::1");
    inet_pton(AF_INET, "192.0.2.8", &in4.sin_addr);
    addr_from_sockaddr((struct sockaddr *)&in4, &a);
    addr_text(&a, text);
    assert_string_equal(text, "192.0.2.8");
    assert_int_equal(a.port, 80);
    addr_from_sockaddr(&unix_peer, &a);
    assert_int_equal(a.family, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_special_range_is_special),
        cmocka_unit_test(the_public_internet_is_not_special),
        cmocka_unit_test(no_address_is_special),
        cmocka_unit_test(blocks_are_read_strictly),
        cmocka_unit_test(blocks_hold_what_they_say),
        cmocka_unit_test(socket_addresses_become_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
