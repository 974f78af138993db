#include "common/net/http_rules.h"

#include <assert.h>

enum scan_state { /* 0 is where a request starts */
                  AT_START,
                  AT_START_LF,
                  IN_METHOD,
                  IN_TARGET,
                  IN_VERSION,
                  AT_VERSION_LF,
                  AT_LINE,
                  IN_NAME,
                  IN_VALUE,
                  AT_VALUE_LF,
                  AT_END_LF,
};

enum { METHOD_MAX = 32, VERSION_LEN = 8 };

/* Classes of bytes: RFC 9110 5.6.2 (token), 5.5 (field values, Latin-1 allowed for CloudEvents'
 * ce-* headers); a target is visible US-ASCII without '#', which never travels. */
enum { TOKEN = 1, IN_TEXT = 2, IN_URI = 4 };
#define BOTH (IN_TEXT | IN_URI)
#define ALL (TOKEN | IN_TEXT | IN_URI)
static const uint8_t classes[256] = {
    ['\t'] = IN_TEXT,
    [' '] = IN_TEXT,
    ['!'] = ALL,
    ['"'] = BOTH,
    ['#'] = TOKEN | IN_TEXT,
    ['$' ... '\''] = ALL,
    ['('] = BOTH,
    [')'] = BOTH,
    ['*'] = ALL,
    ['+'] = ALL,
    [','] = BOTH,
    ['-'] = ALL,
    ['.'] = ALL,
    ['/'] = BOTH,
    ['0' ... '9'] = ALL,
    [':' ... '@'] = BOTH,
    ['A' ... 'Z'] = ALL,
    ['[' ... ']'] = BOTH,
    ['^' ... 'z'] = ALL,
    ['{'] = BOTH,
    ['|'] = ALL,
    ['}'] = BOTH,
    ['~'] = ALL,
    [0x80 ... 0xff] = IN_TEXT,
};

static const struct http_fault_answer answers[] = {
#define HTTP_FAULT_ANSWER(id, status, code, message) {status, code, message},
    HTTP_FAULTS(HTTP_FAULT_ANSWER)
#undef HTTP_FAULT_ANSWER
};

const struct http_fault_answer *http_fault_answer(enum http_fault f)
{
    assert((size_t)f < sizeof answers / sizeof answers[0]);
    return &answers[f];
}

static size_t run_of(struct slice b, size_t at, uint8_t class)
{
    while (at < b.len && (classes[(unsigned char)b.ptr[at]] & class))
        at++;
    return at;
}

bool http_is_token(struct slice s)
{
    return s.len > 0 && run_of(s, 0, TOKEN) == s.len;
}

/* Each step below judges the bytes at s->pos in one state, moves on, and names the fault if any. */

static enum http_fault scan_start(struct http_scan *s, char c)
{
    /* RFC 9112 2.2: an empty line before the request line is tolerated, once. */
    if (c == '\r' && s->pos == 0) {
        s->pos++;
        s->state = AT_START_LF;
        return FAULT_NONE;
    }
    s->start = s->pos;
    s->state = IN_METHOD;
    return FAULT_NONE;
}

static enum http_fault scan_method(struct http_scan *s, struct slice b)
{
    s->pos = run_of(b, s->pos, TOKEN);
    if (s->pos - s->start > METHOD_MAX)
        return FAULT_METHOD;
    if (s->pos == b.len)
        return FAULT_NONE;
    if (b.ptr[s->pos] != ' ' || s->pos == s->start)
        return FAULT_METHOD;
    s->part = ++s->pos;
    s->state = IN_TARGET;
    return FAULT_NONE;
}

static enum http_fault scan_target(struct http_scan *s, struct slice b, size_t max)
{
    s->pos = run_of(b, s->pos, IN_URI);
    if (s->pos - s->part > max)
        return FAULT_URI_TOO_LONG;
    if (s->pos == b.len)
        return FAULT_NONE;
    if (b.ptr[s->pos] != ' ' || s->pos == s->part)
        return FAULT_TARGET;
    s->part = ++s->pos;
    s->state = IN_VERSION;
    return FAULT_NONE;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static enum http_fault scan_version(struct http_scan *s, char c)
{
    size_t at = s->pos - s->part;
    s->pos++;
    if (at == VERSION_LEN) {
        s->state = AT_VERSION_LF;
        return c == '\r' ? FAULT_NONE : FAULT_VERSION;
    }
    if (at == 5) {
        s->major = c;
        return is_digit(c) ? FAULT_NONE : FAULT_VERSION;
    }
    if (at == 7) {
        if (!is_digit(c) || s->major != '1')
            return FAULT_VERSION;
        return c <= '1' ? FAULT_NONE : FAULT_VERSION_MINOR;
    }
    return c == "HTTP/1.1"[at] ? FAULT_NONE : FAULT_VERSION;
}

static enum http_fault scan_line(struct http_scan *s, char c)
{
    if (c == '\r') {
        s->pos++;
        s->state = AT_END_LF;
        return FAULT_NONE;
    }
    if (c == '\n')
        return FAULT_BARE_LF;
    if (c == ' ' || c == '\t')
        return FAULT_FOLD;
    s->part = s->pos;
    s->state = IN_NAME;
    return FAULT_NONE;
}

static enum http_fault scan_name(struct http_scan *s, struct slice b)
{
    s->pos = run_of(b, s->pos, TOKEN);
    if (s->pos == b.len)
        return FAULT_NONE;
    if (b.ptr[s->pos] != ':' || s->pos == s->part)
        return FAULT_NAME;
    s->pos++;
    s->state = IN_VALUE;
    return FAULT_NONE;
}

static enum http_fault scan_value(struct http_scan *s, struct slice b)
{
    s->pos = run_of(b, s->pos, IN_TEXT);
    if (s->pos == b.len)
        return FAULT_NONE;
    char c = b.ptr[s->pos++];
    s->state = AT_VALUE_LF;
    return c == '\r' ? FAULT_NONE : c == '\n' ? FAULT_BARE_LF : FAULT_VALUE;
}

/* The LF behind a CR; NEXT is the state after it. */
static enum http_fault scan_lf(struct http_scan *s, char c, enum scan_state next)
{
    if (c != '\n')
        return FAULT_BARE_CR;
    s->pos++;
    s->state = (uint8_t)next;
    return FAULT_NONE;
}

static enum http_fault scan_step(struct http_scan *s, struct slice b, size_t uri_max)
{
    enum http_fault f;
    char c = b.ptr[s->pos];
    switch ((enum scan_state)s->state) {
    case AT_START:
        return scan_start(s, c);
    case AT_START_LF:
        return scan_lf(s, c, AT_START);
    case IN_METHOD:
        return scan_method(s, b);
    case IN_TARGET:
        return scan_target(s, b, uri_max);
    case IN_VERSION:
        return scan_version(s, c);
    case AT_VERSION_LF:
        f = scan_lf(s, c, AT_LINE);
        s->headers_at = s->pos;
        return f;
    case AT_LINE:
        return scan_line(s, c);
    case IN_NAME:
        return scan_name(s, b);
    case IN_VALUE:
        return scan_value(s, b);
    case AT_VALUE_LF:
        s->headers++;
        return scan_lf(s, c, AT_LINE);
    case AT_END_LF:
        return scan_lf(s, c, AT_START);
    }
    return FAULT_PARSER;
}

enum http_scan_verdict http_scan(struct http_scan *s, struct slice bytes,
                                 const struct http_scan_limits *max, enum http_fault *fault)
{
    *fault = FAULT_NONE;
    while (s->pos < bytes.len && *fault == FAULT_NONE) {
        bool ending = s->state == AT_END_LF;
        *fault = scan_step(s, bytes, max->uri_max);
        bool too_large = s->headers_at && (s->pos - s->headers_at > max->headers_max ||
                                           s->headers > max->header_count_max);
        if (too_large) /* also before what is illegal behind the limit: a piece less would not show it */
            *fault = FAULT_HEADERS_TOO_LARGE;
        if (ending && *fault == FAULT_NONE)
            return SCAN_DONE;
    }
    return *fault == FAULT_NONE ? SCAN_MORE : SCAN_FAULT;
}

/* The value as on the wire, from behind the colon to before the CR, less one leading space. The fields that frame the
 * message get no more leniency about white space. */
static struct slice exact_value(const struct http_field *f)
{
    const char *from = f->name.ptr + f->name.len + 1;
    if (*from == ' ')
        from++;
    const char *to = from;
    while (*to != '\r')
        to++;
    return slice_make(from, (size_t)(to - from));
}

enum http_fault http_rules_length(const struct http_field *f, int64_t *out)
{
    struct slice v = exact_value(f);
    int64_t n = 0;
    for (size_t i = 0; i < v.len; i++) {
        if (!is_digit(v.ptr[i]))
            return FAULT_LENGTH;
        if (i < 10)
            n = n * 10 + (v.ptr[i] - '0');
    }
    if (v.len == 0)
        return FAULT_LENGTH;
    *out = n;
    return v.len > 10 ? FAULT_BODY_TOO_LARGE : FAULT_NONE;
}

/* Letters of a Host: RFC 3986 reg-name, IPv6 in brackets, port. Not the separators that could turn
 * it into something else, such as a user before '@'. */
static bool is_host(struct slice v)
{
    for (size_t i = 0; i < v.len; i++) {
        unsigned char c = (unsigned char)v.ptr[i];
        if (c <= ' ' || c >= 0x7f || strchr("/\\@,#?<>\"{}|^`", c))
            return false;
    }
    return true;
}

struct framing_count {
    unsigned host, length, encoding;
};

static enum http_fault judge_field(const struct http_field *f, const struct http_head *h,
                                   struct framing_count *n, struct http_framing *out)
{
    switch (f->name.len) { /* the length first: most headers are none of these */
    case 4:
        if (!slice_eq_nocase(f->name, SLICE_LIT("host")))
            break;
        n->host++;
        return is_host(slice_trim(f->value)) ? FAULT_NONE : FAULT_HOST;
    case 6:
        if (!slice_eq_nocase(f->name, SLICE_LIT("expect")))
            break;
        if (!slice_eq_nocase(slice_trim(f->value), SLICE_LIT("100-continue")))
            return FAULT_EXPECT;
        out->expect_continue = h->minor == 1; /* RFC 9110 10.1.1: HTTP/1.0 has none */
        break;
    case 14:
        if (!slice_eq_nocase(f->name, SLICE_LIT("content-length")))
            break;
        n->length++;
        out->has_length = true;
        return http_rules_length(f, &out->length);
    case 17:
        if (!slice_eq_nocase(f->name, SLICE_LIT("transfer-encoding")))
            break;
        n->encoding++;
        out->chunked = true;
        return slice_eq_nocase(exact_value(f), SLICE_LIT("chunked")) ? FAULT_NONE : FAULT_ENCODING;
    default:
        break;
    }
    return FAULT_NONE;
}

static enum http_fault judge_target(const struct http_head *h)
{
    if (slice_eq(h->method, SLICE_LIT("CONNECT")))
        return FAULT_METHOD_UNKNOWN;
    if (slice_eq(h->method, SLICE_LIT("OPTIONS")) && slice_eq(h->target, SLICE_LIT("*")))
        return FAULT_NONE;
    return h->target.len && h->target.ptr[0] == '/' ? FAULT_NONE : FAULT_TARGET_FORM;
}

enum http_fault http_rules_head(const struct http_head *h, struct http_framing *out)
{
    struct framing_count n = {0};
    *out = (struct http_framing){0};
    enum http_fault worst = judge_target(h);
    for (size_t i = 0; i < h->count; i++) {
        enum http_fault f = judge_field(&h->fields[i], h, &n, out);
        /* A malformed request is called that before it is called too large or not met. */
        if (f != FAULT_NONE && (worst == FAULT_NONE || http_fault_answer(worst)->status != 400))
            worst = f;
    }
    if (worst != FAULT_NONE && http_fault_answer(worst)->status == 400)
        return worst;
    if (n.length && n.encoding)
        return FAULT_LENGTH_AND_ENCODING;
    if (n.length > 1)
        return FAULT_LENGTH;
    if (n.encoding > 1 || (n.encoding && h->minor == 0))
        return FAULT_ENCODING;
    if (n.host > 1 || (n.host == 0 && h->minor == 1))
        return FAULT_HOST;
    if (out->chunked)
        out->length = -1;
    return worst;
}
