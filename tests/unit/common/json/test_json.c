#include "common/json/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static struct json *parse(const char *text)
{
    struct json *doc = NULL;
    struct error e = {0};
    if (json_parse(slice_str(text), &doc, &e) != OK)
        fail_msg("%s: %s", text, e.text);
    return doc;
}

static void reads_every_kind(void **state)
{
    (void)state;
    struct json *doc = parse("{\"n\":null,\"b\":true,\"i\":-42,\"d\":1.5,\"s\":\"a\\u0000b\","
                             "\"a\":[1,\"x\",null],\"o\":{\"k\":{}}}");
    assert_int_equal(json_kind(json_get(doc, "n")), JSON_NULL);
    assert_true(json_bool(json_get(doc, "b")));
    assert_int_equal(json_int(json_get(doc, "i")), -42);
    assert_true(json_double(json_get(doc, "d")) == 1.5 && json_double(json_get(doc, "i")) == -42);
    assert_true(slice_eq(json_string(json_get(doc, "s")), SLICE_LIT("a\0b")));
    const struct json *a = json_get(doc, "a");
    assert_int_equal(json_length(a), 3);
    assert_true(slice_eq(json_string(json_at(a, 1)), SLICE_LIT("x")));
    assert_null(json_at(a, 2));
    assert_null(json_at(a, 3));
    assert_int_equal(json_kind(json_get(json_get(doc, "o"), "k")), JSON_OBJECT);
    assert_null(json_get(doc, "missing"));
    assert_int_equal(json_length(doc), 7);
    json_free(doc);
}

static void a_document_may_be_a_scalar(void **state)
{
    (void)state;
    static const char *const docs[] = {"42", " -0.5e+3 ", "\"x\"", "true", "null", "[]", "{}"};
    static const enum json_kind kinds[] = {JSON_INT,  JSON_DOUBLE, JSON_STRING, JSON_BOOL,
                                           JSON_NULL, JSON_ARRAY,  JSON_OBJECT};
    for (size_t i = 0; i < sizeof docs / sizeof *docs; i++) {
        struct json *doc = parse(docs[i]);
        assert_int_equal(json_kind(doc), kinds[i]);
        json_free(doc);
    }
}

static void wrong_kinds_read_as_nothing(void **state)
{
    (void)state;
    struct json *doc = parse("[1,\"2\"]");
    assert_int_equal(json_int(json_at(doc, 1)), 0);
    assert_int_equal(json_string(json_at(doc, 0)).len, 0);
    assert_null(json_get(doc, "x"));
    assert_null(json_at(json_at(doc, 0), 0));
    json_free(doc);
}

static void integers_past_64_bits_are_not_clamped_ints(void **state)
{
    (void)state;
    struct json *doc = parse("[9223372036854775807,9223372036854775808,-99999999999999999999,"
                             "18446744073709551616]");
    assert_int_equal(json_kind(json_at(doc, 0)), JSON_INT);
    for (size_t i = 1; i < 4; i++)
        assert_int_equal(json_kind(json_at(doc, i)), JSON_DOUBLE);
    json_free(doc);
}

static void walks_members_in_order(void **state)
{
    (void)state;
    struct json *doc = parse("{\"z\":1,\"a\":null,\"m\":3}");
    struct slice key;
    const struct json *value;
    size_t at = 0, n = 0;
    char order[8] = "";
    while (json_next(doc, &at, &key, &value))
        order[n++] = key.ptr[0];
    assert_string_equal(order, "zam");
    assert_false(json_next(doc, &at, &key, &value));
    json_free(doc);
    doc = parse("{}");
    at = 0;
    assert_false(json_next(doc, &at, &key, &value));
    json_free(doc);
}

static void refuses(const char *text, size_t len, const char *says)
{
    struct json *doc = NULL;
    struct error e = {0};
    assert_int_equal(json_parse(slice_make(text, len), &doc, &e), ERR_INVALID);
    assert_null(doc);
    if (strcmp(e.text, says) != 0)
        fail_msg("\"%s\": \"%s\" instead of \"%s\"", text, e.text, says);
}

static void refuses_what_others_may_read_differently(void **state)
{
    (void)state;
    static const struct {
        struct slice text;
        const char *says;
    } cases[] = {
        {SLICE_LIT(""), "line 1, column 1: the text ends too early"},
        {SLICE_LIT(" \n "), "line 2, column 2: the text ends too early"},
        {SLICE_LIT("{"), "line 1, column 2: the text ends too early"},
        {SLICE_LIT("{\"a\":1"), "line 1, column 7: the text ends too early"},
        {SLICE_LIT("\"abc"), "line 1, column 5: the text ends too early"},
        {SLICE_LIT("\"ab\\u00"), "line 1, column 8: the text ends too early"},
        {SLICE_LIT("[NaN]"), "line 1, column 2: a value was expected"},
        {SLICE_LIT("[nul]"), "line 1, column 2: a value was expected"},
        {SLICE_LIT("[-Infinity]"), "line 1, column 3: a digit was expected"},
        {SLICE_LIT("[TRUE]"), "line 1, column 2: a value was expected"},
        {SLICE_LIT("['a']"), "line 1, column 2: a value was expected"},
        {SLICE_LIT("[01]"), "line 1, column 3: a number may not start with 0"},
        {SLICE_LIT("[1.]"), "line 1, column 4: a digit was expected after the point"},
        {SLICE_LIT("[1e]"), "line 1, column 4: a digit was expected in the exponent"},
        {SLICE_LIT("[+1]"), "line 1, column 2: a value was expected"},
        {SLICE_LIT("[1,]"), "line 1, column 4: a value was expected"},
        {SLICE_LIT("{\"a\":1,}"), "line 1, column 8: a key in double quotes was expected"},
        {SLICE_LIT("{a:1}"), "line 1, column 2: a key in double quotes was expected"},
        {SLICE_LIT("{\"a\" 1}"), "line 1, column 6: ':' was expected"},
        {SLICE_LIT("[1 2]"), "line 1, column 4: ',' or ']' was expected"},
        {SLICE_LIT("{\"a\":1 \"b\":2}"), "line 1, column 8: ',' or '}' was expected"},
        {SLICE_LIT("/* x */ {}"), "line 1, column 1: a value was expected"},
        {SLICE_LIT("{\n  \"é\": 1,\n  \"b\": 2, \"é\": 3}"),
         "line 3, column 11: the object has this key twice"},
        {SLICE_LIT("{\"id\":1,\"\\u0069d\":2}"), "line 1, column 9: the object has this key twice"},
        {SLICE_LIT("{\"a\\u0000b\":1}"), "line 1, column 4: U+0000 is not allowed in a key"},
        {SLICE_LIT("{} {}"), "line 1, column 4: there is more text after the end of the document"},
        {SLICE_LIT("{}\0{}"), "line 1, column 3: there is more text after the end of the document"},
        {SLICE_LIT("[\"a\nb\"]"),
         "line 1, column 4: a control character in a string (write \\n, \\t or \\u00XX)"},
        {SLICE_LIT("[\"a\0\"]"),
         "line 1, column 4: a control character in a string (write \\n, \\t or \\u00XX)"},
        {SLICE_LIT("[\"\\x41\"]"), "line 1, column 4: unknown escape in a string"},
        {SLICE_LIT("[\"\\u00g0\"]"), "line 1, column 5: four hex digits were expected after \\u"},
        {SLICE_LIT("[\"\\ud800\"]"), "line 1, column 3: half of a surrogate pair"},
        {SLICE_LIT("[\"\\udc00\\ud800\"]"), "line 1, column 3: half of a surrogate pair"},
        {SLICE_LIT("[\"\\ud800\\u0041\"]"), "line 1, column 3: half of a surrogate pair"},
        {SLICE_LIT("[\"\xc0\xaf\"]"), "line 1, column 3: not valid UTF-8"},
        {SLICE_LIT("[\"\xed\xa0\x80\"]"), "line 1, column 3: not valid UTF-8"},
        {SLICE_LIT("\xef\xbb\xbf{}"),
         "line 1, column 1: a byte order mark (save the file as UTF-8 without BOM)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refuses(cases[i].text.ptr, cases[i].text.len, cases[i].says);
}

static void decodes_escapes(void **state)
{
    (void)state;
    struct json *doc = parse("{\"\\ud83d\\ude00\\u20ac\\u00e9\\n\\/\":\"\\ud83d\\ude00\"}");
    assert_true(slice_eq(json_string(json_get(doc, "\xf0\x9f\x98\x80\xe2\x82\xac\xc3\xa9\n/")),
                         SLICE_LIT("\xf0\x9f\x98\x80")));
    json_free(doc);
}

static void depth_ends_at_32(void **state)
{
    (void)state;
    char text[128];
    struct json *doc = NULL;
    memset(text, '[', 33);
    memset(text + 33, ']', 33);
    assert_int_equal(json_parse(slice_make(text, 66), &doc, NULL), ERR_INVALID);
    text[32] = '1';
    assert_int_equal(json_parse(slice_make(text, 65), &doc, NULL), OK);
    json_free(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_kind),
        cmocka_unit_test(a_document_may_be_a_scalar),
        cmocka_unit_test(wrong_kinds_read_as_nothing),
        cmocka_unit_test(integers_past_64_bits_are_not_clamped_ints),
        cmocka_unit_test(walks_members_in_order),
        cmocka_unit_test(refuses_what_others_may_read_differently),
        cmocka_unit_test(decodes_escapes),
        cmocka_unit_test(depth_ends_at_32),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
