#include "common/base/text.h"

#include <stdio.h>

enum err text_u64(struct slice s, uint64_t max, uint64_t *out)
{
    if (s.len == 0 || s.len > 19)
        return ERR_INVALID;
    uint64_t v = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return ERR_INVALID;
        v = v * 10 + (uint64_t)(s.ptr[i] - '0');
    }
    if (v > max)
        return ERR_INVALID;
    *out = v;
    return OK;
}

enum err text_i64(struct slice s, int64_t *out)
{
    bool negative = s.len && s.ptr[0] == '-';
    uint64_t v = 0;
    enum err rc = text_u64(negative ? slice_skip(s, 1) : s, INT64_MAX, &v);
    if (rc == OK)
        *out = negative ? -(int64_t)v : (int64_t)v;
    return rc;
}

void text_hex(const void *bytes, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *in = bytes;
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[in[i] >> 4];
        out[2 * i + 1] = digits[in[i] & 15];
    }
}

/* The digit plus one; 0: none. */
static const unsigned char hex_digits[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

int text_hex_value(char c)
{
    return hex_digits[(unsigned char)c] - 1;
}

enum err text_unhex(struct slice s, void *out, size_t len)
{
    unsigned char *to = out;
    if (s.len != 2 * len)
        return ERR_INVALID;
    for (size_t i = 0; i < len; i++) {
        unsigned hi = hex_digits[(unsigned char)s.ptr[2 * i]];
        unsigned lo = hex_digits[(unsigned char)s.ptr[2 * i + 1]];
        if (!hi || !lo)
            return ERR_INVALID;
        to[i] = (unsigned char)((hi - 1) << 4 | (lo - 1));
    }
    return OK;
}

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t text_base64(const void *bytes, size_t len, char *out)
{
    const unsigned char *in = bytes;
    size_t n = 0;
    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        unsigned v = (unsigned)in[i] << 16;
        if (left > 1)
            v |= (unsigned)in[i + 1] << 8;
        if (left > 2)
            v |= in[i + 2];
        out[n++] = base64_digits[v >> 18];
        out[n++] = base64_digits[v >> 12 & 63];
        out[n++] = left > 1 ? base64_digits[v >> 6 & 63] : '=';
        out[n++] = left > 2 ? base64_digits[v & 63] : '=';
    }
    return n;
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

enum err text_unbase64(struct slice s, bool padding_optional, void *out, size_t *len)
{
    unsigned char *to = out;
    size_t pad = 0, n = 0;
    while (pad < 2 && pad < s.len && s.ptr[s.len - 1 - pad] == '=')
        pad++;
    size_t digits = s.len - pad;
    if (digits % 4 == 1 || (pad && s.len % 4) || (!pad && digits % 4 && !padding_optional))
        return ERR_INVALID;
    unsigned v = 0;
    for (size_t i = 0; i < digits; i++) {
        int d = base64_value(s.ptr[i]);
        if (d < 0)
            return ERR_INVALID;
        v = v << 6 | (unsigned)d;
        if (i % 4 == 3) {
            to[n++] = (unsigned char)(v >> 16);
            to[n++] = (unsigned char)(v >> 8);
            to[n++] = (unsigned char)v;
            v = 0;
        }
    }
    if (digits % 4 == 2) {
        if (v & 15)
            return ERR_INVALID;
        to[n++] = (unsigned char)(v >> 4);
    } else if (digits % 4 == 3) {
        if (v & 3)
            return ERR_INVALID;
        to[n++] = (unsigned char)(v >> 10);
        to[n++] = (unsigned char)(v >> 2);
    }
    *len = n;
    return OK;
}

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void text_add_percent_but(struct buf *out, struct slice s, bool (*is_kept)(char c))
{
    static const char digits[] = "0123456789ABCDEF";
    while (s.len) {
        size_t run = 0;
        while (run < s.len && is_kept(s.ptr[run]))
            run++;
        buf_add(out, s.ptr, run);
        s = slice_skip(s, run);
        if (s.len) {
            unsigned char c = (unsigned char)s.ptr[0];
            buf_add(out, (char[]){'%', digits[c >> 4], digits[c & 15]}, 3);
            s = slice_skip(s, 1);
        }
    }
}

void text_add_percent(struct buf *out, struct slice s)
{
    text_add_percent_but(out, s, is_unreserved);
}

enum err text_unpercent(struct buf *out, struct slice s, bool plus)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '%') {
            unsigned char byte = 0;
            if (s.len - i < 3 || text_unhex(slice_make(s.ptr + i + 1, 2), &byte, 1) != OK || !byte)
                return ERR_INVALID;
            c = (char)byte;
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        buf_add_char(out, c);
    }
    return out->failed ? ERR_TOO_BIG : OK;
}

#define EACH_BYTE(n) (UINT64_C(0x0101010101010101) * (n))

/* Has a byte of X that is below 0x20, above 0x7e, a quote or a backslash? Bit tricks of eight bytes at a time. A byte
 * that is zero or below N sets its highest bit when N is taken off. Some of its neighbours above do too. */
static bool has_special(uint64_t x)
{
    uint64_t high = EACH_BYTE(0x80);
    uint64_t quote = x ^ EACH_BYTE('"'), slash = x ^ EACH_BYTE('\\'), del = x ^ EACH_BYTE(0x7f);
    uint64_t found = (x - EACH_BYTE(0x20)) | (quote - EACH_BYTE(1)) | (slash - EACH_BYTE(1)) |
                     (del - EACH_BYTE(1)) | x;
    return (found & high) != 0;
}

size_t text_json_plain(struct slice s)
{
    size_t i = 0;
    for (uint64_t x; s.len - i >= sizeof x; i += sizeof x) {
        memcpy(&x, s.ptr + i, sizeof x);
        if (has_special(x))
            break; /* or one beside it looked so: byte by byte then */
    }
    for (; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\')
            break;
    }
    return i;
}

size_t text_utf8_width(struct slice s)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    if (s.len == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    size_t width = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || s.len < width)
        return 0;
    for (size_t i = 1; i < width; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return width;
}

void text_add_json(struct buf *out, struct slice s)
{
    size_t from = 0;
    for (size_t i = 0; i < s.len;) {
        i += text_json_plain(slice_skip(s, i));
        if (i == s.len)
            break;
        unsigned char c = (unsigned char)s.ptr[i];
        size_t width = c < 0x80 ? 1 : text_utf8_width(slice_skip(s, i));
        if (c >= 0x80 && width > 0) {
            i += width;
            continue;
        }
        buf_add(out, s.ptr + from, i - from);
        if (c == '"' || c == '\\') {
            buf_add_char(out, '\\');
            buf_add_char(out, (char)c);
        } else if (c >= 0x80) {
            buf_add_str(out, "\\ufffd");
        } else {
            buf_addf(out, "\\u%04x", c);
        }
        from = ++i;
    }
    buf_add(out, s.ptr ? s.ptr + from : "", s.len - from);
}

bool text_is_utf8(struct slice s)
{
    while (s.len) {
        size_t width = text_utf8_width(s);
        if (width == 0)
            return false;
        s = slice_skip(s, width);
    }
    return true;
}

bool text_has_control(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] < 0x20 || s.ptr[i] == 0x7f)
            return true;
    return false;
}

#define DISTANCE_LEN 64

unsigned text_distance(struct slice a, struct slice b, unsigned max)
{
    unsigned row[3][DISTANCE_LEN + 1];
    if (a.len > DISTANCE_LEN || b.len > DISTANCE_LEN)
        return max + 1;
    for (size_t j = 0; j <= b.len; j++)
        row[0][j] = (unsigned)j;
    for (size_t i = 1; i <= a.len; i++) {
        unsigned *now = row[i % 3], *up = row[(i + 2) % 3], *up2 = row[(i + 1) % 3];
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= b.len; j++) {
            unsigned best = up[j - 1] + (a.ptr[i - 1] != b.ptr[j - 1]);
            if (up[j] + 1 < best)
                best = up[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] && a.ptr[i - 2] == b.ptr[j - 1] &&
                up2[j - 2] + 1 < best)
                best = up2[j - 2] + 1;
            now[j] = best;
        }
    }
    unsigned d = row[a.len % 3][b.len];
    return d > max ? max + 1 : d;
}

#define GUESS_EDITS 2

struct text_guess text_guess(struct slice word)
{
    return (struct text_guess){.word = word, .distance = GUESS_EDITS + 1};
}

void text_guess_try(struct text_guess *g, struct slice candidate)
{
    unsigned d = text_distance(g->word, candidate, GUESS_EDITS);
    bool is_near = d < g->word.len && d < candidate.len;
    if (slice_eq_nocase(g->word, candidate)) {
        is_near = true;
        d = d ? 1 : 0;
    }
    if (is_near && d < g->distance) {
        g->distance = d;
        g->best = candidate;
    }
}

const char *text_guess_write(const struct text_guess *g, const char *prefix,
                             char out[TEXT_GUESS_MAX])
{
    out[0] = 0;
    if (g->best.len)
        snprintf(out, TEXT_GUESS_MAX, "; did you mean \"%s%.*s\"?", prefix, SLICE_FMT(g->best));
    return out;
}

bool text_glob_nocase(const char *pattern, struct slice s)
{
    const char *star = NULL;
    size_t i = 0, mark = 0;
    while (i < s.len) {
        if (*pattern == '*') {
            star = pattern++;
            mark = i;
        } else if (*pattern && text_lower(*pattern) == text_lower(s.ptr[i])) {
            pattern++;
            i++;
        } else if (star) {
            pattern = star + 1;
            i = ++mark;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}
