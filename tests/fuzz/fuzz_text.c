/* Digits, hex, base64, percent-encoding, UTF-8, globs, ids and tags: each against a second, naive
 * implementation, or there and back again. */
#include "common/base/buf.h"
#include "common/base/text.h"
#include "common/json/json.h"
#include "common/webhook/ids.h"
#include "tests/fuzz/fuzz.h"

#include <ctype.h>

#define MOST 4096

static bool is_digits(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
    return s.len > 0;
}

static void numbers(struct slice s, uint64_t max)
{
    uint64_t got = 0;
    __extension__ unsigned __int128 want = 0;
    bool legal = is_digits(s) && s.len <= 19;
    for (size_t i = 0; legal && i < s.len; i++)
        want = want * 10 + (unsigned)(s.ptr[i] - '0');
    legal = legal && want <= max;
    INSIST((text_u64(s, max, &got) == OK) == legal);
    INSIST(!legal || got == want);

    int64_t signed_got = 0;
    if (text_i64(s, &signed_got) == OK) {
        struct buf b;
        buf_init(&b, 32);
        buf_add_i64(&b, signed_got);
        bool minus = s.ptr[0] == '-';
        struct slice digits = slice_skip(s, minus);
        while (digits.len > 1 && digits.ptr[0] == '0')
            digits = slice_skip(digits, 1);
        INSIST(slice_eq(slice_skip(buf_slice(&b), signed_got < 0), digits));
        INSIST(minus || signed_got >= 0);
        buf_clear(&b);
    }
}

static void hex(struct slice s)
{
    char text[2 * MOST], again[2 * MOST];
    unsigned char bytes[MOST];
    text_hex(s.ptr, s.len, text);
    INSIST(text_unhex(slice_make(text, 2 * s.len), bytes, s.len) == OK);
    INSIST(slice_eq(slice_make(bytes, s.len), s));
    if (text_unhex(s, bytes, s.len / 2) != OK)
        return;
    INSIST(s.len % 2 == 0);
    text_hex(bytes, s.len / 2, again);
    INSIST(slice_eq_nocase(slice_make(again, s.len), s));
}

static struct slice unpadded(struct slice s)
{
    for (int i = 0; i < 2 && s.len && s.ptr[s.len - 1] == '='; i++)
        s.len--;
    return s;
}

static void base64(struct slice s)
{
    char text[4 * ((MOST + 2) / 3)];
    unsigned char bytes[3 * ((4 * ((MOST + 2) / 3) + 3) / 4)];
    size_t len = 0, n = text_base64(s.ptr, s.len, text);
    INSIST(text_unbase64(slice_make(text, n), false, bytes, &len) == OK);
    INSIST(slice_eq(slice_make(bytes, len), s));
    struct slice bare = unpadded(slice_make(text, n));
    INSIST(text_unbase64(bare, true, bytes, &len) == OK && len == s.len);

    /* one text, one meaning: what decodes is what encoding gives */
    for (int optional = 0; optional < 2; optional++) {
        if (text_unbase64(s, optional, bytes, &len) != OK)
            continue;
        n = text_base64(bytes, len, text);
        struct slice want = slice_make(text, n);
        INSIST(slice_eq(s, want) || (optional && slice_eq(s, unpadded(want))));
    }
}

static void percent(struct slice s)
{
    struct buf there, back;
    buf_init(&there, 3 * MOST);
    buf_init(&back, 3 * MOST);
    text_add_percent(&there, s);
    for (size_t i = 0; i < there.len; i++)
        INSIST(isalnum((unsigned char)there.ptr[i]) || strchr("-._~%", there.ptr[i]));
    bool has_nul = s.len && memchr(s.ptr, 0, s.len);
    INSIST((text_unpercent(&back, buf_slice(&there), true) == OK) == !has_nul);
    INSIST(has_nul || slice_eq(buf_slice(&back), s));

    buf_reset(&back);
    if (text_unpercent(&back, s, false) == OK) {
        size_t escapes = 0;
        for (size_t i = 0; i < s.len; i++)
            escapes += s.ptr[i] == '%';
        INSIST(back.len == s.len - 2 * escapes);
    }
    buf_clear(&there);
    buf_clear(&back);
}

/* Width by composing the code point, not by ranges of bytes. */
static size_t naive_width(struct slice s)
{
    if (!s.len)
        return 0;
    unsigned char first = (unsigned char)s.ptr[0];
    size_t n = 0;
    while (n < 8 && first & (0x80 >> n))
        n++;
    if (n == 0)
        return 1;
    if (n < 2 || n > 4 || s.len < n)
        return 0;
    uint32_t code = first & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if (((unsigned char)s.ptr[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | ((unsigned char)s.ptr[i] & 0x3f);
    }
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    return code >= least[n] && code <= 0x10ffff && (code & 0xfffff800) != 0xd800 ? n : 0;
}

static void utf8(struct slice s)
{
    bool valid = true;
    for (struct slice rest = s; rest.len && valid;) {
        size_t n = naive_width(rest);
        INSIST(text_utf8_width(rest) == n);
        valid = n > 0;
        rest = slice_skip(rest, n);
    }
    INSIST(text_is_utf8(s) == valid);

    struct buf b;
    struct json *doc = NULL;
    buf_init(&b, 7 * MOST);
    buf_add_char(&b, '"');
    text_add_json(&b, s);
    buf_add_char(&b, '"');
    INSIST(text_is_utf8(buf_slice(&b)) && !text_has_control(slice_make("", 0)));
    INSIST(json_parse(buf_slice(&b), &doc, NULL) == OK);
    INSIST(!valid || slice_eq(json_string(doc), s));
    json_free(doc);
    buf_clear(&b);
}

static bool naive_glob(struct slice p, struct slice s)
{
    if (!p.len)
        return !s.len;
    if (p.ptr[0] == '*')
        return naive_glob(slice_skip(p, 1), s) || (s.len && naive_glob(p, slice_skip(s, 1)));
    return s.len && slice_eq_nocase(slice_make(p.ptr, 1), slice_make(s.ptr, 1)) &&
           naive_glob(slice_skip(p, 1), slice_skip(s, 1));
}

static unsigned capped(unsigned n, unsigned max)
{
    return n < max ? n : max;
}

static void two_texts(struct slice a, struct slice b)
{
    char copy[MOST + 1];
    struct buf pattern = buf_over(copy);
    buf_add_slice(&pattern, a);
    bool matches = text_glob_nocase(copy, b);
    INSIST(!matches || !b.len || text_glob_begins(copy, b.ptr[0]));
    if (strlen(copy) <= 12 && b.len <= 24)
        INSIST(matches == naive_glob(slice_str(copy), b));
    if (a.len > 64 || b.len > 64)
        return;
    unsigned d = text_distance(a, b, 10);
    INSIST(d <= 11 && text_distance(b, a, 10) == d);
    INSIST((d == 0) == slice_eq(a, b));
    INSIST(text_distance(a, b, 2) == capped(d, 3));
}

/* S, an id as a sender may give it, has one key, and one name in the API that leads to that key again. */
static void ids(struct slice s)
{
    char key_text[3 * MOST + 1], shown_text[3 * MOST + 3], again_text[9 * MOST + 3];
    struct buf key = buf_over(key_text), shown = buf_over(shown_text), again = buf_over(again_text);
    id_add_key(&key, s);
    id_add_shown(&shown, buf_slice(&key));
    if (s.len && memchr(s.ptr, 0, s.len)) { /* no id has a NUL, and no text is decoded to one */
        INSIST(slice_eq(buf_slice(&shown), buf_slice(&key)));
        return;
    }
    struct slice name = buf_slice(&shown);
    if (!slice_starts(name, s)) { /* S looks like the key of a task */
        INSIST(name.ptr[0] == '~' && memchr(s.ptr, '@', s.len) && memchr(s.ptr, '/', s.len));
        name = slice_skip(name, 1);
    }
    INSIST(slice_starts(name, s));
    struct slice mark = slice_skip(name, s.len);
    INSIST(!mark.len || slice_eq(mark, SLICE_LIT("~1"))); /* where S ends as our marks do */
    id_add_named_key(&again, buf_slice(&shown));
    INSIST(slice_eq(buf_slice(&again), buf_slice(&key)));
}

/* S, which is UTF-8, has one of the control characters U+0000 to U+001F or U+007F to U+009F. */
static bool has_control(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] == '\xc2' && i + 1 < s.len && (unsigned char)s.ptr[i + 1] < 0xa0)
            return true;
    return text_has_control(s);
}

static void names(struct slice s)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    bool name = s.len >= 1 && s.len <= 64;
    for (size_t i = 0; i < s.len; i++)
        name = name && s.ptr[i] && (strchr(letters, s.ptr[i]) || strchr("_-", s.ptr[i]));
    INSIST(id_is_valid(s) == (s.len >= 1 && s.len <= 255 && text_is_utf8(s) && !has_control(s)));
    ids(s);
    INSIST(name_is_valid(s) == name);
    size_t characters = 0;
    for (size_t i = 0; i < s.len; i++)
        characters += (s.ptr[i] & 0xc0) != 0x80;
    INSIST(tag_is_valid(s) == (characters <= 255 && text_is_utf8(s) && !has_control(s)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice s = slice_make(data, size < MOST ? size : MOST), rest = s;
    numbers(s, UINT64_MAX);
    numbers(s, 65535);
    hex(s);
    base64(s);
    percent(s);
    utf8(s);
    names(s);
    struct slice first = fuzz_line(&rest);
    two_texts(first, rest);
    return 0;
}
