#include "common/json/json_check.h"

#include "common/base/buf.h"
#include "common/base/map.h"
#include "common/base/text.h"

#define KEY_MAX_BYTES ((size_t)1 << 20)

struct check {
    struct slice text;
    size_t at; /* next byte */
    unsigned depth;
    struct error *e;
};

static enum err value(struct check *c);

/* Columns count characters, not bytes, as editors do. */
static enum err wrong_at(struct check *c, size_t at, const char *what)
{
    size_t line = 1, column = 1;
    for (size_t i = 0; i < at && i < c->text.len; i++) {
        if (c->text.ptr[i] == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)c->text.ptr[i] & 0xc0) != 0x80) {
            column++;
        }
    }
    return fail(c->e, ERR_INVALID, "line %zu, column %zu: %s", line, column, what);
}

static enum err wrong(struct check *c, const char *what)
{
    return wrong_at(c, c->at, c->at < c->text.len ? what : "the text ends too early");
}

/* The next byte, or -1 at the end. */
static int peek(const struct check *c)
{
    return c->at < c->text.len ? (unsigned char)c->text.ptr[c->at] : -1;
}

static void skip_space(struct check *c)
{
    int b = peek(c);
    while (b == ' ' || b == '\t' || b == '\n' || b == '\r') {
        c->at++;
        b = peek(c);
    }
}

static bool is_digit(int b)
{
    return b >= '0' && b <= '9';
}

static void skip_digits(struct check *c)
{
    while (is_digit(peek(c)))
        c->at++;
}

static enum err number(struct check *c)
{
    if (peek(c) == '-')
        c->at++;
    if (!is_digit(peek(c)))
        return wrong(c, "a digit was expected");
    if (peek(c) == '0')
        c->at++;
    else
        skip_digits(c);
    if (is_digit(peek(c)))
        return wrong(c, "a number may not start with 0");
    if (peek(c) == '.') {
        c->at++;
        if (!is_digit(peek(c)))
            return wrong(c, "a digit was expected after the point");
        skip_digits(c);
    }
    if (peek(c) == 'e' || peek(c) == 'E') {
        c->at++;
        if (peek(c) == '+' || peek(c) == '-')
            c->at++;
        if (!is_digit(peek(c)))
            return wrong(c, "a digit was expected in the exponent");
        skip_digits(c);
    }
    return OK;
}

static enum err hex4(struct check *c, unsigned *out)
{
    unsigned char bytes[2];
    if (c->text.len - c->at < 4)
        return wrong_at(c, c->text.len, "the text ends too early");
    if (text_unhex(slice_make(c->text.ptr + c->at, 4), bytes, 2) != OK)
        return wrong(c, "four hex digits were expected after \\u");
    *out = (unsigned)bytes[0] << 8 | bytes[1];
    c->at += 4;
    return OK;
}

static void add_utf8(struct buf *out, unsigned code)
{
    if (code < 0x80) {
        buf_add_char(out, (char)code);
        return;
    }
    if (code >= 0x10000) {
        buf_add_char(out, (char)(0xf0 | code >> 18));
        buf_add_char(out, (char)(0x80 | (code >> 12 & 0x3f)));
    } else if (code >= 0x800) {
        buf_add_char(out, (char)(0xe0 | code >> 12));
    }
    buf_add_char(out, (char)(code >= 0x800 ? 0x80 | (code >> 6 & 0x3f) : 0xc0 | code >> 6));
    buf_add_char(out, (char)(0x80 | (code & 0x3f)));
}

/* Behind "\u": one character, or the two halves of a surrogate pair. */
static enum err unicode_escape(struct check *c, struct buf *out)
{
    size_t start = c->at - 2;
    unsigned code = 0, low = 0;
    enum err rc = hex4(c, &code);
    if (rc != OK)
        return rc;
    if (code >= 0xd800 && code <= 0xdfff) {
        bool pair = code < 0xdc00 && slice_starts(slice_skip(c->text, c->at), SLICE_LIT("\\u"));
        if (!pair)
            return wrong_at(c, start, "half of a surrogate pair");
        c->at += 2;
        rc = hex4(c, &low);
        if (rc != OK)
            return rc;
        if (low < 0xdc00 || low > 0xdfff)
            return wrong_at(c, start, "half of a surrogate pair");
        code = 0x10000 + ((code & 0x3ff) << 10) + (low & 0x3ff);
    }
    if (out && code == 0)
        return wrong_at(c, start, "U+0000 may not stand in a key");
    if (out)
        add_utf8(out, code);
    return OK;
}

static enum err escape(struct check *c, struct buf *out)
{
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    c->at++;
    int b = peek(c);
    if (b == 'u') {
        c->at++;
        return unicode_escape(c, out);
    }
    const char *hit = b > 0 ? strchr(letters, b) : NULL;
    if (!hit)
        return wrong(c, "unknown escape in a string");
    if (out)
        buf_add_char(out, meanings[hit - letters]);
    c->at++;
    return OK;
}

/* A string; OUT, if not NULL, gets its decoded text (for keys). */
static enum err string(struct check *c, struct buf *out)
{
    for (c->at++; peek(c) != '"';) {
        if (peek(c) == '\\') {
            enum err rc = escape(c, out);
            if (rc != OK)
                return rc;
            continue;
        }
        if (peek(c) >= 0 && peek(c) < 0x20)
            return wrong(c, "a control character in a string (write \\n, \\t or \\u00XX)");
        size_t width = text_utf8_width(slice_skip(c->text, c->at));
        if (width == 0)
            return wrong(c, "not valid UTF-8");
        if (out)
            buf_add(out, c->text.ptr + c->at, width);
        c->at += width;
    }
    c->at++;
    return OK;
}

static enum err literal(struct check *c, struct slice word)
{
    if (!slice_starts(slice_skip(c->text, c->at), word))
        return wrong(c, "a value was expected");
    c->at += word.len;
    return OK;
}

/* "key": value */
static enum err member(struct check *c, struct map *keys, struct buf *key)
{
    size_t start = c->at;
    if (peek(c) != '"')
        return wrong(c, "a key in double quotes was expected");
    buf_reset(key);
    enum err rc = string(c, key);
    if (rc != OK)
        return rc;
    if (key->failed)
        return wrong_at(c, start, "a key of over 1 MiB");
    if (map_set(keys, buf_slice(key), keys))
        return wrong_at(c, start, "this key stands twice in its object");
    skip_space(c);
    if (peek(c) != ':')
        return wrong(c, "':' was expected");
    c->at++;
    return value(c);
}

static enum err members(struct check *c, struct map *keys, struct buf *key)
{
    c->at++;
    skip_space(c);
    if (peek(c) == '}') {
        c->at++;
        return OK;
    }
    for (;;) {
        enum err rc = member(c, keys, key);
        if (rc != OK)
            return rc;
        if (peek(c) != ',' && peek(c) != '}')
            return wrong(c, "',' or '}' was expected");
        if (c->text.ptr[c->at++] == '}')
            return OK;
        skip_space(c);
    }
}

static enum err object(struct check *c)
{
    struct map keys;
    struct buf key;
    map_init(&keys);
    buf_init(&key, KEY_MAX_BYTES);
    enum err rc = members(c, &keys, &key);
    map_clear(&keys);
    buf_clear(&key);
    return rc;
}

static enum err array(struct check *c)
{
    c->at++;
    skip_space(c);
    if (peek(c) == ']') {
        c->at++;
        return OK;
    }
    for (;;) {
        enum err rc = value(c);
        if (rc != OK)
            return rc;
        if (peek(c) != ',' && peek(c) != ']')
            return wrong(c, "',' or ']' was expected");
        if (c->text.ptr[c->at++] == ']')
            return OK;
    }
}

static enum err nested(struct check *c)
{
    if (c->depth == JSON_DEPTH)
        return wrong(c, "nested too deeply");
    c->depth++;
    enum err rc = peek(c) == '{' ? object(c) : array(c);
    c->depth--;
    return rc;
}

static enum err any_value(struct check *c)
{
    switch (peek(c)) {
    case '{':
    case '[':
        return nested(c);
    case '"':
        return string(c, NULL);
    case 't':
        return literal(c, SLICE_LIT("true"));
    case 'f':
        return literal(c, SLICE_LIT("false"));
    case 'n':
        return literal(c, SLICE_LIT("null"));
    default:
        if (peek(c) == '-' || is_digit(peek(c)))
            return number(c);
        return wrong(c, "a value was expected");
    }
}

/* A value and the white space around it. */
static enum err value(struct check *c)
{
    skip_space(c);
    enum err rc = any_value(c);
    if (rc == OK)
        skip_space(c);
    return rc;
}

enum err json_check(struct slice text, struct error *e)
{
    struct check c = {.text = text, .e = e};
    if (slice_starts(text, SLICE_LIT("\xef\xbb\xbf")))
        return wrong(&c, "a byte order mark (save the file as UTF-8 without BOM)");
    enum err rc = value(&c);
    if (rc == OK && c.at < text.len)
        return wrong(&c, "something stands after the end of the document");
    return rc;
}
