/* The client behind proxies. 10.0.0.0/8 and 2001:db8:1::/48 are trusted; the connection comes from 10.0.0.1. */
#include "common/net/forwarded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define LISTED "X-Forwarded-For"
#define ELEMENTS "Forwarded"

static struct cidr list[3];
static const struct trusted_proxies trusted = {list, 3};

static int trust(void **state)
{
    (void)state;
    assert_int_equal(cidr_parse(SLICE_LIT("10.0.0.0/8"), &list[0], NULL), OK);
    assert_int_equal(cidr_parse(SLICE_LIT("2001:db8:1::/48"), &list[1], NULL), OK);
    assert_int_equal(cidr_parse(SLICE_LIT("127.0.0.1"), &list[2], NULL), OK);
    return 0;
}

/* LINES: up to four pairs of name and value. */
static void expect(const char *const lines[8], const char *client)
{
    struct http_field fields[4];
    struct http_head head = {.fields = fields};
    struct addr peer, out;
    char text[ADDR_TEXT];
    for (; head.count < 4 && lines[2 * head.count]; head.count++)
        fields[head.count] = (struct http_field){slice_str(lines[2 * head.count]),
                                                 slice_str(lines[2 * head.count + 1])};
    assert_int_equal(addr_parse(SLICE_LIT("10.0.0.1"), &peer), OK);
    enum http_fault f = forwarded_client(&head, &peer, &trusted, &out);
    if (!client) {
        assert_int_equal(f, FAULT_FORWARDED);
        return;
    }
    assert_int_equal(f, FAULT_NONE);
    addr_text(&out, text);
    if (strcmp(text, client) != 0)
        fail_msg("%s: %s: %s instead of %s", lines[0] ? lines[0] : "", lines[0] ? lines[1] : "",
                 text, client);
}

#define EXPECT(client, ...) expect((const char *const[8]){__VA_ARGS__}, client)

static void without_a_header_it_is_the_peer(void **state)
{
    (void)state;
    EXPECT("10.0.0.1", NULL);
    EXPECT("10.0.0.1", "X-Forwarded", "9.9.9.9", "X-Real-IP", "9.9.9.9");
}

static void the_last_untrusted_address_is_the_client(void **state)
{
    (void)state;
    EXPECT("192.0.2.1", LISTED, "192.0.2.1");
    EXPECT("192.0.2.1", "x-forwarded-for", " 192.0.2.1\t");
    EXPECT("192.0.2.2", LISTED, "192.0.2.1, 192.0.2.2");
    EXPECT("192.0.2.1", LISTED, "9.9.9.9, 192.0.2.1,10.1.1.1 , 10.2.2.2");
    EXPECT("192.0.2.1", LISTED, "9.9.9.9", LISTED, "192.0.2.1", "Host", "x", LISTED, "10.1.1.1");
    EXPECT("10.3.3.3", LISTED, "10.3.3.3, 10.1.1.1"); /* all are trusted: the first one */
    EXPECT("2001:db8::7", LISTED, "2001:db8::7, 2001:db8:1::1");
    EXPECT("192.0.2.1", LISTED, "9.9.9.9,, 192.0.2.1, ,"); /* empty entries do not count */
    EXPECT("192.0.2.1", LISTED, "::ffff:192.0.2.1");
    EXPECT("192.0.2.1", LISTED, "192.0.2.1, ::ffff:10.0.0.9");
}

static void entries_may_have_ports(void **state)
{
    (void)state;
    EXPECT("192.0.2.1", LISTED, "192.0.2.1:4711");
    EXPECT("2001:db8::7", LISTED, "[2001:db8::7]:4711");
    EXPECT("2001:db8::7", LISTED, "[2001:db8::7]");
    EXPECT("2001:db8::7", LISTED, "9.9.9.9, [2001:db8::7]:1, 10.0.0.2:80");
    EXPECT("10.0.0.1", LISTED, "192.0.2.1:");
    EXPECT("10.0.0.1", LISTED, "192.0.2.1:80:90");
    EXPECT("10.0.0.1", LISTED, "[2001:db8::7]80");
    EXPECT("10.0.0.1", LISTED, "[2001:db8::7]:");
    EXPECT("10.0.0.1", LISTED, "[2001:db8::7");
    EXPECT("10.0.0.1", LISTED, "[192.0.2.1]");
}

static void what_is_no_address_ends_the_chain(void **state)
{
    (void)state;
    static const char *const none[] = {
        "unknown",       "_hidden",     "localhost",           "192.0.2",
        "192.0.2.256",   "010.0.0.2",   "192.0.2.1/32",        "fe80::1%eth0",
        "\"192.0.2.1\"", "192.0.2.1;x", "192.0.2.1 192.0.2.2", "-",
        "0x7f.1"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        char after[128];
        EXPECT("10.0.0.1", LISTED, none[i]);
        snprintf(after, sizeof after, "192.0.2.1, %s, 10.7.7.7", none[i]);
        EXPECT("10.7.7.7", LISTED, after);
        snprintf(after, sizeof after, "%s, 192.0.2.1", none[i]);
        EXPECT("192.0.2.1", LISTED, after);
    }
}

static void elements_of_forwarded(void **state)
{
    (void)state;
    EXPECT("192.0.2.60", ELEMENTS, "for=192.0.2.60;proto=http;by=203.0.113.43");
    EXPECT("192.0.2.43", ELEMENTS, "For=192.0.2.43, for=10.0.0.7");
    EXPECT("2001:db8:cafe::17", ELEMENTS, "For=\"[2001:db8:cafe::17]:4711\"");
    EXPECT("192.0.2.43", ELEMENTS, "for=9.9.9.9, for=\"192.0.2.43:_port\"");
    EXPECT("192.0.2.43", ELEMENTS, "host=\"a,b;for=9.9.9.9\";for=192.0.2.43");
    EXPECT("192.0.2.43", ELEMENTS, "for=\"192.0.2.4\\3\"");
    EXPECT("192.0.2.43", ELEMENTS, "for=9.9.9.9", ELEMENTS, "proto=https;FOR=192.0.2.43");
    EXPECT("192.0.2.43", ELEMENTS, "for=192.0.2.43 ; by=_x , for=10.0.0.7;by=10.0.0.1");
}

static void elements_without_an_address_end_the_chain(void **state)
{
    (void)state;
    EXPECT("10.0.0.1", ELEMENTS, "for=unknown");
    EXPECT("10.0.0.1", ELEMENTS, "for=9.9.9.9, for=_hidden");
    EXPECT("10.0.0.1", ELEMENTS, "for=9.9.9.9, proto=https");
    EXPECT("10.0.0.1", ELEMENTS, "for=192.0.2.1;for=192.0.2.1");
    EXPECT("10.0.0.1", ELEMENTS, "for = 192.0.2.1");
    EXPECT("10.0.0.1", ELEMENTS, "192.0.2.1");
    EXPECT("10.0.0.1", ELEMENTS, "for=");
    EXPECT("10.0.0.1", ELEMENTS, "for=\"");
    EXPECT("10.0.0.1", ELEMENTS, "for=\"192.0.2.1");
    EXPECT("10.0.0.1", ELEMENTS, "for=\"192.0.2.1\\\"");
    EXPECT("10.0.0.7", ELEMENTS, "for=\"\\\", for=10.0.0.7");
}

/* A client may open a quote; the proxy appends to the same line. */
static void a_quote_of_the_clients_hides_nothing(void **state)
{
    (void)state;
    EXPECT("192.0.2.43", ELEMENTS, "for=9.9.9.9;x=\", for=192.0.2.43");
    EXPECT("192.0.2.43", ELEMENTS, "for=9.9.9.9;x=\"\\, for=192.0.2.43");
    EXPECT("192.0.2.43", ELEMENTS, "for=9.9.9.9;x=\"", ELEMENTS, "for=192.0.2.43");
    EXPECT("2001:db8::7", ELEMENTS, "for=9.9.9.9;x=\", for=\"[2001:db8::7]\"");
}

static void two_headers_must_agree(void **state)
{
    (void)state;
    EXPECT("192.0.2.1", LISTED, "192.0.2.1", ELEMENTS, "for=192.0.2.1");
    EXPECT("192.0.2.1", LISTED, "9.9.9.9, 192.0.2.1:80", ELEMENTS, "for=\"192.0.2.1:81\"");
    EXPECT(NULL, LISTED, "192.0.2.1", ELEMENTS, "for=192.0.2.2");
    EXPECT(NULL, LISTED, "192.0.2.1", ELEMENTS, "for=unknown");
    EXPECT(NULL, LISTED, "192.0.2.1", ELEMENTS, "");
    EXPECT(NULL, LISTED, "", ELEMENTS, "for=192.0.2.2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_header_it_is_the_peer),
        cmocka_unit_test(the_last_untrusted_address_is_the_client),
        cmocka_unit_test(entries_may_have_ports),
        cmocka_unit_test(what_is_no_address_ends_the_chain),
        cmocka_unit_test(elements_of_forwarded),
        cmocka_unit_test(elements_without_an_address_end_the_chain),
        cmocka_unit_test(a_quote_of_the_clients_hides_nothing),
        cmocka_unit_test(two_headers_must_agree),
    };
    return cmocka_run_group_tests(tests, trust, NULL);
}
