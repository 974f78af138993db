#include "common/webhook/url_template.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "common/base/alloc.h"
#include "common/base/text.h"
#include "common/webhook/dot_segments.h"

#define HOST_MAX 253 /* bytes of a name in the DNS */

enum piece_kind { PIECE_TEXT, PIECE_ID, PIECE_TAG, PIECE_SOURCE };

struct piece {
    enum piece_kind kind;
    struct slice text; /* of PIECE_TEXT, borrowed from the template's text */
};

struct url_template {    /* Immutable after url_template_new; freed by url_template_free. */
    char *text, *origin; /* the origin is "https://host:port" in lower case */
    size_t origin_len;
    struct piece *pieces; /* of what comes after the origin */
    size_t piece_count;
};

static const struct {
    struct slice name;
    enum piece_kind kind;
} variables[] = {{{"id", 2}, PIECE_ID}, {{"tag", 3}, PIECE_TAG}, {{"source", 6}, PIECE_SOURCE}};

#define VARIABLE_COUNT (sizeof(variables) / sizeof(*variables))

/* Not isalpha() and isalnum(), which depend on the locale. */
static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static enum err check_port(struct slice port, struct error *e)
{
    uint64_t number = 0;
    if (text_u64(port, 65535, &number) != OK || number == 0)
        return fail(e, ERR_INVALID, "the port must be 1 to 65535");
    return OK;
}

/* "[::1]" or "[::1]:8080". A connection attempt finds out whether it is an address. */
static enum err check_ipv6(struct slice authority, struct error *e)
{
    struct slice inside = slice_skip(authority, 1);
    struct slice host = slice_cut(&inside, ']');
    if (!inside.ptr || host.len < 2)
        return fail(e, ERR_INVALID, "the IPv6 address is not closed by ]");
    for (size_t i = 0; i < host.len; i++)
        if (!is_hex(host.ptr[i]) && host.ptr[i] != ':' && host.ptr[i] != '.')
            return fail(e, ERR_INVALID, "not an IPv6 address in the brackets");
    if (inside.len == 0)
        return OK;
    if (inside.ptr[0] != ':')
        return fail(e, ERR_INVALID, "only :port may follow the ]");
    return check_port(slice_skip(inside, 1), e);
}

static enum err check_authority(struct slice authority, struct error *e)
{
    if (memchr(authority.ptr, '@', authority.len))
        return fail(e, ERR_INVALID, "must not hold a user name or password");
    if (memchr(authority.ptr, '$', authority.len))
        return fail(e, ERR_INVALID, "variables are allowed only in path segments and query values");
    if (authority.ptr[0] == '[')
        return check_ipv6(authority, e);
    struct slice port = authority;
    struct slice host = slice_cut(&port, ':');
    if (host.len == 0 || host.len > HOST_MAX)
        return fail(e, ERR_INVALID, "needs a host");
    for (size_t i = 0; i < host.len; i++) {
        char c = host.ptr[i];
        if (!is_letter(c) && !is_digit(c) && c != '-' && c != '_' && c != '.')
            return fail(e, ERR_INVALID, "the host has a character that host names do not have");
        if (c == '.' && (i == 0 || host.ptr[i - 1] == '.'))
            return fail(e, ERR_INVALID, "the host has an empty label");
    }
    return port.ptr ? check_port(port, e) : OK;
}

/* RFC 3986 without '#', and '[' and ']' also where it wants them encoded (?ids[]=1 is common). */
static enum err check_characters(struct slice rest, struct error *e)
{
    for (size_t i = 0; i < rest.len; i++) {
        char c = rest.ptr[i];
        if (c == '#')
            return fail(e, ERR_INVALID, "must not have a fragment (#)");
        if (c == '%' && (rest.len - i < 3 || !is_hex(rest.ptr[i + 1]) || !is_hex(rest.ptr[i + 2])))
            return fail(e, ERR_INVALID, "%% must be followed by two hex digits");
        if (c <= ' ' || c >= 0x7f || strchr("\"<>\\^`{|}", c))
            return fail(e, ERR_INVALID,
                        "character 0x%02X must be percent-encoded in the path and query",
                        (unsigned)(unsigned char)c);
    }
    return OK;
}

static enum err find_variable(struct slice name, enum piece_kind *kind, struct error *e)
{
    struct text_guess guess = text_guess(name);
    char guessed[TEXT_GUESS_MAX];
    for (size_t i = 0; i < VARIABLE_COUNT; i++) {
        if (slice_eq(name, variables[i].name)) {
            *kind = variables[i].kind;
            return OK;
        }
        text_guess_try(&guess, variables[i].name);
    }
    bool is_near = text_guess_write(&guess, "$", guessed)[0] != 0;
    return fail(e, ERR_INVALID, "unknown variable $%.*s%s", SLICE_FMT(slice_head(name, 32)),
                is_near ? guessed : "; there are $id, $tag and $source");
}

static void add_piece(struct url_template *t, enum piece_kind kind, struct slice text)
{
    if (kind == PIECE_TEXT && text.len == 0)
        return;
    t->pieces = xrealloc(t->pieces, t->piece_count + 1, sizeof(*t->pieces));
    t->pieces[t->piece_count++] = (struct piece){kind, text};
}

/* The part of the URL that is being read. */
enum place { IN_PATH, IN_QUERY_NAME, IN_QUERY_VALUE };

static enum place place_after(enum place place, char c)
{
    if (place == IN_PATH)
        return c == '?' ? IN_QUERY_NAME : IN_PATH;
    return c == '&' ? IN_QUERY_NAME : c == '=' ? IN_QUERY_VALUE : place;
}

static enum err cut_pieces(struct url_template *t, struct slice rest, struct error *e)
{
    enum place place = IN_PATH;
    size_t from = 0, i = 0;
    while (i < rest.len) {
        size_t end = i + 1;
        while (rest.ptr[i] == '$' && end < rest.len && is_letter(rest.ptr[end]))
            end++;
        if (end == i + 1) {
            place = place_after(place, rest.ptr[i++]);
            continue;
        }
        enum piece_kind kind = PIECE_TEXT;
        enum err rc = find_variable(slice_make(rest.ptr + i + 1, end - i - 1), &kind, e);
        if (rc != OK)
            return rc;
        if (place == IN_QUERY_NAME)
            return fail(e, ERR_INVALID,
                        "variables are allowed in query values, not in their names");
        add_piece(t, PIECE_TEXT, slice_make(rest.ptr + from, i - from));
        add_piece(t, kind, slice_str(NULL));
        from = i = end;
    }
    add_piece(t, PIECE_TEXT, slice_skip(rest, from));
    return OK;
}

/* Length of "http://" or "https://" in front of TEXT, in any case; 0 without. */
static size_t scheme_length(struct slice text)
{
    return slice_starts_nocase(text, SLICE_LIT("https://"))  ? 8
           : slice_starts_nocase(text, SLICE_LIT("http://")) ? 7
                                                             : 0;
}

static char *lower_copy(struct slice s)
{
    char *copy = xslicedup(s);
    for (char *c = copy; *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    return copy;
}

static enum err parse(struct url_template *t, struct slice text, struct error *e)
{
    size_t scheme = scheme_length(text), end = scheme;
    if (!scheme)
        return fail(e, ERR_INVALID, "must start with http:// or https://");
    while (end < text.len && !strchr("/?#\\", text.ptr[end]))
        end++;
    struct slice rest = slice_skip(text, end);
    if (end == scheme)
        return fail(e, ERR_INVALID, "needs a host");
    enum err rc = check_authority(slice_make(text.ptr + scheme, end - scheme), e);
    if (rc == OK)
        rc = check_characters(rest, e);
    if (rc == OK && has_dot_segment(rest))
        return fail(e, ERR_INVALID, "must not have a path segment . or ..");
    if (rc != OK)
        return rc;
    t->origin = lower_copy(slice_make(text.ptr, end));
    t->origin_len = end;
    if (rest.len == 0 || rest.ptr[0] != '/')
        add_piece(t, PIECE_TEXT, SLICE_LIT("/"));
    return cut_pieces(t, rest, e);
}

enum err url_template_new(struct slice text, struct url_template **out, struct error *e)
{
    if (text.len > URL_TEMPLATE_MAX)
        return fail(e, ERR_INVALID, "longer than %d bytes", URL_TEMPLATE_MAX);
    struct url_template *t = NEW(struct url_template);
    t->text = xslicedup(text);
    enum err rc = parse(t, slice_make(t->text, text.len), e);
    if (rc != OK) {
        url_template_free(t);
        return rc;
    }
    *out = t;
    return OK;
}

void url_template_free(struct url_template *t)
{
    if (!t)
        return;
    free(t->pieces);
    free(t->origin);
    free(t->text);
    free(t);
}

static void add_expanded(struct buf *out, const struct piece *piece, const struct url_vars *vars)
{
    switch (piece->kind) {
    case PIECE_TEXT:
        buf_add_slice(out, piece->text);
        break;
    case PIECE_ID:
        text_add_percent(out, vars->id);
        break;
    case PIECE_TAG:
        text_add_percent(out, vars->tag);
        break;
    case PIECE_SOURCE:
        text_add_percent(out, vars->source);
        break;
    }
}

enum err url_template_expand(const struct url_template *t, const struct url_vars *vars,
                             struct buf *out)
{
    size_t start = out->len;
    if (out->failed)
        return ERR_TOO_BIG;
    buf_add(out, t->origin, t->origin_len);
    for (size_t i = 0; i < t->piece_count; i++)
        add_expanded(out, &t->pieces[i], vars);
    enum err rc = out->failed ? ERR_TOO_BIG : OK;
    if (rc == OK && has_dot_segment(slice_skip(buf_slice(out), start + t->origin_len)))
        rc = ERR_INVALID;
    if (rc != OK && out->ptr) {
        out->len = start;
        out->ptr[start] = '\0';
    }
    return rc;
}

struct slice url_template_origin(const struct url_template *t)
{
    return slice_make(t->origin, t->origin_len);
}

struct slice url_origin(struct slice url)
{
    size_t at = scheme_length(url);
    while (at < url.len && url.ptr[at] != '/' && url.ptr[at] != '?')
        at++;
    return slice_head(url, at);
}

bool url_has_address(struct slice url)
{
    struct slice origin = url_origin(url);
    struct slice rest = slice_skip(origin, scheme_length(url));
    char host[HOST_MAX + 1];
    struct in_addr address;
    if (rest.len && rest.ptr[0] == '[')
        return true;
    struct slice name = slice_cut(&rest, ':');
    if (name.len > HOST_MAX)
        return false;
    memcpy(host, name.ptr, name.len);
    host[name.len] = '\0';
    return inet_aton(host, &address) != 0;
}
