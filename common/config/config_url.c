#include "common/config/config_url.h"

#include "common/base/text.h"

#include <arpa/inet.h>
#include <ctype.h>

/* Letters, digits, '.', '-' and '_': a name that a resolver may know. All digits and dots is meant
 * to be an IPv4 address and must be one. */
static bool is_host_name(struct slice host)
{
    bool numeric = true;
    for (size_t i = 0; i < host.len; i++) {
        unsigned char c = (unsigned char)host.ptr[i];
        if (c >= 0x80 || !(isalnum(c) || c == '.' || c == '-' || c == '_'))
            return false;
        numeric = numeric && (isdigit(c) || c == '.');
    }
    if (host.len == 0 || host.len > 253)
        return false;
    char z[256];
    struct in_addr v4;
    memcpy(z, host.ptr, host.len);
    z[host.len] = 0;
    return !numeric || inet_pton(AF_INET, z, &v4) == 1;
}

static bool is_ipv6(struct slice host)
{
    char z[INET6_ADDRSTRLEN + 1];
    struct in6_addr v6;
    if (host.len == 0 || host.len >= sizeof z || memchr(host.ptr, 0, host.len))
        return false;
    memcpy(z, host.ptr, host.len);
    z[host.len] = 0;
    return inet_pton(AF_INET6, z, &v6) == 1;
}

/* Cuts "host", "host:port" or "[v6]:port" in two; *PORT.ptr is NULL without a colon. */
static const char *split(struct slice text, struct slice *host, struct slice *port)
{
    if (text.len && text.ptr[0] == '[') {
        *port = slice_skip(text, 1);
        *host = slice_cut(port, ']');
        if (!port->ptr || !is_ipv6(*host))
            return "the text in brackets is not an IPv6 address";
        if (port->len == 0) {
            port->ptr = NULL;
            return NULL;
        }
        if (port->ptr[0] != ':')
            return "after the brackets only :port is allowed";
        *port = slice_skip(*port, 1);
        return NULL;
    }
    *port = text;
    *host = slice_cut(port, ':');
    if (port->ptr && memchr(port->ptr, ':', port->len))
        return "write an IPv6 address in brackets: [::1]:8080";
    return NULL;
}

const char *config_listen_fault(struct slice listen)
{
    struct slice host, port;
    uint64_t number;
    const char *fault = split(listen, &host, &port);
    if (fault)
        return fault;
    if (!port.ptr || text_u64(port, 65535, &number) != OK)
        return "must be host:port, with a port from 0 (any free one) to 65535";
    if (host.len && listen.ptr[0] != '[' && !is_host_name(host))
        return "the host is neither an address nor a name";
    return NULL;
}

const char *config_address_read(struct slice address, unsigned port_if_none, struct slice *host,
                                unsigned *port)
{
    struct slice text;
    uint64_t number = port_if_none;
    const char *fault = split(address, host, &text);
    if (fault)
        return fault;
    if (text.ptr && (text_u64(text, 65535, &number) != OK || number == 0))
        return "the port must be 1 to 65535";
    if (address.len == 0 || (address.ptr[0] != '[' && !is_host_name(*host)))
        return "the host is neither an address nor a name";
    *port = (unsigned)number;
    return NULL;
}

const char *config_proxy_fault(struct slice url)
{
    static const char *const schemes[] = {"http://", "https://", "socks5://", "socks5h://"};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        struct slice scheme = slice_str(schemes[i]);
        if (!slice_starts(url, scheme))
            continue;
        bool bare = url.len == scheme.len || memchr(url.ptr, ' ', url.len);
        return bare ? "is no valid URL" : NULL;
    }
    return "must start with http://, https://, socks5:// or socks5h://";
}
