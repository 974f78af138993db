/* The grammar: documents that must be accepted, documents that must be refused (and at which byte), and the events of a
 * document. Each document is read whole, byte by byte, and cut in two at every byte; all must give the same. */
#include "common/json/json_events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct json_rules lenient = {.depth = JSON_DEPTH_MAX, .is_lenient = true};
static const struct json_rules strict = {.depth = JSON_DEPTH_MAX};

/* The events that a reader has seen: a line per event, and the error if there is one. */
struct seen {
    struct buf events, text;
    struct json_events reader;
    struct slice document;
};

static void note(struct seen *s, enum json_event event)
{
    struct json_events *e = &s->reader;
    bool is_scalar = e->kind != '{' && e->kind != '[';
    if (event == JSON_EVENT_KEY) {
        struct slice raw = slice_head(slice_skip(s->document, e->token), e->offset - e->token);
        buf_addf(&s->events, "%u key %.*s = %.*s\n", e->depth, SLICE_FMT(raw),
                 SLICE_FMT(buf_slice(&s->text)));
    } else if (event == JSON_EVENT_BEGIN) {
        buf_addf(&s->events, "%u %c at %zu\n", e->depth, e->kind, e->token);
        buf_reset(&s->text);
        e->takes_text = is_scalar;
    } else if (is_scalar) {
        buf_addf(&s->events, "%u ends at %zu: %.*s\n", e->depth, e->offset,
                 SLICE_FMT(buf_slice(&s->text)));
    } else {
        buf_addf(&s->events, "%u %c ends at %zu\n", e->depth, e->kind, e->offset);
    }
}

static bool feed(struct seen *s, struct slice piece)
{
    for (;;) {
        enum json_event event = json_events_next(&s->reader, &piece);
        if (event == JSON_EVENT_NONE) {
            assert_int_equal(piece.len, 0);
            return true;
        }
        if (event == JSON_EVENT_WRONG)
            return false;
        note(s, event);
    }
}

static void finish(struct seen *s)
{
    enum json_event event;
    while ((event = json_events_finish(&s->reader)) == JSON_EVENT_END)
        note(s, event);
    if (event == JSON_EVENT_WRONG)
        buf_addf(&s->events, "byte %zu: %s\n", s->reader.wrong_at, s->reader.wrong);
    /* An error stays. */
    struct slice more = SLICE_LIT(" ");
    if (event == JSON_EVENT_WRONG)
        assert_int_equal(json_events_next(&s->reader, &more), JSON_EVENT_WRONG);
}

/* Reads DOCUMENT in pieces of FIRST, then of STEP bytes. */
static void read_in_pieces(struct seen *s, const struct json_rules *rules, int watch,
                           struct slice document, size_t first, size_t step)
{
    buf_init(&s->events, 1 << 20);
    buf_init(&s->text, 1 << 16);
    s->document = document;
    json_events_start(&s->reader, rules, watch, &s->text);
    size_t n = first;
    while (document.len) {
        struct slice piece = slice_head(document, n);
        /* A copy of its own, so that a sanitizer sees a read past the end of the piece. */
        char *copy = malloc(piece.len ? piece.len : 1);
        assert_non_null(copy);
        memcpy(copy, piece.ptr, piece.len);
        bool ok = feed(s, slice_make(copy, piece.len));
        free(copy);
        if (!ok)
            break;
        document = slice_skip(document, piece.len);
        n = step;
    }
    finish(s);
    assert_false(s->events.failed);
}

static void clear(struct seen *s)
{
    buf_clear(&s->events);
    buf_clear(&s->text);
}

/* Reads DOCUMENT cut in all ways; the caller clears OUT, which is what all of them have seen. */
static void read_all_ways(struct seen *out, const struct json_rules *rules, int watch,
                          struct slice document)
{
    read_in_pieces(out, rules, watch, document, document.len + 1, 1);
    for (size_t first = 0; first <= document.len; first++) {
        struct seen again;
        read_in_pieces(&again, rules, watch, document, first,
                       first ? document.len : 1); /* 0: byte by byte */
        if (!slice_eq(buf_slice(&out->events), buf_slice(&again.events)))
            fail_msg("\"%.*s\" cut at %zu:\n%.*sinstead of\n%.*s", SLICE_FMT(document), first,
                     SLICE_FMT(buf_slice(&again.events)), SLICE_FMT(buf_slice(&out->events)));
        clear(&again);
    }
}

static void accepts(const struct json_rules *rules, struct slice document)
{
    for (int watch = -1; watch < 3; watch++) {
        struct seen s;
        read_all_ways(&s, rules, watch, document);
        if (s.reader.wrong)
            fail_msg("\"%.*s\": byte %zu: %s", SLICE_FMT(document), s.reader.wrong_at,
                     s.reader.wrong);
        clear(&s);
    }
}

static void refuses(const struct json_rules *rules, struct slice document, size_t at,
                    const char *what)
{
    for (int watch = -1; watch < 3; watch++) {
        struct seen s;
        read_all_ways(&s, rules, watch, document);
        if (!s.reader.wrong || s.reader.wrong_at != at || strcmp(s.reader.wrong, what) != 0)
            fail_msg("\"%.*s\": byte %zu: %s", SLICE_FMT(document), s.reader.wrong_at,
                     s.reader.wrong ? s.reader.wrong : "accepted");
        clear(&s);
    }
}

#define GOOD(text) accepts(&strict, SLICE_LIT(text))
#define BAD(text, at, what) refuses(&strict, SLICE_LIT(text), at, what)

#define VALUE "a value was expected"
#define KEY "a key in double quotes was expected"
#define EARLY "the text ends too early"
#define AFTER "there is more text after the end of the document"
#define CONTROL "a control character in a string (write \\n, \\t or \\u00XX)"
#define ESCAPE "unknown escape in a string"
#define HEX "four hex digits were expected after \\u"
#define HALF "half of a surrogate pair"
#define UTF8 "not valid UTF-8"

static void good_structures(void **state)
{
    (void)state;
    GOOD("{}");
    GOOD("[]");
    GOOD(" \t\r\n[ \t\r\n] \t\r\n");
    GOOD("[[] ]");
    GOOD("[[],[[]],{\"\":[]}]");
    GOOD("[null, 1, \"1\", {}]");
    GOOD("[1\n]");
    GOOD("[2] ");
    GOOD("{\"asd\":\"sdf\", \"dfg\":\"fgh\"}");
    GOOD("{\"a\":\"b\",\"a\":\"c\"}");
    GOOD("{\"\":0}");
    GOOD("{\"foo\\u0000bar\": 42}");
    GOOD("{ \"min\": -1.0e+28, \"max\": 1.0e+28 }");
    GOOD("{\"x\":[{\"id\": \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}], \"id\": \"x\"}");
    GOOD("{\n\"a\" \n: \"b\" \n,\n\"c\" : [ 1 , 2 ]\n}");
    GOOD("{\"title\":\"\\u041f\\u043e\\u043b\\u0442\\u043e\\u0440\\u0430\"}");
}

static void good_scalars(void **state)
{
    (void)state;
    GOOD("42");
    GOOD("-0.1 ");
    GOOD("\"asd\"");
    GOOD("\"\"");
    GOOD("true");
    GOOD(" false");
    GOOD("null\n");
    GOOD("[123e65]");
    GOOD("[0e+1]");
    GOOD("[0e1]");
    GOOD("[ 4]");
    GOOD("[-0.000000000000000000000000000000000000000000000000000000000000000000000000000001]");
    GOOD("[20e1]");
    GOOD("[-0]");
    GOOD("[-123]");
    GOOD("[1E22]");
    GOOD("[1E-2]");
    GOOD("[1E+2]");
    GOOD("[123.456e78]");
    GOOD("[123.456789]");
    /* Numbers that other readers may read differently: we relay the bytes. */
    GOOD("[123123e100000]");
    GOOD("[-1e+9999]");
    GOOD("[1.5e-9999]");
    GOOD("[100000000000000000000]");
    GOOD("[-123123123123123123123123123123]");
}

static void good_strings(void **state)
{
    (void)state;
    GOOD("[\"\\u0060\\u012a\\u12AB\"]");
    GOOD("[\"\\uD801\\udc37\"]");
    GOOD("[\"\\ud83d\\ude39\\ud83d\\udc8d\"]");
    GOOD("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]");
    GOOD("[\"\\\\u0000\"]");
    GOOD("[\"\\\"\"]");
    GOOD("[\"a/*b*/c/*d//e\"]");
    GOOD("[\"\\\\a\"]");
    GOOD("[\"\\u0000\"]");
    GOOD("[\"\\uFFFF\\uDBFF\\uDFFE\"]");
    GOOD("[\"\x7f\"]");
    GOOD("[\"\xcf\x80\"]");
    GOOD("[\"\xe2\x82\xac\xe2\x80\xa8\xe2\x80\xa9\xef\xbf\xbf\xef\xbb\xbf\"]");
    GOOD("[\"\xf0\x9b\xbf\xbf\xf4\x8f\xbf\xbf\xf0\x90\x80\x80\"]");
    GOOD("[\"\xed\x9f\xbf\xee\x80\x80\"]");
    GOOD("[\"0123456\\n789abcdef\xc3\xa9"
         "0123456789abcdef\\u00e90123456\"]");
}

static void bad_arrays(void **state)
{
    (void)state;
    BAD("[1 true]", 3, "',' or ']' was expected");
    BAD("[a\xe5]", 1, VALUE);
    BAD("[\"\": 1]", 3, "',' or ']' was expected");
    BAD("[\"\"],", 4, AFTER);
    BAD("[,1]", 1, VALUE);
    BAD("[1,,2]", 3, VALUE);
    BAD("[\"x\",,]", 5, VALUE);
    BAD("[\"x\"]]", 5, AFTER);
    BAD("[\"\",]", 4, VALUE);
    BAD("[\"x\"", 4, EARLY);
    BAD("[3[4]]", 2, "',' or ']' was expected");
    BAD("[1:2]", 2, "',' or ']' was expected");
    BAD("[,]", 1, VALUE);
    BAD("[-]", 2, "a digit was expected");
    BAD("[   , \"\"]", 4, VALUE);
    BAD("[\"a\",\n4\n,1,", 11, EARLY);
    BAD("[1,]", 3, VALUE);
    BAD("[\"\va\"]", 2, CONTROL);
    BAD("[*]", 1, VALUE);
    BAD("[1,\n1\n,1", 8, EARLY);
    BAD("[{}", 3, EARLY);
    BAD("[1}", 2, "',' or ']' was expected");
    BAD("[}", 1, VALUE);
    BAD("[\f]", 1, VALUE);
    BAD("[\xe2\x81\xa0]", 1, VALUE);
    BAD("[\"x\", truth]", 6, VALUE);
}

static void bad_objects(void **state)
{
    (void)state;
    BAD("{\"x\", null}", 4, "':' was expected");
    BAD("{\"x\"::\"b\"}", 5, VALUE);
    BAD("{\"a\":\"a\" 123}", 9, "',' or '}' was expected");
    BAD("{key: 'value'}", 1, KEY);
    BAD("{\"a\" b}", 5, "':' was expected");
    BAD("{:\"b\"}", 1, KEY);
    BAD("{\"a\" \"b\"}", 5, "':' was expected");
    BAD("{\"a\":", 5, EARLY);
    BAD("{\"a\"", 4, EARLY);
    BAD("{1:1}", 1, KEY);
    BAD("{null:null,null:null}", 1, KEY);
    BAD("{\"id\":0,,,,,}", 8, KEY);
    BAD("{'a':0}", 1, KEY);
    BAD("{\"id\":0,}", 8, KEY);
    BAD("{\"a\":\"b\"}/**/", 9, AFTER);
    BAD("{\"a\":\"b\"}#{}", 9, AFTER);
    BAD("{\"a\":\"b\",,\"c\":\"d\"}", 9, KEY);
    BAD("{\"a\":\"b", 7, EARLY);
    BAD("{ \"foo\" : \"bar\", \"a\" }", 21, "':' was expected");
    BAD("{\"a\":true]", 9, "',' or '}' was expected");
    BAD("{]", 1, KEY);
    BAD("{\"a\":}", 5, VALUE);
}

static void bad_documents(void **state)
{
    (void)state;
    BAD("", 0, EARLY);
    BAD(" ", 1, EARLY);
    BAD("]", 0, VALUE);
    BAD("<null>", 0, VALUE);
    BAD("'x'", 0, VALUE);
    BAD("\xc3\xa5", 0, VALUE);
    BAD("1]", 1, AFTER);
    BAD("{}}", 2, AFTER);
    BAD("2@", 1, AFTER);
    BAD("1 2", 2, AFTER);
    BAD("[][]", 2, AFTER);
    BAD("{}\0", 2, AFTER);
    BAD("\0{}", 0, VALUE);
    BAD("123\0", 3, AFTER);
    BAD("[1]\xc2\xa0", 3, AFTER);
    BAD("{}\f", 2, AFTER);
    BAD("{\v\"a\":1}", 1, KEY);
    BAD("{} \"", 3, AFTER);
    BAD("\xef\xbb\xbf{}", 0, "a byte order mark (save the file as UTF-8 without BOM)");
    BAD(" \xef\xbb\xbf{}", 1, VALUE);
    BAD("\xef\xbb{}", 0, VALUE);
    BAD("\xef", 1, EARLY);
    BAD("{\xef\xbb\xbf}", 1, KEY);
}

static void bad_literals_and_numbers(void **state)
{
    (void)state;
    BAD("[fals]", 1, VALUE);
    BAD("[nul]", 1, VALUE);
    BAD("[tru]", 1, VALUE);
    BAD("tru", 3, EARLY);
    BAD("[True]", 1, VALUE);
    BAD("[nullx]", 5, "',' or ']' was expected");
    BAD("[NaN]", 1, VALUE);
    BAD("[-NaN]", 2, "a digit was expected");
    BAD("[Infinity]", 1, VALUE);
    BAD("[-Infinity]", 2, "a digit was expected");
    BAD("[++1234]", 1, VALUE);
    BAD("[+1]", 1, VALUE);
    BAD("[-01]", 3, "a number may not start with 0");
    BAD("[012]", 2, "a number may not start with 0");
    BAD("[-1.0.]", 5, "',' or ']' was expected");
    BAD("[-2.]", 4, "a digit was expected after the point");
    BAD("[.-1]", 1, VALUE);
    BAD("[.2e-3]", 1, VALUE);
    BAD("[0.1.2]", 4, "',' or ']' was expected");
    BAD("[0.3e+]", 6, "a digit was expected in the exponent");
    BAD("[0.e1]", 3, "a digit was expected after the point");
    BAD("[0E]", 3, "a digit was expected in the exponent");
    BAD("[1eE2]", 3, "a digit was expected in the exponent");
    BAD("[9.e+]", 3, "a digit was expected after the point");
    BAD("[1+2]", 2, "',' or ']' was expected");
    BAD("[0x42]", 2, "',' or ']' was expected");
    BAD("[1 000.0]", 3, "',' or ']' was expected");
    BAD("[1ea]", 3, "a digit was expected in the exponent");
    BAD("[- 1]", 2, "a digit was expected");
    BAD("[1.8011670033376514H-308]", 19, "',' or ']' was expected");
    BAD("[\xef\xbc\x91]", 1, VALUE);
    BAD("-", 1, EARLY);
    BAD("1.", 2, EARLY);
    BAD("1e", 2, EARLY);
    BAD("-x", 1, "a digit was expected");
}

static void bad_strings(void **state)
{
    (void)state;
    BAD("[\"\\uD800\\\"]", 2, HALF);
    BAD("[\"\\uD800\\u\"]", 10, HEX);
    BAD("[\"\\uD800\\u1\"]", 10, HEX);
    BAD("[\"\\uD800\\u1x\"]", 10, HEX);
    BAD("[\"\\uD800\\u0041\"]", 2, HALF);
    BAD("[\"\\uD834\\uD834\"]", 2, HALF);
    BAD("[\"x\\uD834 y\"]", 3, HALF);
    BAD("[\"\\uD834\\n\"]", 2, HALF);
    BAD("[\"\\uDd1e\\uD834\"]", 2, HALF);
    BAD("{\"\\uD800\":1}", 2, HALF);
    BAD("[\xc3\xa9]", 1, VALUE);
    BAD("[\"\\x00\"]", 3, ESCAPE);
    BAD("[\"\\\\\\\"]", 7, EARLY);
    BAD("[\"\\\t\"]", 3, ESCAPE);
    BAD("[\"\\\0\"]", 3, ESCAPE);
    BAD("[\"\\a\"]", 3, ESCAPE);
    BAD("[\"\\'\"]", 3, ESCAPE);
    BAD("[\"\\\xe2\x8c\xa3\"]", 3, ESCAPE);
    BAD("[\"\\\"]", 5, EARLY);
    BAD("[\"\\u00A\"]", 4, HEX);
    BAD("[\"\\u00g0\"]", 4, HEX);
    BAD("[\"\\uqqqq\"]", 4, HEX);
    BAD("[\"a\0a\"]", 3, CONTROL);
    BAD("[\"new\nline\"]", 5, CONTROL);
    BAD("[\"0123456789\x1f\"]", 12, CONTROL);
    BAD("[\"\t\"]", 2, CONTROL);
    BAD("\"", 1, EARLY);
    BAD("[\"\xe5\"]", 2, UTF8);
    BAD("[\"\\u0041\xe5\"]", 8, UTF8);
    BAD("[\"\x80\"]", 2, UTF8);
    BAD("[\"\xff\"]", 2, UTF8);
    BAD("[\"\xc0\xaf\"]", 2, UTF8);         /* overlong */
    BAD("[\"\xe0\x80\xaf\"]", 2, UTF8);     /* overlong */
    BAD("[\"\xf0\x80\x80\xaf\"]", 2, UTF8); /* overlong */
    BAD("[\"ab\xed\xa0\x80\"]", 4, UTF8);   /* a surrogate */
    BAD("[\"\xf4\xbf\xbf\xbf\"]", 2, UTF8); /* past U+10FFFF */
    BAD("[\"\xfc\x80\x80\x80\x80\x80\"]", 2, UTF8);
    BAD("[\"\xe2\x82\"]", 2, UTF8);
    BAD("[\"\xe2\x82", 4, EARLY);
}

static void nested(size_t depth, const struct json_rules *rules, bool is_good)
{
    char text[2 * JSON_DEPTH_MAX + 2];
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    if (is_good)
        accepts(rules, slice_make(text, 2 * depth));
    else
        refuses(rules, slice_make(text, 2 * depth), depth - 1, "nested too deeply");
}

static void depth_has_an_end(void **state)
{
    (void)state;
    nested(64, &json_rules_body, true);
    nested(65, &json_rules_body, false);
    nested(32, &json_rules_tree, true);
    nested(33, &json_rules_tree, false);
    char text[6 * JSON_DEPTH_MAX + 8] = "";
    for (size_t i = 0; i < JSON_DEPTH_MAX; i++)
        strcat(text, i % 2 ? "[" : "{\"\":");
    strcat(text, "1");
    for (size_t i = JSON_DEPTH_MAX; i-- > 0;)
        strcat(text, i % 2 ? "]" : "}");
    accepts(&json_rules_body, slice_str(text));
}

static void numbers_have_an_end(void **state)
{
    (void)state;
    static const size_t pieces[] = {1, 7, 100, 1023, 1024, 1025, 5000};
    char text[JSON_NUMBER_MAX + 500];
    for (size_t len = JSON_NUMBER_MAX - 2; len < JSON_NUMBER_MAX + 20; len++)
        for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
            memset(text, '7', sizeof text);
            text[0] = '[';
            text[len + 1] = ']';
            struct seen s;
            read_in_pieces(&s, &json_rules_body, -1, slice_make(text, len + 2), pieces[i],
                           pieces[i]);
            assert_int_equal(s.reader.wrong != NULL, len > JSON_NUMBER_MAX);
            if (s.reader.wrong)
                assert_int_equal(s.reader.wrong_at, JSON_NUMBER_MAX + 1);
            clear(&s);
        }
}

static void keys_of_trees_have_no_nul(void **state)
{
    (void)state;
    refuses(&json_rules_tree, SLICE_LIT("{\"a\\u0000\":1}"), 3, "U+0000 is not allowed in a key");
    accepts(&json_rules_tree, SLICE_LIT("{\"a\":\"\\u0000\"}"));
}

static void expect_events(const struct json_rules *rules, int watch, struct slice document,
                          const char *want)
{
    struct seen s;
    read_all_ways(&s, rules, watch, document);
    if (!slice_eq(buf_slice(&s.events), slice_str(want)))
        fail_msg("\"%.*s\":\n%.*sinstead of\n%s", SLICE_FMT(document),
                 SLICE_FMT(buf_slice(&s.events)), want);
    clear(&s);
}

static void lenient_rules(void **state)
{
    (void)state;
    accepts(&lenient, SLICE_LIT("\xef\xbb\xbf {}"));
    refuses(&lenient, SLICE_LIT("\xef\xbb\xbf"), 3, EARLY);
    refuses(&lenient, SLICE_LIT("\xef\xbb\xbf\xef\xbb\xbf{}"), 3, VALUE);
    refuses(&lenient, SLICE_LIT("[\"\xed\xa0\x80\"]"), 2, UTF8);
    refuses(&lenient, SLICE_LIT("[\"\\ud800\\x\"]"), 9, ESCAPE);
    refuses(&lenient, SLICE_LIT("[\"\\ud800\\u00\"]"), 10, HEX);
    static const struct {
        const char *document, *events;
    } halves[] = {
        {"\"\\ud800\"", "0 \" at 0\n0 ends at 8: \xef\xbf\xbd\n"},
        {"\"a\\udc00b\"", "0 \" at 0\n0 ends at 10: a\xef\xbf\xbd"
                          "b\n"},
        {"\"\\ud800\\n\"", "0 \" at 0\n0 ends at 10: \xef\xbf\xbd\n\n"},
        {"\"\\ud800\\u0041\"", "0 \" at 0\n0 ends at 14: \xef\xbf\xbd"
                               "A\n"},
        {"\"\\ud800\\ud83d\\ude00\"", "0 \" at 0\n0 ends at 20: \xef\xbf\xbd\xf0\x9f\x98\x80\n"},
    };
    for (size_t i = 0; i < sizeof halves / sizeof *halves; i++)
        expect_events(&lenient, 0, slice_str(halves[i].document), halves[i].events);
}

static void events_of_a_document(void **state)
{
    (void)state;
    struct slice document = SLICE_LIT(" {\"\\u0061\" : [10, \"x\\ty\"] ,\"b\":true}");
    expect_events(&json_rules_body, -1, document, "");
    expect_events(&json_rules_body, 0, document, "0 { at 1\n0 { ends at 36\n");
    expect_events(&json_rules_body, 1, document,
                  "0 { at 1\n"
                  "1 key \"\\u0061\" = a\n1 [ at 13\n1 [ ends at 25\n"
                  "1 key \"b\" = b\n1 t at 31\n1 ends at 35: \n"
                  "0 { ends at 36\n");
    expect_events(&json_rules_body, 9, document,
                  "0 { at 1\n"
                  "1 key \"\\u0061\" = a\n1 [ at 13\n"
                  "2 1 at 14\n2 ends at 16: 10\n2 \" at 18\n2 ends at 24: x\ty\n"
                  "1 [ ends at 25\n"
                  "1 key \"b\" = b\n1 t at 31\n1 ends at 35: \n"
                  "0 { ends at 36\n");
    expect_events(&json_rules_body, 0, SLICE_LIT("-1.5e3"), "0 - at 0\n0 ends at 6: -1.5e3\n");
    expect_events(&json_rules_body, 0, SLICE_LIT("\"\\ud83d\\ude00\\u20ac\\u00e9\\u007f\""),
                  "0 \" at 0\n0 ends at 32: \xf0\x9f\x98\x80\xe2\x82\xac\xc3\xa9\x7f\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_structures),      cmocka_unit_test(good_scalars),
        cmocka_unit_test(good_strings),         cmocka_unit_test(bad_arrays),
        cmocka_unit_test(bad_objects),          cmocka_unit_test(bad_documents),
        cmocka_unit_test(bad_strings),          cmocka_unit_test(bad_literals_and_numbers),
        cmocka_unit_test(depth_has_an_end),     cmocka_unit_test(numbers_have_an_end),
        cmocka_unit_test(lenient_rules),        cmocka_unit_test(keys_of_trees_have_no_nul),
        cmocka_unit_test(events_of_a_document),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
