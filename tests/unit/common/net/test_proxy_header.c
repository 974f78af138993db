#include "common/net/proxy_header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4 "\xc0\x00\x02\x01\x0a\x00\x00\x01\x12\x67\x01\xbb"

/* CLIENT: "address port", "" for none, NULL for a bad header. A byte less must ask for more, and bytes behind do not matter. */
static void expect(struct slice bytes, const char *client)
{
    struct proxy_header h;
    const char *why = NULL;
    char shown[ADDR_TEXT], text[ADDR_TEXT + 8] = "";
    enum proxy_verdict v = proxy_header_read(bytes, &h, &why);
    if (!client) {
        if (v != PROXY_BAD || !why)
            fail_msg("not refused: %.*s", SLICE_FMT(bytes));
        return;
    }
    if (v != PROXY_DONE)
        fail_msg("%.*s: %s", SLICE_FMT(bytes), why ? why : "asks for more");
    addr_text(&h.client, shown);
    if (h.client.family)
        snprintf(text, sizeof text, "%s %u", shown, h.client.port);
    assert_string_equal(text, client);
    for (size_t n = 0; n < h.len; n++)
        assert_int_equal(proxy_header_read(slice_head(bytes, n), &h, &why), PROXY_MORE);
}

#define EXPECT(literal, client) expect(SLICE_LIT(literal), client)

static void version_1(void **state)
{
    (void)state;
    EXPECT("PROXY TCP4 192.0.2.1 198.51.100.2 4711 443\r\nGET /", "192.0.2.1 4711");
    EXPECT("PROXY TCP6 2001:db8::1 2001:db8::2 65535 0\r\n", "2001:db8::1 65535");
    EXPECT("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:198.51.100.2 1 2\r\n", "192.0.2.1 1");
    EXPECT("PROXY UNKNOWN\r\n", "");
    EXPECT("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", "");
}

static void malformed_lines_of_version_1(void **state)
{
    (void)state;
    EXPECT("PROXY TCP4 192.0.2.1 198.51.100.2 4711\r\n", NULL);
    EXPECT("PROXY TCP4 192.0.2.1 198.51.100.2 4711 443 1\r\n", NULL);
    EXPECT("PROXY TCP4  192.0.2.1 198.51.100.2 4711 443\r\n", NULL);
    EXPECT("PROXY TCP4 192.0.2.1 198.51.100.2 4711 65536\r\n", NULL);
    EXPECT("PROXY TCP4 192.0.2.1 198.51.100.2 -1 443\r\n", NULL);
    EXPECT("PROXY TCP4 192.0.2.1 198.51.100.2 04711 443\r\n", NULL);
    EXPECT("PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n", NULL);
    EXPECT("PROXY TCP6 192.0.2.1 198.51.100.2 1 2\r\n", NULL);
    EXPECT("PROXY TCP4 192.0.2.256 198.51.100.2 1 2\r\n", NULL);
    EXPECT("PROXY TCP5 192.0.2.1 198.51.100.2 1 2\r\n", NULL);
    EXPECT("PROXY UDP4 192.0.2.1 198.51.100.2 1 2\r\n", NULL);
    EXPECT("PROXY tcp4 192.0.2.1 198.51.100.2 1 2\r\n", NULL);
    EXPECT("PROXY \r\n", NULL);
    EXPECT("PROXY TCP4 192.0.2.1 198.51.100.2 4711 443\n", NULL);
    EXPECT("PROXY TCP4 192.0.2.1 198.51.100.2 4711 443\r ", NULL);
    EXPECT("PROXY TCP4 192.0.2.1 198.51.100.2\r4711 443\r\n", NULL);
    EXPECT("proxy TCP4 192.0.2.1 198.51.100.2 1 2\r\n", NULL);
    EXPECT("PROXYTCP4 192.0.2.1 198.51.100.2 1 2\r\n", NULL);
    char longest[PROXY_V1_MAX + 8];
    memset(longest, 'x', sizeof longest);
    memcpy(longest, "PROXY UNKNOWN ", 14);
    memcpy(longest + PROXY_V1_MAX - 2, "\r\n", 2);
    expect(slice_make(longest, sizeof longest), "");
    memcpy(longest + PROXY_V1_MAX - 2, "x\r\n", 3);
    expect(slice_make(longest, sizeof longest), NULL);
    expect(slice_make(longest, PROXY_V1_MAX), NULL);
}

static void version_2(void **state)
{
    (void)state;
    EXPECT(SIGNATURE "\x21\x11\x00\x0c" V4 "GET /", "192.0.2.1 4711");
    EXPECT(SIGNATURE "\x21\x21\x00\x24"
                     "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
                     "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02"
                     "\x12\x67\x01\xbb",
           "2001:db8::1 4711");
    EXPECT(SIGNATURE "\x21\x11\x00\x13" V4 "\x04\x00\x04"
                     "abcdGET /",
           "192.0.2.1 4711"); /* TLVs */
    EXPECT(SIGNATURE "\x20\x00\x00\x00", "");
    EXPECT(SIGNATURE "\x20\x11\x00\x0c" V4, ""); /* LOCAL: the addresses do not count */
    EXPECT(SIGNATURE "\x20\x11\x00\x01x", "");
    EXPECT(SIGNATURE "\x21\x00\x00\x00", ""); /* UNSPEC */
    EXPECT(SIGNATURE "\x21\x00\x00\x03xyz", "");
    EXPECT(SIGNATURE "\x21\x12\x00\x0c" V4, "192.0.2.1 4711"); /* UDP */
}

static void malformed_headers_of_version_2(void **state)
{
    (void)state;
    EXPECT(SIGNATURE "\x21\x11\x00\x0b" V4, NULL);
    EXPECT(SIGNATURE "\x21\x21\x00\x0c" V4, NULL);
    EXPECT(SIGNATURE "\x22\x11\x00\x0c" V4, NULL);
    EXPECT(SIGNATURE "\x11\x11\x00\x0c" V4, NULL);
    EXPECT(SIGNATURE "\x21\x11\x10\x00" V4, NULL); /* too long */
    EXPECT("\r\n\r\n\0\r\nQUIX", NULL);
    EXPECT("\r\n\r\n\r\n", NULL);
}

static void other_protocols(void **state)
{
    (void)state;
    EXPECT("GET / HTTP/1.1\r\n", NULL);
    EXPECT("\x16\x03\x01", NULL);
    EXPECT("POST", NULL); /* not even the first bytes fit */
    EXPECT("\n", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_1),       cmocka_unit_test(malformed_lines_of_version_1),
        cmocka_unit_test(version_2),       cmocka_unit_test(malformed_headers_of_version_2),
        cmocka_unit_test(other_protocols),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
