#include "common/webhook/ids.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
/* cmocka needs the four above */
#include <cmocka.h>

static void ids_are_text_without_controls(void **state)
{
    (void)state;
    static const char *const good[] = {"a",        ".",       "..",  "a b",      "a/b",
                                       "a%20b",    "a{b",     "a@b", "$id",      "a~2",
                                       "\xc3\xa9", "wamid.=", "?#",  "\xc2\xa0", "\xe1\x82\x80"};
    static const char *const bad[] = {"",     "a\r\nb",       "\x7f",     "a\tb",
                                      "\xff", "\xed\xa0\x80", "\xc2\x80", "a\xc2\x9f"};
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
        assert_true(id_is_valid(slice_str(good[i])));
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_false(id_is_valid(slice_str(bad[i])));
    assert_false(id_is_valid(slice_make("a\0b", 3)));
    char text[ID_MAX + 1];
    memset(text, 'x', sizeof(text));
    assert_true(id_is_valid(slice_make(text, ID_MAX)));
    assert_false(id_is_valid(slice_make(text, ID_MAX + 1)));
}

static void expect_key(void (*add)(struct buf *, struct slice), const char *id, const char *key)
{
    struct buf out;
    buf_init(&out, 2 * ID_KEY_MAX);
    add(&out, slice_str(id));
    if (!slice_eq(buf_slice(&out), slice_str(key)))
        fail_msg("%s: %.*s", id, (int)out.len, out.ptr);
    buf_reset(&out);
    id_add_shown(&out, slice_str(key));
    assert_true(slice_eq(buf_slice(&out), slice_str(id)));
    buf_clear(&out);
}

static void an_id_and_its_key_belong_together(void **state)
{
    (void)state;
    expect_key(id_add_key, "A.z_0:-", "A.z_0:-");
    expect_key(id_add_key, "a/b=", "a%2Fb%3D");
    expect_key(id_add_key, "a%2Fb%3D", "a%252Fb%253D");
    expect_key(id_add_key, "\xc3\xa9", "%C3%A9");
    expect_key(id_add_named_key, "a b~2", "a%20b~2");
    expect_key(id_add_named_key, "a~x", "a%7Ex");
    expect_key(id_add_named_key, "a~70000", "a~70000");
    expect_key(id_add_named_key, "a~99999999999", "a%7E99999999999");
    expect_key(id_add_named_key, "a~f", "a~f");
    expect_key(id_add_named_key, "a~2~f", "a~2~f");
    expect_key(id_add_named_key, "~2", "%7E2");
    expect_key(id_add_named_key, "a~", "a%7E");
    expect_key(id_add_named_key, "~f", "%7Ef");
}

/* A sender's id may end like our marks. */
static void an_id_that_looks_marked_has_a_name_of_its_own(void **state)
{
    (void)state;
    expect_key(id_add_named_key, "a~2~1", "a%7E2");
    expect_key(id_add_named_key, "a~1~1", "a%7E1");
    expect_key(id_add_named_key, "a~02~1", "a%7E02");
    expect_key(id_add_named_key, "a~f~1", "a%7Ef");
    expect_key(id_add_named_key, "~2~f~1", "%7E2%7Ef");
    expect_key(id_add_named_key, "a~2~2", "a%7E2~2");
    expect_key(id_add_named_key, "a~2~1~f", "a%7E2~f");
    expect_key(id_add_named_key, "a~f~3~f", "a%7Ef~3~f");
    expect_key(id_add_named_key, "a%7E2", "a%257E2");
}

/* "@acme/1" is a task of an account, "~@acme/1" the event of a source whose sender gave it such an id. */
static void an_id_that_looks_like_a_task_has_a_name_of_its_own(void **state)
{
    (void)state;
    expect_key(id_add_named_key, "~@acme/1", "%40acme%2F1");
    expect_key(id_add_named_key, "~~@acme/1", "%7E%40acme%2F1");
    expect_key(id_add_named_key, "~@/", "%40%2F");
    expect_key(id_add_named_key, "~@acme/1~2", "%40acme%2F1~2");
    expect_key(id_add_named_key, "~@acme/1~2~1", "%40acme%2F1%7E2");
    expect_key(id_add_named_key, "~@acme/1~f", "%40acme%2F1~f");
    expect_key(id_add_named_key, "@acme", "%40acme");
    expect_key(id_add_named_key, "~@acme", "%7E%40acme");
    expect_key(id_add_named_key, "a@acme/1", "a%40acme%2F1");
}

static void a_task_of_an_account_has_no_marks(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, ID_KEY_MAX);
    id_add_shown(&out, SLICE_LIT("@acme/a%7E2"));
    assert_true(slice_eq(buf_slice(&out), SLICE_LIT("@acme/a~2")));
    buf_clear(&out);
}

static void tags_are_text_without_controls(void **state)
{
    (void)state;
    assert_true(tag_is_valid(slice_str("")));
    assert_true(tag_is_valid(slice_str(NULL)));
    assert_true(tag_is_valid(slice_str("caf\xc3\xa9 / $x ?&=#%")));
    assert_false(tag_is_valid(slice_str("a\nb")));
    assert_false(tag_is_valid(slice_make("a\0b", 3)));
    assert_false(tag_is_valid(slice_str("a\x7f")));
    assert_false(tag_is_valid(slice_str("a\xc2\x9b")));
    assert_false(tag_is_valid(slice_str("\xff")));
    assert_false(tag_is_valid(slice_str("\xed\xa0\x80"))); /* a surrogate */
    char text[TAG_BYTES + 4];
    memset(text, 'x', sizeof(text));
    assert_true(tag_is_valid(slice_make(text, TAG_MAX)));
    assert_false(tag_is_valid(slice_make(text, TAG_MAX + 1)));
    for (size_t i = 0; i < sizeof(text); i += 4) /* characters count, not bytes */
        memcpy(text + i, "\xf0\x9f\x98\x80", 4);
    assert_true(tag_is_valid(slice_make(text, TAG_BYTES)));
    assert_false(tag_is_valid(slice_make(text, TAG_BYTES + 4)));
}

static void names_cannot_break_a_key_or_a_path(void **state)
{
    (void)state;
    assert_true(name_is_valid(slice_str("orders-EU_2")));
    static const char *const bad[] = {"", "a.b", "a:b", "a}b{", "a/b", "a b", "..", "\xc3\xa9"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_false(name_is_valid(slice_str(bad[i])));
    char text[NAME_MAX_LEN + 1];
    memset(text, 'x', sizeof(text));
    assert_true(name_is_valid(slice_make(text, NAME_MAX_LEN)));
    assert_false(name_is_valid(slice_make(text, NAME_MAX_LEN + 1)));
}

static void uuid7_has_the_time_in_front(void **state)
{
    (void)state;
    /* RFC 9562 appendix A.6: 2022-02-22 19:22:22 UTC is 017F22E279B0 */
    char a[UUID_LEN + 1], b[UUID_LEN + 1], later[UUID_LEN + 1];
    uuid7(1645557742000, a);
    uuid7(1645557742000, b);
    uuid7(1645557742001, later);
    assert_memory_equal(a, "017f22e2-79b0-7", 15);
    assert_true(strchr("89ab", a[19]) != NULL);
    assert_int_equal(strlen(a), UUID_LEN);
    assert_string_not_equal(a, b);
    assert_true(strcmp(a, later) < 0);
    assert_true(id_is_valid(slice_str(a)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_text_without_controls),
        cmocka_unit_test(an_id_and_its_key_belong_together),
        cmocka_unit_test(an_id_that_looks_marked_has_a_name_of_its_own),
        cmocka_unit_test(an_id_that_looks_like_a_task_has_a_name_of_its_own),
        cmocka_unit_test(a_task_of_an_account_has_no_marks),
        cmocka_unit_test(tags_are_text_without_controls),
        cmocka_unit_test(names_cannot_break_a_key_or_a_path),
        cmocka_unit_test(uuid7_has_the_time_in_front),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
