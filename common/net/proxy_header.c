#include "common/net/proxy_header.h"

#include "common/base/text.h"

enum { V2_COMMAND_AT = 12, V2_FAMILY_AT = 13, V2_LENGTH_AT = 14 };
enum { V2_LOCAL = 0x20, V2_PROXY = 0x21 };
enum { V2_INET = 1, V2_INET6 = 2, V2_UNIX = 3 };

static const char v2_signature[] = "\r\n\r\n\0\r\nQUIT\n";
#define V2_SIGNATURE SLICE_LIT(v2_signature)
#define V1_START SLICE_LIT("PROXY ")

static enum proxy_verdict bad(const char **why, const char *what)
{
    *why = what;
    return PROXY_BAD;
}

/* True if BYTES are the start of TEXT, or begin with it. */
static bool may_be(struct slice bytes, struct slice text)
{
    size_t n = bytes.len < text.len ? bytes.len : text.len;
    return slice_eq(slice_head(bytes, n), slice_head(text, n));
}

/* --- version 1: "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n" --- */

/* Reads one address. FAMILY is 4 or 6; an IPv4 address in IPv6 spelling is one of IPv6 here. */
static bool read_address(struct slice text, unsigned family, struct addr *out)
{
    bool has_colon = text.len && memchr(text.ptr, ':', text.len);
    return has_colon == (family == 6) && addr_parse(text, out) == OK;
}

static bool read_port(struct slice text, uint16_t *out)
{
    uint64_t n;
    if (text.len == 0 || (text.len > 1 && text.ptr[0] == '0') || text_u64(text, 65535, &n) != OK)
        return false;
    *out = (uint16_t)n;
    return true;
}

static bool read_v1_line(struct slice rest, struct addr *client)
{
    struct addr server;
    struct slice protocol = slice_cut(&rest, ' ');
    if (slice_eq(protocol, SLICE_LIT("UNKNOWN")))
        return true; /* whatever follows is to be ignored */
    unsigned family = slice_eq(protocol, SLICE_LIT("TCP4"))   ? 4
                      : slice_eq(protocol, SLICE_LIT("TCP6")) ? 6
                                                              : 0;
    struct slice from = slice_cut(&rest, ' '), to = slice_cut(&rest, ' ');
    struct slice from_port = slice_cut(&rest, ' ');
    return family && read_address(from, family, client) && read_address(to, family, &server) &&
           read_port(from_port, &client->port) && read_port(rest, &server.port);
}

static enum proxy_verdict read_v1(struct slice bytes, struct proxy_header *out, const char **why)
{
    struct slice line = slice_head(bytes, PROXY_V1_MAX);
    size_t n = 0;
    while (n < line.len && line.ptr[n] != '\r' && line.ptr[n] != '\n')
        n++;
    bool has_end = n + 1 < line.len;
    if (n < line.len && (line.ptr[n] == '\n' || (has_end && line.ptr[n + 1] != '\n')))
        return bad(why, "the line of version 1 does not end in CRLF");
    if (!has_end)
        return line.len < PROXY_V1_MAX ? PROXY_MORE : bad(why, "the line of version 1 is too long");
    struct slice words = slice_make(line.ptr + V1_START.len, n - V1_START.len);
    struct addr client = {0};
    if (!read_v1_line(words, &client))
        return bad(why, "the line of version 1 is malformed");
    out->len = n + 2;
    out->client = client;
    return PROXY_DONE;
}

/* --- version 2: binary --- */

static unsigned byte_at(struct slice s, size_t i)
{
    return (unsigned char)s.ptr[i];
}

static enum proxy_verdict read_v2_addresses(unsigned family, struct slice rest,
                                            struct proxy_header *out, const char **why)
{
    static const size_t sizes[] = {[V2_INET] = 12, [V2_INET6] = 36, [V2_UNIX] = 216};
    if (rest.len < (family <= V2_UNIX ? sizes[family] : 0))
        return bad(why, "the header of version 2 is too short for its addresses");
    if (family != V2_INET && family != V2_INET6)
        return PROXY_DONE;
    size_t ip = family == V2_INET ? 4 : 16;
    addr_from_bytes(rest.ptr, ip, &out->client);
    out->client.port = (uint16_t)(byte_at(rest, 2 * ip) << 8 | byte_at(rest, 2 * ip + 1));
    return PROXY_DONE;
}

static enum proxy_verdict read_v2(struct slice bytes, struct proxy_header *out, const char **why)
{
    if (bytes.len <= V2_COMMAND_AT)
        return PROXY_MORE;
    unsigned command = byte_at(bytes, V2_COMMAND_AT);
    if (command != V2_LOCAL && command != V2_PROXY)
        return bad(why, "the version or the command of version 2 is unknown");
    if (bytes.len < PROXY_V2_HEAD)
        return PROXY_MORE;
    size_t n = byte_at(bytes, V2_LENGTH_AT) << 8 | byte_at(bytes, V2_LENGTH_AT + 1);
    out->len = PROXY_V2_HEAD + n;
    if (out->len > PROXY_V2_MAX)
        return bad(why, "the header of version 2 is too long");
    if (bytes.len < out->len)
        return PROXY_MORE;
    if (command == V2_LOCAL)
        return PROXY_DONE;
    unsigned family = byte_at(bytes, V2_FAMILY_AT) >> 4;
    return read_v2_addresses(family, slice_make(bytes.ptr + PROXY_V2_HEAD, n), out, why);
}

enum proxy_verdict proxy_header_read(struct slice bytes, struct proxy_header *out, const char **why)
{
    *out = (struct proxy_header){0};
    if (may_be(bytes, V2_SIGNATURE))
        return bytes.len < V2_SIGNATURE.len ? PROXY_MORE : read_v2(bytes, out, why);
    if (may_be(bytes, V1_START))
        return bytes.len < V1_START.len ? PROXY_MORE : read_v1(bytes, out, why);
    return bad(why, "the connection does not begin with a PROXY header");
}
