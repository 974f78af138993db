/* A state machine. Between the tokens a table gives the action for a state and a class of bytes. Strings, numbers and
 * literals have loops of their own, because most bytes lie in them:
 *
 *   START          before the document.
 *   VALUE          a value must follow.
 *   FIRST_ELEMENT  after '[': a value or ']' must follow.
 *   KEY            a key must follow.
 *   FIRST_KEY      after '{': a key or '}' must follow.
 *   COLON          after a key.
 *   ARRAY_NEXT     after a value in an array. OBJECT_NEXT: in an object. DONE: after the document.
 *   OPEN           at a bracket that was reported and is not read yet.
 *   STRING         in a key or string. ESCAPE, HEX, PAIR_BACKSLASH, PAIR_U: in an escape.
 *   NUMBER         in a number. The table number_next is its own small machine.
 *   LITERAL        in true, false or null. BOM: in a byte order mark.
 */
#include "common/json/json_events.h"

#include <endian.h>

const struct json_rules json_rules_body = {.depth = JSON_DEPTH_MAX, .is_lenient = true};
const struct json_rules json_rules_tree = {.depth = 32, .no_nul_in_keys = true};
const struct json_rules json_rules_received = {
    .depth = 32, .no_nul_in_keys = true, .is_lenient = true};

enum state {
    START,
    VALUE,
    FIRST_ELEMENT,
    FIRST_KEY,
    KEY,
    COLON,
    ARRAY_NEXT,
    OBJECT_NEXT,
    DONE,
    BETWEEN_TOKENS, /* how many states come before */
    OPEN = BETWEEN_TOKENS,
    STRING,
    ESCAPE,
    HEX,
    PAIR_BACKSLASH, /* behind the first half of a surrogate pair */
    PAIR_U,
    NUMBER,
    LITERAL,
    BOM
};

enum byte_class {
    OTHER,
    SPACE,
    QUOTE,
    ZERO,
    DIGIT, /* 1 to 9 */
    MINUS,
    PLUS,
    POINT,
    EXPONENT,
    LETTER, /* that a literal begins with */
    OPEN_OBJECT,
    CLOSE_OBJECT,
    OPEN_ARRAY,
    CLOSE_ARRAY,
    COMMA,
    COLON_SIGN,
    BOM_BYTE,    /* that a byte order mark begins with */
    CLASSES = 32 /* a power of two: then a row of the tables is found by a shift */
};

static const unsigned char class_of[256] = {
    [' '] = SPACE,      ['\t'] = SPACE,       ['\n'] = SPACE,        ['\r'] = SPACE,
    ['"'] = QUOTE,      ['0'] = ZERO,         ['1' ... '9'] = DIGIT, ['-'] = MINUS,
    ['+'] = PLUS,       ['.'] = POINT,        ['e'] = EXPONENT,      ['E'] = EXPONENT,
    ['t'] = LETTER,     ['f'] = LETTER,       ['n'] = LETTER,        ['{'] = OPEN_OBJECT,
    ['['] = OPEN_ARRAY, ['}'] = CLOSE_OBJECT, [']'] = CLOSE_ARRAY,   [','] = COMMA,
    [':'] = COLON_SIGN, [0xef] = BOM_BYTE,
};

enum action {
    REFUSE,
    BEGIN_STRING,
    BEGIN_KEY,
    BEGIN_NUMBER,
    BEGIN_LITERAL,
    BEGIN_NESTED,
    END_NESTED,
    NEXT_VALUE,
    NEXT_KEY,
    BEGIN_BOM
};

#define A_VALUE                                                                                    \
    [QUOTE] = BEGIN_STRING, [ZERO] = BEGIN_NUMBER, [DIGIT] = BEGIN_NUMBER, [MINUS] = BEGIN_NUMBER, \
    [LETTER] = BEGIN_LITERAL, [OPEN_OBJECT] = BEGIN_NESTED, [OPEN_ARRAY] = BEGIN_NESTED

static const unsigned char actions[BETWEEN_TOKENS][CLASSES] = {
    [START] = {A_VALUE, [BOM_BYTE] = BEGIN_BOM},
    [VALUE] = {A_VALUE},
    [FIRST_ELEMENT] = {A_VALUE, [CLOSE_ARRAY] = END_NESTED},
    [FIRST_KEY] = {[QUOTE] = BEGIN_KEY, [CLOSE_OBJECT] = END_NESTED},
    [KEY] = {[QUOTE] = BEGIN_KEY},
    [COLON] = {[COLON_SIGN] = NEXT_VALUE},
    [ARRAY_NEXT] = {[COMMA] = NEXT_VALUE, [CLOSE_ARRAY] = END_NESTED},
    [OBJECT_NEXT] = {[COMMA] = NEXT_KEY, [CLOSE_OBJECT] = END_NESTED},
};

static const char *const expected[BETWEEN_TOKENS] = {
    [START] = "a value was expected",
    [VALUE] = "a value was expected",
    [FIRST_ELEMENT] = "a value was expected",
    [FIRST_KEY] = "a key in double quotes was expected",
    [KEY] = "a key in double quotes was expected",
    [COLON] = "':' was expected",
    [ARRAY_NEXT] = "',' or ']' was expected",
    [OBJECT_NEXT] = "',' or '}' was expected",
    [DONE] = "there is more text after the end of the document",
};

void json_events_start(struct json_events *e, const struct json_rules *rules, int watch,
                       struct buf *text)
{
    *e = (struct json_events){.rules = rules, .watch = watch, .text = text, .state = START};
}

static size_t position(const struct json_events *e, const char *p)
{
    return e->offset + (size_t)(p - e->piece);
}

static enum json_event wrong(struct json_events *e, size_t at, const char *what)
{
    e->wrong = what;
    e->wrong_at = at;
    return JSON_EVENT_WRONG;
}

static bool is_watched(const struct json_events *e)
{
    return (int)e->depth <= e->watch;
}

static enum json_event begin(struct json_events *e, enum state state, const char *p)
{
    e->state = (unsigned char)state;
    e->token = position(e, p);
    if (!is_watched(e))
        return JSON_EVENT_NONE;
    e->kind = *p;
    e->takes_text = false;
    return JSON_EVENT_BEGIN;
}

/* Takes the byte C if it is the next one. */
static bool take(const char **at, const char *end, char c)
{
    bool hit = *at < end && **at == c;
    *at += hit;
    return hit;
}

/* A value has ended. Where nobody watches, the comma that mostly follows is read at once. */
static enum json_event end_value(struct json_events *e, const char **at, const char *end)
{
    bool in_array = e->arrays & 1;
    e->takes_text = false;
    if (!e->depth)
        e->state = DONE;
    else if (!is_watched(e) && take(at, end, ','))
        e->state = in_array ? VALUE : KEY;
    else
        e->state = in_array ? ARRAY_NEXT : OBJECT_NEXT;
    return is_watched(e) ? JSON_EVENT_END : JSON_EVENT_NONE;
}

/* --- strings --- */

#define ONES 0x0101010101010101u
#define HIGHS 0x8080808080808080u

/* Behind the ASCII characters at P that have no meaning in a string: no quote, backslash or control character. Eight
 * bytes at a time: each of the four terms sets the high bit of the lowest byte that must stop us (bytes above it may be
 * hit wrongly, by its borrow). */
static const char *skip_plain(const char *p, const char *end)
{
    for (; end - p >= 8; p += 8) {
        uint64_t x;
        memcpy(&x, p, 8);
        x = le64toh(x);
        uint64_t quotes = (x ^ ONES * '"') - ONES, backslashes = (x ^ ONES * '\\') - ONES;
        uint64_t hit = (x | (x - ONES * 0x20) | quotes | backslashes) & HIGHS;
        if (hit)
            return p + __builtin_ctzll(hit) / 8;
    }
    while (p < end && (unsigned char)*p >= 0x20 && (unsigned char)*p < 0x80 && *p != '"' &&
           *p != '\\')
        p++;
    return p;
}

/* The first byte of a character of several bytes (RFC 3629, the table in section 4). False if no character begins so.
 */
static bool begin_character(struct json_events *e, unsigned char c)
{
    e->least = 0x80;
    e->most = 0xbf;
    if (c >= 0xc2 && c <= 0xdf) {
        e->more = 1;
    } else if ((c & 0xf0) == 0xe0) {
        e->more = 2;
        if (c == 0xe0)
            e->least = 0xa0; /* no overlong form */
        if (c == 0xed)
            e->most = 0x9f; /* no surrogate */
    } else if (c >= 0xf0 && c <= 0xf4) {
        e->more = 3;
        if (c == 0xf0)
            e->least = 0x90;
        if (c == 0xf4)
            e->most = 0x8f; /* not past U+10FFFF */
    } else {
        return false;
    }
    return true;
}

/* The byte C of a character of several bytes, at P. */
static bool read_character(struct json_events *e, const char *p, unsigned char c)
{
    if (!e->more) {
        e->mark = position(e, p);
        return begin_character(e, c);
    }
    if (c < e->least || c > e->most)
        return false;
    e->least = 0x80;
    e->most = 0xbf;
    e->more--;
    return true;
}

static enum json_event end_string(struct json_events *e, const char **at, const char *end)
{
    if (!e->in_key) {
        e->kind = '"';
        return end_value(e, at, end);
    }
    e->in_key = false;
    e->takes_text = false;
    e->state = COLON;
    if (is_watched(e))
        return JSON_EVENT_KEY;
    if (take(at, end, ':'))
        e->state = VALUE;
    return JSON_EVENT_NONE;
}

/* Reads plain characters up to an escape or the closing quote, and that too. */
static enum json_event read_string(struct json_events *e, const char **at, const char *end)
{
    const char *from = *at, *p = from;
    while (p < end) {
        if (!e->more)
            p = skip_plain(p, end);
        if (p == end || (unsigned char)*p < 0x80)
            break;
        if (!read_character(e, p, (unsigned char)*p))
            return wrong(e, e->mark, "not valid UTF-8");
        p++;
    }
    if (e->takes_text)
        buf_add(e->text, from, (size_t)(p - from));
    *at = p;
    if (p == end)
        return JSON_EVENT_NONE;
    if (e->more)
        return wrong(e, e->mark, "not valid UTF-8");
    if ((unsigned char)*p < 0x20)
        return wrong(e, position(e, p),
                     "a control character in a string (write \\n, \\t or \\u00XX)");
    *at = p + 1;
    if (*p == '"')
        return end_string(e, at, end);
    e->mark = position(e, p);
    e->state = ESCAPE;
    return JSON_EVENT_NONE;
}

static void add_character(struct json_events *e, uint32_t code)
{
    char utf8[4];
    size_t n = 0;
    if (!e->takes_text)
        return;
    if (code < 0x80) {
        utf8[n++] = (char)code;
    } else {
        if (code >= 0x10000) {
            utf8[n++] = (char)(0xf0 | code >> 18);
            utf8[n++] = (char)(0x80 | (code >> 12 & 0x3f));
        } else if (code >= 0x800) {
            utf8[n++] = (char)(0xe0 | code >> 12);
        }
        utf8[n++] = (char)(code >= 0x800 ? 0x80 | (code >> 6 & 0x3f) : 0xc0 | code >> 6);
        utf8[n++] = (char)(0x80 | (code & 0x3f));
    }
    buf_add(e->text, utf8, n);
}

/* Half a surrogate pair, which goes on in state NEXT where the rules are lenient. */
static enum json_event read_half(struct json_events *e, enum state next)
{
    if (!e->rules->is_lenient)
        return wrong(e, e->mark, "half of a surrogate pair");
    add_character(e, 0xfffd);
    e->high = 0;
    e->state = (unsigned char)next;
    return JSON_EVENT_NONE;
}

/* Behind the four digits of \uXXXX. */
static enum json_event end_hex(struct json_events *e)
{
    bool is_low = e->code >= 0xdc00 && e->code <= 0xdfff;
    if (e->high && is_low) {
        e->code = 0x10000 + ((e->high & 0x3ff) << 10) + (e->code & 0x3ff);
        e->high = 0;
    } else if (is_low) {
        return read_half(e, STRING);
    } else if (e->high && read_half(e, STRING) == JSON_EVENT_WRONG) {
        return JSON_EVENT_WRONG;
    }
    if (e->code >= 0xd800 && e->code <= 0xdbff) {
        e->high = e->code;
        e->state = PAIR_BACKSLASH;
        return JSON_EVENT_NONE;
    }
    if (e->code == 0 && e->in_key && e->rules->no_nul_in_keys)
        return wrong(e, e->mark, "U+0000 is not allowed in a key");
    add_character(e, e->code);
    e->state = STRING;
    return JSON_EVENT_NONE;
}

static int hex_value(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum json_event read_hex(struct json_events *e, const char *p)
{
    int v = hex_value((unsigned char)*p);
    if (v < 0)
        return wrong(e, position(e, p) - (4u - e->digits),
                     "four hex digits were expected after \\u");
    e->code = e->code << 4 | (uint32_t)v;
    return --e->digits ? JSON_EVENT_NONE : end_hex(e);
}

/* The byte behind a backslash. */
static enum json_event read_letter(struct json_events *e, const char *p)
{
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    const char *hit = *p ? strchr(letters, *p) : NULL;
    if (*p == 'u') {
        e->digits = 4;
        e->code = 0;
        e->state = HEX;
        return JSON_EVENT_NONE;
    }
    if (!hit)
        return wrong(e, position(e, p), "unknown escape in a string");
    add_character(e, (unsigned char)meanings[hit - letters]);
    e->state = STRING;
    return JSON_EVENT_NONE;
}

/* One byte of an escape. */
static enum json_event read_escape(struct json_events *e, const char **at)
{
    const char *p = (*at)++;
    if (e->state == HEX)
        return read_hex(e, p);
    if (e->state == PAIR_BACKSLASH && *p != '\\') {
        *at = p;
        return read_half(e, STRING);
    }
    if (e->state == PAIR_BACKSLASH) {
        e->state = PAIR_U;
        return JSON_EVENT_NONE;
    }
    if (e->state == PAIR_U && *p != 'u') {
        *at = p;
        return read_half(e, ESCAPE);
    }
    return read_letter(e, p);
}

/* --- numbers and literals --- */

/* States of a number (RFC 8259, section 6), named after what was read last. 0 is none. */
enum number_state {
    NOTHING = 1,
    A_MINUS,
    A_ZERO,
    AN_INTEGER,
    A_POINT,
    A_FRACTION,
    AN_E,
    A_SIGN,
    AN_EXPONENT,
    NUMBER_STATES
};

static const unsigned char number_next[NUMBER_STATES][CLASSES] = {
    [NOTHING] = {[MINUS] = A_MINUS, [ZERO] = A_ZERO, [DIGIT] = AN_INTEGER},
    [A_MINUS] = {[ZERO] = A_ZERO, [DIGIT] = AN_INTEGER},
    [A_ZERO] = {[POINT] = A_POINT, [EXPONENT] = AN_E},
    [AN_INTEGER] =
        {[ZERO] = AN_INTEGER, [DIGIT] = AN_INTEGER, [POINT] = A_POINT, [EXPONENT] = AN_E},
    [A_POINT] = {[ZERO] = A_FRACTION, [DIGIT] = A_FRACTION},
    [A_FRACTION] = {[ZERO] = A_FRACTION, [DIGIT] = A_FRACTION, [EXPONENT] = AN_E},
    [AN_E] = {[PLUS] = A_SIGN, [MINUS] = A_SIGN, [ZERO] = AN_EXPONENT, [DIGIT] = AN_EXPONENT},
    [A_SIGN] = {[ZERO] = AN_EXPONENT, [DIGIT] = AN_EXPONENT},
    [AN_EXPONENT] = {[ZERO] = AN_EXPONENT, [DIGIT] = AN_EXPONENT},
};

/* The fault of a number that ends in this state; NULL if it is complete. */
static const char *const number_lacks[NUMBER_STATES] = {
    [A_MINUS] = "a digit was expected",
    [A_POINT] = "a digit was expected after the point",
    [AN_E] = "a digit was expected in the exponent",
    [A_SIGN] = "a digit was expected in the exponent",
};

static enum json_event read_number(struct json_events *e, const char **at, const char *end)
{
    const char *p = *at;
    unsigned state = e->number, class = OTHER;
    for (; p < end; p++) {
        class = class_of[(unsigned char)*p];
        if (!number_next[state][class])
            break;
        state = number_next[state][class];
    }
    if (e->takes_text)
        buf_add(e->text, *at, (size_t)(p - *at));
    *at = p;
    e->number = (unsigned char)state;
    if (position(e, p) - e->token > JSON_NUMBER_MAX)
        return wrong(e, e->token + JSON_NUMBER_MAX, "number too long");
    if (p == end)
        return JSON_EVENT_NONE;
    if (state == A_ZERO && (class == ZERO || class == DIGIT))
        return wrong(e, position(e, p), "a number may not start with 0");
    return number_lacks[state] ? wrong(e, position(e, p), number_lacks[state])
                               : end_value(e, at, end);
}

static enum json_event read_literal(struct json_events *e, const char **at, const char *end)
{
    for (; *at < end && *e->literal; ++*at, e->literal++)
        if (**at != *e->literal)
            return wrong(e, e->token, "a value was expected");
    if (*e->literal)
        return JSON_EVENT_NONE;
    if (e->state == LITERAL)
        return end_value(e, at, end);
    e->state = VALUE;
    return e->rules->is_lenient
               ? JSON_EVENT_NONE
               : wrong(e, e->token, "a byte order mark (save the file as UTF-8 without BOM)");
}

/* --- between the tokens --- */

static enum json_event begin_literal(struct json_events *e, const char *p)
{
    e->literal = *p == 't' ? "true" : *p == 'f' ? "false" : "null";
    return begin(e, LITERAL, p);
}

static enum json_event begin_bom(struct json_events *e, const char *p)
{
    e->token = position(e, p);
    if (e->token)
        return wrong(e, e->token, expected[e->state]);
    e->literal = "\xef\xbb\xbf";
    e->state = BOM;
    return JSON_EVENT_NONE;
}

static enum json_event begin_key(struct json_events *e, const char *p)
{
    e->in_key = true;
    e->state = STRING;
    e->token = position(e, p);
    e->takes_text = e->text && is_watched(e);
    if (e->takes_text)
        buf_reset(e->text);
    return JSON_EVENT_NONE;
}

/* The bracket at P, whose value was reported. */
static enum json_event read_bracket(struct json_events *e, const char **at)
{
    bool is_array = **at == '[';
    if (e->depth == e->rules->depth)
        return wrong(e, position(e, *at), "nested too deeply");
    e->depth++;
    e->arrays = e->arrays << 1 | is_array;
    e->state = is_array ? FIRST_ELEMENT : FIRST_KEY;
    ++*at;
    return JSON_EVENT_NONE;
}

static enum json_event end_nested(struct json_events *e, const char **at, const char *end)
{
    ++*at;
    e->kind = e->arrays & 1 ? '[' : '{';
    e->arrays >>= 1;
    e->depth--;
    return end_value(e, at, end);
}

/* Reads up to the inside of a value or key. */
static enum json_event read_between(struct json_events *e, const char **at, const char *end)
{
    enum json_event event = JSON_EVENT_NONE;
    while (*at < end && event == JSON_EVENT_NONE) {
        const char *p = *at;
        unsigned class = class_of[(unsigned char)*p];
        if (class == SPACE) {
            ++*at;
            continue;
        }
        switch ((enum action)actions[e->state][class]) {
        case NEXT_VALUE:
            ++*at;
            e->state = VALUE;
            break;
        case NEXT_KEY:
            ++*at;
            e->state = KEY;
            break;
        case END_NESTED:
            event = end_nested(e, at, end);
            break;
        case BEGIN_KEY:
            ++*at;
            return begin_key(e, p);
        case BEGIN_STRING:
            ++*at;
            return begin(e, STRING, p);
        case BEGIN_NUMBER:
            e->number = NOTHING;
            return begin(e, NUMBER, p);
        case BEGIN_LITERAL:
            return begin_literal(e, p);
        case BEGIN_NESTED:
            return begin(e, OPEN, p);
        case BEGIN_BOM:
            return begin_bom(e, p);
        case REFUSE:
            return wrong(e, position(e, p), expected[e->state]);
        }
    }
    return event;
}

/* Reads one token or a part of one. */
static inline enum json_event read_some(struct json_events *e, const char **at, const char *end)
{
    enum json_event event;
    switch ((enum state)e->state) {
    default:
        event = read_between(e, at, end);
        if (event != JSON_EVENT_NONE || e->state != STRING)
            return event;
        /* fall through */
    case STRING:
        return read_string(e, at, end);
    case ESCAPE:
    case HEX:
    case PAIR_BACKSLASH:
    case PAIR_U:
        return read_escape(e, at);
    case NUMBER:
        return read_number(e, at, end);
    case LITERAL:
    case BOM:
        return read_literal(e, at, end);
    case OPEN:
        return read_bracket(e, at);
    }
}

enum json_event json_events_next(struct json_events *e, struct slice *rest)
{
    enum json_event event = e->wrong ? JSON_EVENT_WRONG : JSON_EVENT_NONE;
    if (!rest->len)
        return event;
    const char *p = rest->ptr, *end = p + rest->len;
    e->piece = p;
    while (p < end && event == JSON_EVENT_NONE)
        event = read_some(e, &p, end);
    e->offset = position(e, p);
    *rest = slice_make(p, (size_t)(end - p));
    return event;
}

enum json_event json_events_finish(struct json_events *e)
{
    if (e->wrong)
        return JSON_EVENT_WRONG;
    if (e->state == NUMBER && !e->depth && !number_lacks[e->number]) {
        const char *nothing = NULL;
        enum json_event event = end_value(e, &nothing, NULL);
        if (event != JSON_EVENT_NONE)
            return event;
    }
    return e->state == DONE ? JSON_EVENT_NONE : wrong(e, e->offset, "the text ends too early");
}
