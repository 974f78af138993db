#include "common/webhook/url_template.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
/* cmocka needs the four above */
#include <cmocka.h>

static struct url_template *make(const char *text)
{
    struct url_template *t = NULL;
    struct error e = {0};
    if (url_template_new(slice_str(text), &t, &e) != OK)
        fail_msg("%s: %s", text, e.text);
    return t;
}

static void refuse(const char *text, const char *want)
{
    struct url_template *t = NULL;
    struct error e = {0};
    if (url_template_new(slice_str(text), &t, &e) != ERR_INVALID)
        fail_msg("%s was taken", text);
    if (!strstr(e.text, want))
        fail_msg("%s: \"%s\" does not say \"%s\"", text, e.text, want);
    assert_null(t);
}

static void expands_to(const char *text, struct url_vars vars, const char *want)
{
    struct url_template *t = make(text);
    struct buf out;
    buf_init(&out, 65536);
    assert_int_equal(url_template_expand(t, &vars, &out), OK);
    assert_string_equal(out.ptr, want);
    buf_clear(&out);
    url_template_free(t);
}

#define VARS(i, t, s)                                                                              \
    ((struct url_vars){{i, sizeof(i) - 1}, {t, sizeof(t) - 1}, {s, sizeof(s) - 1}})

static void values_are_percent_encoded(void **state)
{
    (void)state;
    struct url_vars v = VARS("a.b-c_d:e~f", "caf\xc3\xa9 &=#?/%\\+@$id", "src");
    expands_to("https://a.example/h?id=$id&tag=$tag&s=$source", v,
               "https://a.example/"
               "h?id=a.b-c_d%3Ae~f&tag=caf%C3%A9%20%26%3D%23%3F%2F%25%5C%2B%40%24id&s=src");
    expands_to("http://h/$source/x-$id.json", v, "http://h/src/x-a.b-c_d%3Ae~f.json");
    expands_to("http://h/?tag=$tag", VARS("", "", ""), "http://h/?tag=");
    expands_to("http://h/?tag=$tag", VARS("", "a\r\nb\0c", ""), "http://h/?tag=a%0D%0Ab%00c");
}

static void what_is_not_a_variable_stays_as_it_is(void **state)
{
    (void)state;
    struct url_vars v = VARS("1", "t", "s");
    expands_to("http://h/a%2Fb;p=1,2/!*'()@:?x=$5&y=$&z=a=b?c/d", v,
               "http://h/a%2Fb;p=1,2/!*'()@:?x=$5&y=$&z=a=b?c/d");
    expands_to("http://h/$$id/$id_$tag/$id2", v, "http://h/$1/1_t/12");
    expands_to("http://h/?q=a=$id", v, "http://h/?q=a=1");
    expands_to("http://h/%24id?a[]=$id", v, "http://h/%24id?a[]=1");
    expands_to("http://h/a/...?x=/../", v, "http://h/a/...?x=/../");
}

static void a_missing_path_is_a_slash(void **state)
{
    (void)state;
    expands_to("https://h", VARS("1", "", ""), "https://h/");
    expands_to("https://h?id=$id", VARS("1", "", ""), "https://h/?id=1");
}

static void the_origin_is_in_lower_case(void **state)
{
    (void)state;
    static const struct {
        const char *text, *url;
    } rows[] = {
        {"https://App.Example:8443/X/$id", "https://app.example:8443/X/7"},
        {"HTTP://h", "http://h/"},
        {"http://127.0.0.1:1?x=$id", "http://127.0.0.1:1/?x=7"},
        {"https://[2001:DB8::1]:65535/", "https://[2001:db8::1]:65535/"},
        {"https://[::ffff:127.0.0.1]/", "https://[::ffff:127.0.0.1]/"},
        {"https://my_host-1.example./", "https://my_host-1.example./"},
    };
    struct url_vars vars = VARS("7", "t", "s");
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct url_template *t = make(rows[i].text);
        struct buf url;
        buf_init(&url, 4096);
        assert_int_equal(url_template_expand(t, &vars, &url), OK);
        assert_string_equal(url.ptr, rows[i].url);
        buf_clear(&url);
        url_template_free(t);
    }
}

static void bad_urls_are_refused_with_their_reason(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"", "http://"},
        {"/relative", "http://"},
        {"ftp://h/", "http://"},
        {"file:///etc/passwd", "http://"},
        {"gopher://h/", "http://"},
        {"https:/h/", "http://"},
        {" https://h/", "http://"},
        {"$source://h/", "http://"},
        {"https://", "host"},
        {"https:///x", "host"},
        {"https://:80/", "host"},
        {"https://?x", "host"},
        {"https://user@h/", "user name"},
        {"https://user:pw@h/", "user name"},
        {"https://$id@h/", "user name"},
        {"https://$id.example/", "only in path"},
        {"https://h:$id/", "only in path"},
        {"https://h:0/", "port"},
        {"https://h:65536/", "port"},
        {"https://h:/", "port"},
        {"https://h:80a/", "port"},
        {"https://h:80:80/", "port"},
        {"https://h h/", "host"},
        {"https://h%2e/", "host"},
        {"https://\xc3\xa9/", "host"},
        {"https://a..b/", "host"},
        {"https://.a/", "host"},
        {"https://h\\@evil/", "0x5C"},
        {"https://[::1/", "IPv6"},
        {"https://[]/", "IPv6"},
        {"https://[fe80::1%25eth0]/", "IPv6"},
        {"https://[::1]x/", "follow"},
        {"https://[::1]:0/", "port"},
        {"https://h/#top", "fragment"},
        {"https://h#top", "fragment"},
        {"https://h/?a#$id", "fragment"},
        {"https://h/a b", "0x20"},
        {"https://h/a\tb", "0x09"},
        {"https://h/a\r\nX: y", "0x0D"},
        {"https://h/\xc3\xa9", "0xC3"},
        {"https://h/\x7f", "0x7F"},
        {"https://h/a\\b", "0x5C"},
        {"https://h/{id}", "0x7B"},
        {"https://h/${id}", "0x7B"},
        {"https://h/%zz", "hex"},
        {"https://h/%2", "hex"},
        {"https://h/a/../b", ".."},
        {"https://h/.", ".."},
        {"https://h/a/%2E%2e", ".."},
        {"https://h/a/.%2e/b", ".."},
        {"https://h/$ids", "did you mean \"$id\""},
        {"https://h/$ID", "did you mean \"$id\""},
        {"https://h/?t=$tga", "did you mean \"$tag\""},
        {"https://h/?t=$sourec", "did you mean \"$source\""},
        {"https://h/?t=$whatever", "there are $id, $tag and $source"},
        {"https://h/?$id=1", "not in their names"},
        {"https://h/?a=1&x$id", "not in their names"},
        {"https://h?$id", "not in their names"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        refuse(rows[i].text, rows[i].want);
    struct url_template *t = NULL;
    assert_int_equal(url_template_new(slice_make("http://h/\0", 10), &t, NULL), ERR_INVALID);
    assert_int_equal(url_template_new(slice_make("http://h\0/", 10), &t, NULL), ERR_INVALID);
    char longest[URL_TEMPLATE_MAX + 2];
    memset(longest, 'a', sizeof(longest));
    memcpy(longest, "http://", 7);
    assert_int_equal(url_template_new(slice_make(longest, 7 + 254), &t, NULL), ERR_INVALID);
    memcpy(longest, "http://h/", 9);
    assert_int_equal(url_template_new(slice_make(longest, URL_TEMPLATE_MAX + 1), &t, NULL),
                     ERR_INVALID);
    assert_int_equal(url_template_new(slice_make(longest, URL_TEMPLATE_MAX), &t, NULL), OK);
    url_template_free(t);
}

static void no_value_makes_a_dot_segment(void **state)
{
    (void)state;
    static const struct {
        const char *text, *id;
        bool ok;
    } rows[] = {
        {"http://h/hooks/$id/x", ".", false},
        {"http://h/hooks/$id/x", "..", false},
        {"http://h/hooks/$id", "..", false},
        {"http://h/hooks/$id?x=1", "..", false},
        {"http://h/hooks/.$id", ".", false},
        {"http://h/hooks/.$id", "", false},
        {"http://h/hooks/%2e$id", ".", false},
        {"http://h/hooks/$id$id", ".", false},
        {"http://h/hooks/$id", "...", true},
        {"http://h/hooks/$id", "", true},
        {"http://h/hooks/$id$id", "..", true},
        {"http://h/hooks/a$id", "..", true},
        {"http://h/hooks/$id", "../..", false},
        {"http://h/hooks/$id", "a\\..\\b", false},
        {"http://h/hooks/$id", "%2e%2e", false},
        {"http://h/hooks/x?y=$id", "..", true},
        {"http://h/hooks/x?y=/$id/z", "..", true},
        {"http://h/hooks/%25$id", "2e", false},
        {"http://h/hooks/.%2$id", "e", false},
        {"http://h/hooks/%252e$id", ".", false},
        {"http://h/hooks/$id;v=1", "..", false},
        {"http://h/hooks/a%5c$id", "..", false},
        {"http://h/hooks/a%2f$id", "..", false},
        {"http://h/hooks/$id%2fb", "..", false},
        {"http://h/hooks/$id", "\xef\xbc\x8e.", false},
        {"http://h/hooks/$id", "..\xef\xbc\x8f", false},
        {"http://h/hooks/x?y=$id", "%2e%2e/", true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct url_template *t = NULL;
        if (url_template_new(slice_str(rows[i].text), &t, NULL) != OK) {
            assert_false(rows[i].ok); /* "." is already there without the value */
            continue;
        }
        struct url_vars v = {.id = slice_str(rows[i].id)};
        struct buf out;
        buf_init(&out, 1000);
        buf_add_str(&out, "before");
        enum err rc = url_template_expand(t, &v, &out);
        if ((rc == OK) != rows[i].ok)
            fail_msg("%s with %s: %s", rows[i].text, rows[i].id, err_word(rc));
        if (!rows[i].ok) {
            assert_int_equal(rc, ERR_INVALID);
            assert_string_equal(out.ptr, "before");
        }
        buf_clear(&out);
        url_template_free(t);
    }
}

static void a_full_buffer_is_told(void **state)
{
    (void)state;
    struct url_template *t = make("http://h/$id");
    struct url_vars v = {.id = SLICE_LIT("0123456789")};
    struct buf out;
    buf_init(&out, 18);
    assert_int_equal(url_template_expand(t, &v, &out), ERR_TOO_BIG);
    assert_int_equal(out.len, 0);
    buf_clear(&out);
    buf_init(&out, 19);
    assert_int_equal(url_template_expand(t, &v, &out), OK);
    buf_clear(&out);
    url_template_free(t);
}

/* Counts how often each of "/?#@&=:\\" and everything outside visible ASCII is in S. */
static void shape_of(struct slice s, size_t shape[9])
{
    static const char marks[] = "/?#@&=:\\";
    memset(shape, 0, 9 * sizeof(*shape));
    for (size_t i = 0; i < s.len; i++) {
        const char *hit = s.ptr[i] ? strchr(marks, s.ptr[i]) : NULL;
        if (hit)
            shape[hit - marks]++;
        else if (s.ptr[i] <= ' ' || s.ptr[i] > '~')
            shape[8]++;
    }
}

/* Values made of the pieces that break naive substitution must leave the URL's shape alone. */
static void no_value_changes_the_shape_of_the_url(void **state)
{
    (void)state;
    static const char *const hostile[] = {
        "@evil", "../", "#", "\\",   "\r\n",     "%2e%2e", "//evil.example", "?", "&a=", ":80",
        ".",     "$id", " ", "\xff", "\xc3\xa9", "%00",    "http://",        "[", "%",   "\t",
        ";",     "{",   "'", "\""};
    static const char *const templates[] = {
        "https://app.example:8443/a/$id/b$tag.x?q=$source&r=$tag$id", "http://[::1]/$tag",
        "http://h?x=$tag"};
    unsigned seed = 1;
    size_t accepted = 0;
    for (size_t round = 0; round < 30000; round++) {
        struct url_template *t = make(templates[round % 3]);
        char values[3][200];
        struct url_vars vars, harmless = VARS("x", "x", "x");
        struct slice *slots[3] = {&vars.id, &vars.tag, &vars.source};
        for (int i = 0; i < 3; i++) {
            size_t len = 0;
            for (int n = 0; n < 6; n++) {
                seed = seed * 1103515245u + 12345u;
                const char *piece = hostile[(seed >> 16) % (sizeof(hostile) / sizeof(*hostile))];
                memcpy(values[i] + len, piece, strlen(piece));
                len += strlen(piece);
            }
            *slots[i] = slice_make(values[i], len);
        }
        struct buf got, plain;
        size_t a[9], b[9];
        buf_init(&got, 65536);
        buf_init(&plain, 65536);
        if (url_template_expand(t, &vars, &got) != OK) { /* a dot segment */
            buf_clear(&got);
            url_template_free(t);
            continue;
        }
        accepted++;
        assert_int_equal(url_template_expand(t, &harmless, &plain), OK);
        size_t origin = (size_t)(strchr(plain.ptr + strlen("https://"), '/') - plain.ptr);
        assert_memory_equal(got.ptr, plain.ptr, origin + 1);
        shape_of(buf_slice(&got), a);
        shape_of(buf_slice(&plain), b);
        assert_memory_equal(a, b, sizeof(a));
        buf_clear(&got);
        buf_clear(&plain);
        url_template_free(t);
    }
    assert_true(accepted > 15000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_percent_encoded),
        cmocka_unit_test(what_is_not_a_variable_stays_as_it_is),
        cmocka_unit_test(a_missing_path_is_a_slash),
        cmocka_unit_test(the_origin_is_in_lower_case),
        cmocka_unit_test(bad_urls_are_refused_with_their_reason),
        cmocka_unit_test(no_value_makes_a_dot_segment),
        cmocka_unit_test(a_full_buffer_is_told),
        cmocka_unit_test(no_value_changes_the_shape_of_the_url),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
