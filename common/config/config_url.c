#include "common/config/config_url.h"

#include "common/base/alloc.h"
#include "common/base/text.h"

#include <arpa/inet.h>
#include <ctype.h>

#define REDIS_PORT 6379
#define DB_MAX 65535
#define PART_MAX 1024
#define UNIX_PATH_MAX_LEN 107 /* sockaddr_un.sun_path less its NUL */

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
static const char *split_host(struct slice text, struct slice *host, struct slice *port)
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
    const char *fault = split_host(listen, &host, &port);
    if (fault)
        return fault;
    if (!port.ptr || text_u64(port, 65535, &number) != OK)
        return "must be host:port, with a port from 0 (any free one) to 65535";
    if (host.len && listen.ptr[0] != '[' && !is_host_name(host))
        return "the host is neither an address nor a name";
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

static enum err decode(struct slice s, char **out, const char *what, struct error *e)
{
    struct buf b;
    buf_init(&b, PART_MAX);
    if (text_unpercent(&b, s, false) != OK || text_has_control(buf_slice(&b))) {
        buf_clear(&b);
        return fail(e, ERR_INVALID, "%s is not valid (is a %% not written as %%25?)", what);
    }
    *out = buf_take(&b, NULL);
    return OK;
}

/* "user:password", ":password". */
static enum err parse_login(struct slice login, struct config_redis *out, struct error *e)
{
    struct slice password = login;
    struct slice user = slice_cut(&password, ':');
    if (!password.ptr || password.len == 0)
        return fail(e, ERR_INVALID, "write user:password or :password before the @");
    enum err rc = user.len ? decode(user, &out->user, "the user", e) : OK;
    return rc == OK ? decode(password, &out->password, "the password", e) : rc;
}

static enum err parse_db(struct slice text, struct config_redis *out, struct error *e)
{
    uint64_t db = 0;
    if (text.len && text_u64(text, DB_MAX, &db) != OK)
        return fail(e, ERR_INVALID, "the database must be a number");
    out->db = (unsigned)db;
    return OK;
}

static enum err parse_tcp(struct slice rest, struct config_redis *out, struct error *e)
{
    struct slice path = rest, host, port;
    struct slice authority = slice_cut(&path, '/');
    const char *fault = split_host(authority, &host, &port);
    uint64_t number = REDIS_PORT;
    if (fault)
        return fail(e, ERR_INVALID, "%s", fault);
    if (port.ptr && (text_u64(port, 65535, &number) != OK || number == 0))
        return fail(e, ERR_INVALID, "the port must be 1 to 65535");
    if (authority.len == 0 || (authority.ptr[0] != '[' && !is_host_name(host)))
        return fail(e, ERR_INVALID, "the host is neither an address nor a name");
    out->host = xslicedup(host);
    out->port = (unsigned)number;
    return parse_db(path, out, e);
}

static enum err parse_unix(struct slice rest, struct config_redis *out, struct error *e)
{
    struct slice query = rest;
    struct slice path = slice_cut(&query, '?');
    if (path.len < 2 || path.ptr[0] != '/')
        return fail(e, ERR_INVALID, "must be unix:///path/to/socket?db=N");
    if (query.len && !slice_starts(query, SLICE_LIT("db=")))
        return fail(e, ERR_INVALID, "after the path only ?db=N is allowed");
    enum err rc = decode(path, &out->unix_path, "the path", e);
    if (rc == OK && strlen(out->unix_path) > UNIX_PATH_MAX_LEN)
        return fail(e, ERR_INVALID, "the path is over %d bytes", UNIX_PATH_MAX_LEN);
    return rc == OK ? parse_db(slice_skip(query, 3), out, e) : rc;
}

static void write_shown(struct config_redis *r)
{
    struct buf b;
    buf_init(&b, PART_MAX);
    if (r->unix_path)
        buf_addf(&b, "unix://%s?db=%u", r->unix_path, r->db);
    else
        buf_addf(&b, strchr(r->host, ':') ? "redis://[%s]:%u/%u" : "redis://%s:%u/%u", r->host,
                 r->port, r->db);
    r->shown = buf_take(&b, NULL);
}

enum err config_url_parse(struct slice url, struct config_redis *out, struct error *e)
{
    struct slice tcp = SLICE_LIT("redis://"), local = SLICE_LIT("unix://");
    bool is_unix = slice_starts(url, local);
    if (slice_starts(url, SLICE_LIT("rediss://")))
        return fail(e, ERR_INVALID, "TLS to Redis is not supported: use a tunnel and redis://");
    if (!is_unix && !slice_starts(url, tcp))
        return fail(e, ERR_INVALID,
                    "must be redis://[user:password@]host:port/db or "
                    "unix:///path?db=N");
    struct slice rest = slice_skip(url, is_unix ? local.len : tcp.len);
    const char *at = rest.len ? memrchr(rest.ptr, '@', rest.len) : NULL;
    enum err rc = OK;
    if (at) {
        size_t len = (size_t)(at - rest.ptr);
        rc = parse_login(slice_make(rest.ptr, len), out, e);
        rest = slice_skip(rest, len + 1);
    }
    if (rc == OK)
        rc = is_unix ? parse_unix(rest, out, e) : parse_tcp(rest, out, e);
    if (rc == OK)
        write_shown(out);
    return rc;
}
