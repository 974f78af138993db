#include "common/json/json_text.h"

#define ONES 0x0101010101010101u
#define HIGHS 0x8080808080808080u

/* A byte of X is below N (N <= 128), and only then its high bit is set in the result; bytes with
 * the high bit set are not found. The lowest hit is exact, which is all that is asked. */
static uint64_t bytes_below(uint64_t x, unsigned n)
{
    return (x - ONES * n) & ~x & HIGHS;
}

/* How many of the LEN bytes at P are ASCII without meaning in a string: no quote, backslash,
 * control. */
static size_t plain_run(const unsigned char *p, size_t len)
{
    size_t i = 0;
    for (; len - i >= 8; i += 8) {
        uint64_t x;
        memcpy(&x, p + i, 8);
        uint64_t hit = (x & HIGHS) | bytes_below(x, 0x20) | bytes_below(x ^ (ONES * '"'), 1) |
                       bytes_below(x ^ (ONES * '\\'), 1);
        if (hit)
            break;
    }
    while (i < len && p[i] >= 0x20 && p[i] < 0x80 && p[i] != '"' && p[i] != '\\')
        i++;
    return i;
}

/* The first byte of a character of several bytes (RFC 3629, table in section 4). */
static const char *utf8_start(struct json_text *t, unsigned char c)
{
    t->min = 0x80;
    t->max = 0xbf;
    if (c >= 0xc2 && c <= 0xdf) {
        t->left = 1;
    } else if ((c & 0xf0) == 0xe0) {
        t->left = 2;
        if (c == 0xe0)
            t->min = 0xa0; /* no overlong form */
        if (c == 0xed)
            t->max = 0x9f; /* no surrogate */
    } else if (c >= 0xf0 && c <= 0xf4) {
        t->left = 3;
        if (c == 0xf0)
            t->min = 0x90;
        if (c == 0xf4)
            t->max = 0x8f; /* not past U+10FFFF */
    } else {
        return "invalid UTF-8";
    }
    t->state = TEXT_UTF8;
    return NULL;
}

static const char *utf8_more(struct json_text *t, unsigned char c)
{
    if (c < t->min || c > t->max)
        return "invalid UTF-8";
    t->min = 0x80;
    t->max = 0xbf;
    if (--t->left == 0)
        t->state = TEXT_PLAIN;
    return NULL;
}

static int hex_value(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static const char *hex_more(struct json_text *t, unsigned char c)
{
    int v = hex_value(c);
    if (v < 0)
        return "invalid \\u escape";
    t->code = t->code << 4 | (uint32_t)v;
    if (--t->left > 0)
        return NULL;
    bool is_high = t->code >= 0xd800 && t->code <= 0xdbff;
    bool is_low = t->code >= 0xdc00 && t->code <= 0xdfff;
    if (is_low != t->want_low)
        return "lone surrogate";
    t->want_low = is_high;
    t->state = is_high ? TEXT_LOW_BACKSLASH : TEXT_PLAIN;
    return NULL;
}

static const char *escape(struct json_text *t, unsigned char c)
{
    if (c == 'u') {
        t->state = TEXT_HEX;
        t->left = 4;
        t->code = 0;
        return NULL;
    }
    t->state = TEXT_PLAIN;
    return c && strchr("\"\\/bfnrt", c) ? NULL : "invalid escape";
}

/* One byte of a string that is not plain. */
static const char *step(struct json_text *t, unsigned char c)
{
    switch (t->state) {
    case TEXT_PLAIN:
        if (c >= 0x80)
            return utf8_start(t, c);
        if (c < 0x20)
            return "control character in a string";
        if (c == '\\')
            t->state = TEXT_ESCAPE;
        else
            t->in_string = false; /* the closing quote */
        return NULL;
    case TEXT_ESCAPE:
        return escape(t, c);
    case TEXT_HEX:
        return hex_more(t, c);
    case TEXT_LOW_BACKSLASH:
        t->state = TEXT_LOW_U;
        return c == '\\' ? NULL : "lone surrogate";
    case TEXT_LOW_U:
        return c == 'u' ? escape(t, c) : "lone surrogate";
    case TEXT_UTF8:
        return utf8_more(t, c);
    }
    return "no such state";
}

static bool is_number_byte(char c)
{
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

/* yajl keeps a number that a piece ends in the middle of: its length is limited here. */
static const char *check_number(struct json_text *t, struct slice piece)
{
    size_t n = 0;
    while (n < piece.len && n <= JSON_TEXT_NUMBER_MAX &&
           is_number_byte(piece.ptr[piece.len - 1 - n]))
        n++;
    t->number = n == piece.len ? t->number + n : n;
    return t->number > JSON_TEXT_NUMBER_MAX ? "number too long" : NULL;
}

/* To yajl vertical tabs and form feeds are white space too; to RFC 8259 they are not. */
static bool has_odd_space(const char *p, const char *end)
{
    bool odd = false;
    while (p < end)
        odd |= (unsigned char)(*p++ - '\v') < 2;
    return odd;
}

const char *json_text_next(struct json_text *t, struct slice *rest, struct slice *span)
{
    const char *p = rest->ptr, *end = p + rest->len;
    const char *from = t->skipping ? end : p;
    while (p < end) {
        if (!t->in_string) {
            const char *quote = memchr(p, '"', (size_t)(end - p));
            if (has_odd_space(p, quote ? quote : end)) {
                *span = slice_make(from, 0);
                return "a control character between values";
            }
            if (!quote)
                break;
            p = quote + 1;
            t->in_string = true;
            t->fed = 0;
            continue;
        }
        if (t->state == TEXT_PLAIN) {
            if (t->fed >= JSON_TEXT_FED && !t->skipping) {
                t->skipping = true;
                end = p; /* the rest in the next call */
                break;
            }
            size_t room = (size_t)(end - p);
            if (!t->skipping && room > JSON_TEXT_FED - t->fed)
                room = JSON_TEXT_FED - t->fed;
            size_t n = plain_run((const unsigned char *)p, room);
            p += n;
            t->fed += n;
            if (n == room)
                continue;
        }
        const char *wrong = step(t, (unsigned char)*p);
        if (wrong) {
            *span = slice_make(from, 0);
            return wrong;
        }
        if (!t->in_string && t->skipping) {
            t->skipping = false;
            from = p;
        }
        p++;
        t->fed++;
    }
    *span = slice_make(from, (size_t)(end - from));
    *rest = slice_skip(*rest, (size_t)(end - rest->ptr));
    if (t->in_string)
        t->number = 0;
    else
        return check_number(t, *span);
    return NULL;
}
