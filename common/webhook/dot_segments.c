#include "common/webhook/dot_segments.h"

#include "common/base/alloc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Reads N hex digits of TEXT to OUT. */
static bool read_hex(struct slice text, size_t n, uint32_t *out)
{
    *out = 0;
    if (text.len < n)
        return false;
    for (size_t i = 0; i < n; i++) {
        int digit = hex_value(text.ptr[i]);
        if (digit < 0)
            return false;
        *out = *out << 4 | (uint32_t)digit;
    }
    return true;
}

/* The ASCII text that a generous reader makes of the character C, or NULL if C means nothing here. */
static const char *fold(uint32_t c)
{
    switch (c) {
    case '.':
    case 0x2024: /* one dot leader */
    case 0x3002: /* ideographic full stop */
    case 0xfe52: /* small full stop */
    case 0xff0e: /* full-width full stop */
    case 0xff61: /* half-width ideographic full stop */
        return ".";
    case 0x2025: /* two dot leader */
        return "..";
    case '/':
    case 0x2044: /* fraction slash */
    case 0x2215: /* division slash */
    case 0x29f8: /* big solidus */
    case 0xff0f: /* full-width solidus */
        return "/";
    case '\\':
    case 0x2216: /* set minus */
    case 0xfe68: /* small reverse solidus */
    case 0xff3c: /* full-width reverse solidus */
        return "\\";
    case '%':
    case 0xfe6a: /* small percent sign */
    case 0xff05: /* full-width percent sign */
        return "%";
    case ';':
    case 0xff1b: /* full-width semicolon */
        return ";";
    default:
        return NULL;
    }
}

/* Length of the UTF-8 character that TEXT begins with, also of one that is longer than it needs to be; 0 if it is none. *C is
 * the character. */
static size_t read_utf8(struct slice text, uint32_t *c)
{
    unsigned char first = (unsigned char)text.ptr[0];
    size_t len = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 0;
    if (len == 0 || text.len < len)
        return 0;
    *c = first & (0x7fU >> len);
    for (size_t i = 1; i < len; i++) {
        unsigned char next = (unsigned char)text.ptr[i];
        if ((next & 0xc0) != 0x80)
            return 0;
        *c = *c << 6 | (next & 0x3f);
    }
    return len;
}

/* Length of the first character of TEXT, in any spelling. *IS_PART: it is a byte, perhaps of a longer character. */
static size_t read_one(struct slice text, uint32_t *c, bool *is_part)
{
    *is_part = false;
    if (text.ptr[0] == '%' && read_hex(slice_skip(text, 1), 2, c)) {
        *is_part = *c >= 0x80;
        return 3;
    }
    if (text.len > 1 && text.ptr[0] == '%' && (text.ptr[1] | 0x20) == 'u' &&
        read_hex(slice_skip(text, 2), 4, c))
        return 6;
    size_t len = read_utf8(text, c);
    if (len)
        return len;
    *c = (unsigned char)text.ptr[0];
    *is_part = *c >= 0x80;
    return 1;
}

/* Decodes TEXT once, in place. Returns its new length: what changes gets shorter. */
static size_t decode_once(char *text, size_t len)
{
    size_t to = 0;
    for (size_t at = 0; at < len;) {
        uint32_t c;
        bool is_part;
        at += read_one(slice_make(text + at, len - at), &c, &is_part);
        const char *folded = is_part ? NULL : fold(c);
        if (folded) {
            while (*folded)
                text[to++] = *folded++;
        } else {
            text[to++] = is_part || c < 0x80 ? (char)c : '_';
        }
    }
    return to;
}

static bool is_end_of_segment(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f || c == ';' || c == '?' || c == '#';
}

static bool is_dot_segment(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (is_end_of_segment(s.ptr[i]))
            s = slice_head(s, i);
    while (s.len && s.ptr[0] == ' ')
        s = slice_skip(s, 1);
    while (s.len && s.ptr[s.len - 1] == ' ')
        s.len--;
    return slice_eq(s, SLICE_LIT(".")) || slice_eq(s, SLICE_LIT(".."));
}

static bool has_plain_dot_segment(struct slice path)
{
    size_t from = 0;
    for (size_t i = 0; i <= path.len; i++) {
        if (i < path.len && path.ptr[i] != '/' && path.ptr[i] != '\\')
            continue;
        if (is_dot_segment(slice_make(path.ptr + from, i - from)))
            return true;
        from = i + 1;
    }
    return false;
}

bool has_dot_segment(struct slice path)
{
    path = slice_cut(&path, '?');
    if (path.len == 0)
        return false;
    if (!memchr(path.ptr, '%', path.len)) /* most paths: a URL is ASCII */
        return memchr(path.ptr, '.', path.len) && has_plain_dot_segment(path);
    char *text = xslicedup(path);
    size_t len = path.len;
    for (size_t before = len + 1; len < before;) {
        before = len;
        len = decode_once(text, len);
    }
    bool found = has_plain_dot_segment(slice_make(text, len));
    free(text);
    return found;
}
