#include "receiver/ingest/repeats.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct repeat_facts facts_of(const char *message, const char *timestamp, const char *digest)
{
    return (struct repeat_facts){.message_id = slice_str(message),
                                 .signed_timestamp = slice_str(timestamp),
                                 .digest = slice_str(digest)};
}

static bool are_alike(struct repeat_facts a, struct repeat_facts b)
{
    char one[REPEAT_NAME_LEN], two[REPEAT_NAME_LEN];
    assert_int_equal(repeat_key(&a, one), REPEAT_BY_NAME);
    assert_int_equal(repeat_key(&b, two), REPEAT_BY_NAME);
    return memcmp(one, two, sizeof one) == 0;
}

static void a_message_is_its_id_and_body(void **state)
{
    (void)state;
    struct repeat_facts first = facts_of("m1", "100", "d1"), other = first;
    assert_true(are_alike(first, facts_of("m1", "200", "d1"))); /* signed afresh */
    assert_false(are_alike(first, facts_of("m2", "100", "d1")));
    assert_false(are_alike(first, facts_of("m1", "100", "d2")));
    other.names_id = other.is_signed = true;
    assert_true(are_alike(first, other));
    other.message_origin = SLICE_LIT("/door");
    assert_false(are_alike(first, other));
}

static void texts_do_not_flow_into_each_other(void **state)
{
    (void)state;
    struct repeat_facts a = facts_of("bc", "", "d"), b = facts_of("c", "", "d");
    a.message_origin = SLICE_LIT("a");
    b.message_origin = SLICE_LIT("ab");
    assert_false(are_alike(a, b));
}

static void without_a_message_the_id_or_the_signature_tells(void **state)
{
    (void)state;
    char name[REPEAT_NAME_LEN];
    struct repeat_facts f = facts_of("", "100", "d");
    assert_int_equal(repeat_key(&f, name), REPEAT_NEVER);
    f.is_signed = true;
    struct repeat_facts later = f, other = f;
    assert_true(are_alike(f, f));
    later.signed_timestamp = SLICE_LIT("101");
    other.digest = SLICE_LIT("e");
    assert_false(are_alike(f, later));
    assert_false(are_alike(f, other));
    f.names_id = true;
    assert_int_equal(repeat_key(&f, name), REPEAT_BY_EVENT);
}

static void other_rules_do_not_ask_for_the_message(void **state)
{
    (void)state;
    char name[REPEAT_NAME_LEN];
    struct repeat_facts f = facts_of("m1", "", "d");
    f.rule = REPEATS_BODY;
    assert_int_equal(repeat_key(&f, name), REPEAT_NEVER);
    f.is_signed = true;
    struct repeat_facts other = f;
    other.message_id = SLICE_LIT("m2");
    assert_true(are_alike(f, other));
    f.names_id = true;
    assert_int_equal(repeat_key(&f, name), REPEAT_BY_EVENT);
    f.rule = REPEATS_NONE;
    assert_int_equal(repeat_key(&f, name), REPEAT_NEVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_its_id_and_body),
        cmocka_unit_test(texts_do_not_flow_into_each_other),
        cmocka_unit_test(without_a_message_the_id_or_the_signature_tells),
        cmocka_unit_test(other_rules_do_not_ask_for_the_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
