#include "common/net/forwarded.h"

/* Backslashes directly before TEXT[AT]. */
static size_t escapes_before(struct slice text, size_t at)
{
    size_t n = 0;
    while (n < at && text.ptr[at - n - 1] == '\\')
        n++;
    return n;
}

/* Takes the part behind the last SEPARATOR off *REST, spaces trimmed. A separator within quotes does not count if QUOTES. It
 * reads from the end, so that a quote which a client opened and never closed hides nothing that a proxy appended. */
static struct slice cut_last(struct slice *rest, char separator, bool quotes)
{
    bool is_quoted = false;
    size_t at = rest->len;
    while (at > 0) {
        char c = rest->ptr[at - 1];
        if (quotes && c == '"' && escapes_before(*rest, at - 1) % 2 == 0)
            is_quoted = !is_quoted;
        else if (c == separator && !is_quoted)
            break;
        at--;
    }
    struct slice part = slice_skip(*rest, at);
    rest->len = at ? at - 1 : 0;
    return slice_trim(part);
}

/* A port, or an obfuscated one: digits, letters, '.', '_' and '-'. */
static bool is_port(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!http_is_token(slice_make(s.ptr + i, 1)))
            return false;
    return s.len > 0;
}

/* Reads "[address]" or "[address]:port", of IPv6 only. */
static bool read_bracketed(struct slice s, struct addr *out)
{
    struct slice host = slice_skip(s, 1);
    const char *end = host.len ? memchr(host.ptr, ']', host.len) : NULL;
    if (!end)
        return false;
    host.len = (size_t)(end - host.ptr);
    struct slice rest = slice_skip(s, host.len + 2);
    bool is_end = rest.len == 0 || (rest.ptr[0] == ':' && is_port(slice_skip(rest, 1)));
    return is_end && host.len && memchr(host.ptr, ':', host.len) && addr_parse(host, out) == OK;
}

/* Reads a node: an address, with or without brackets and port. */
static bool read_node(struct slice s, struct addr *out)
{
    if (s.len && s.ptr[0] == '[')
        return read_bracketed(s, out);
    if (addr_parse(s, out) == OK)
        return true;
    struct slice port = s, host = slice_cut(&port, ':');
    return is_port(port) && addr_parse(host, out) == OK;
}

/* The text of a quoted string without its quotes and escapes, in SCRATCH of N bytes. Empty if it is malformed. A text without
 * quotes stays as it is. */
static struct slice unquote(struct slice s, char *scratch, size_t n)
{
    size_t len = 0;
    if (s.len == 0 || s.ptr[0] != '"')
        return s;
    if (s.len < 2 || s.ptr[s.len - 1] != '"' || s.len > n)
        return slice_make(NULL, 0);
    for (size_t i = 1; i < s.len - 1; i++) {
        if (s.ptr[i] == '\\')
            i++;
        else if (s.ptr[i] == '"')
            return slice_make(NULL, 0);
        if (i == s.len - 1)
            return slice_make(NULL, 0);
        scratch[len++] = s.ptr[i];
    }
    return slice_make(scratch, len);
}

/* Reads the one `for` of an element such as `for="[2001:db8::1]:4711";proto=https`. */
static bool read_element(struct slice element, struct addr *out)
{
    char scratch[256];
    unsigned found = 0;
    bool is_good = false;
    while (element.len) {
        struct slice value = cut_last(&element, ';', true), name = slice_cut(&value, '=');
        if (!slice_eq_nocase(name, SLICE_LIT("for")))
            continue;
        found++;
        is_good = read_node(unquote(value, scratch, sizeof scratch), out);
    }
    return found == 1 && is_good;
}

/* The entries of all lines of one header, from the last to the first. */
struct entries {
    const struct http_head *head;
    struct slice name;
    size_t line;       /* lines before this one are still to be read */
    struct slice rest; /* of the line being read */
    bool is_element;   /* of Forwarded, not of X-Forwarded-For */
    bool seen;         /* there is such a header */
};

static bool next_entry(struct entries *e, struct slice *out)
{
    for (;;) {
        while (e->rest.len) {
            *out = cut_last(&e->rest, ',', e->is_element);
            if (out->len) /* RFC 9110 5.6.1.2: empty elements do not count */
                return true;
        }
        while (e->line && !slice_eq_nocase(e->head->fields[e->line - 1].name, e->name))
            e->line--;
        if (!e->line)
            return false;
        e->rest = slice_trim(e->head->fields[--e->line].value);
        e->seen = true;
    }
}

static bool is_trusted(const struct trusted_proxies *t, const struct addr *a)
{
    return cidr_any(t->list, t->count, a);
}

/* Follows the entries from PEER to the client. */
static struct addr follow(struct entries *e, const struct addr *peer,
                          const struct trusted_proxies *trusted)
{
    struct addr client = *peer, before;
    struct slice entry;
    while (is_trusted(trusted, &client) && next_entry(e, &entry)) {
        bool is_good = e->is_element ? read_element(entry, &before) : read_node(entry, &before);
        if (!is_good)
            break;
        client = before;
    }
    return client;
}

enum http_fault forwarded_client(const struct http_head *head, const struct addr *peer,
                                 const struct trusted_proxies *trusted, struct addr *out)
{
    struct entries listed = {
        .head = head, .name = SLICE_LIT("x-forwarded-for"), .line = head->count};
    struct entries elements = {
        .head = head, .name = SLICE_LIT("forwarded"), .line = head->count, .is_element = true};
    struct addr a = follow(&listed, peer, trusted), b = follow(&elements, peer, trusted);
    if (listed.seen && elements.seen && !addr_same(&a, &b))
        return FAULT_FORWARDED;
    *out = elements.seen ? b : a;
    return FAULT_NONE;
}
