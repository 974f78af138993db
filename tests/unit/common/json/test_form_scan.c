#include "common/json/form_scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char *const texts[] = {"id",      "payload/action", "payload/list/1", "payload",
                                    "a~1b~0c", "user[name]",     "other/x"};
enum { ID, ACTION, SECOND, PAYLOAD, ODD, USER, OTHER, TEXTS };

static struct form_picks *picks;
static struct form_scan *scan;

static int set_up(void **state)
{
    (void)state;
    assert_int_equal(form_picks_new(texts, TEXTS, &picks, NULL), OK);
    scan = form_scan_new(picks);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    form_scan_free(scan);
    form_picks_free(picks);
    return 0;
}

static void read_form(struct slice form, size_t step)
{
    form_scan_reset(scan, picks);
    for (; form.len; form = slice_skip(form, form.len < step ? form.len : step))
        form_scan_feed(scan, slice_head(form, step));
    form_scan_end(scan);
}

/* However FORM is cut, pick number I has WANT; WANT NULL: the state STATE and no text. */
static void has(const char *form, size_t i, enum json_pick_state state, const char *want)
{
    for (size_t step = 1; step <= strlen(form) + 1; step++) {
        struct slice got = SLICE_LIT("");
        read_form(slice_str(form), step);
        assert_int_equal(form_scan_pick(scan, i, &got), state);
        if (want && !slice_eq(got, slice_str(want)))
            fail_msg("%s in steps of %zu: %.*s", form, step, SLICE_FMT(got));
    }
}

#define TEXT(form, i, want) has(form, i, JSON_PICK_TEXT, want)
#define STATE(form, i, state) has(form, i, state, NULL)

static void fields_are_decoded(void **state)
{
    (void)state;
    TEXT("id=7", ID, "7");
    TEXT("x=1&id=a+b%2Bc%26d%3d&y", ID, "a b+c&d=");
    TEXT("i%64=7", ID, "7");
    TEXT("id=a=b", ID, "a=b");
    TEXT("id=caf%C3%A9", ID, "caf\xc3\xa9");
    TEXT("a%2Fb%7Ec=7", ODD, "7");
    TEXT("user[name]=n", USER, "n");
    TEXT("user%5Bname%5D=n", USER, "n");
    TEXT("&&id=7&", ID, "7");
}

static void what_is_not_there(void **state)
{
    (void)state;
    STATE("", ID, JSON_PICK_MISSING);
    STATE("ID=7&xid=7&id%20=7&id%=7", ID, JSON_PICK_MISSING);
    STATE("id=&x=1", ID, JSON_PICK_MISSING);
    STATE("id", ID, JSON_PICK_MISSING);
    STATE("x=%zz&id%4=1", ID, JSON_PICK_MISSING); /* other fields may be broken */
    TEXT("x=%zz&id=7", ID, "7");
    TEXT("%=1&id=7", ID, "7");
}

static void what_cannot_be_read(void **state)
{
    (void)state;
    STATE("id=%", ID, JSON_PICK_OTHER);
    STATE("id=%4", ID, JSON_PICK_OTHER);
    STATE("id=%4&x=1", ID, JSON_PICK_OTHER);
    STATE("id=%zz", ID, JSON_PICK_OTHER);
    STATE("id=a%%41", ID, JSON_PICK_OTHER);
    STATE("id=7&id=7", ID, JSON_PICK_TWICE);
    STATE("id&id=7", ID, JSON_PICK_TWICE);
    STATE("id=7&x=1&%69d=8", ID, JSON_PICK_TWICE);
}

static void fields_that_hold_json(void **state)
{
    (void)state;
    const char *form =
        "token=x&payload=%7B%22action%22%3A%22opened%22%2C%22list%22%3A%5B1%2C+2%5D%7D&id=7";
    TEXT(form, ACTION, "opened");
    TEXT(form, SECOND, "2");
    TEXT(form, ID, "7");
    TEXT(form, PAYLOAD, "{\"action\":\"opened\",\"list\":[1, 2]}");
    STATE(form, OTHER, JSON_PICK_MISSING);
    TEXT("payload={\"action\":\"cut \\ud83d\"}", ACTION, "cut \xef\xbf\xbd");
    STATE("payload={\"a\":1}", ACTION, JSON_PICK_MISSING);
    STATE("payload={\"action\":1,\"action\":2}", ACTION, JSON_PICK_TWICE);
    STATE("payload={\"action\":", ACTION, JSON_PICK_OTHER);
    STATE("payload={}}", ACTION, JSON_PICK_OTHER);
    STATE("payload=opened", ACTION, JSON_PICK_OTHER);
    STATE("payload={\"action\":%zz}", ACTION, JSON_PICK_OTHER);
    STATE("payload={\"action\":1}&payload={\"action\":1}", ACTION, JSON_PICK_TWICE);
    STATE("payload=", ACTION, JSON_PICK_MISSING);
    TEXT("payload=opened", PAYLOAD, "opened");
}

static void long_values(void **state)
{
    (void)state;
    static char form[20000];
    struct slice got;
    memset(form, 'x', sizeof form);
    memcpy(form, "id=", 3);
    read_form(slice_make(form, 3 + JSON_SCAN_VALUE_MAX), 700);
    assert_int_equal(form_scan_pick(scan, ID, &got), JSON_PICK_TEXT);
    assert_int_equal(got.len, JSON_SCAN_VALUE_MAX);
    read_form(slice_make(form, 3 + JSON_SCAN_VALUE_MAX + 1), 700);
    assert_int_equal(form_scan_pick(scan, ID, &got), JSON_PICK_TOO_LONG);
    /* JSON in a long field is found all the same */
    memcpy(form, "payload={\"action\":\"a\",\"fill\":\"", 30);
    memcpy(form + sizeof form - 2, "\"}", 2);
    read_form(slice_make(form, sizeof form), 999);
    assert_int_equal(form_scan_pick(scan, ACTION, &got), JSON_PICK_TEXT);
    assert_true(slice_eq(got, SLICE_LIT("a")));
    assert_int_equal(form_scan_pick(scan, PAYLOAD, &got), JSON_PICK_TOO_LONG);
    memset(form, 'n', sizeof form); /* a long name is nobody's */
    memcpy(form + sizeof form - 5, "&id=7", 5);
    read_form(slice_make(form, sizeof form), 999);
    assert_int_equal(form_scan_pick(scan, ID, &got), JSON_PICK_TEXT);
}

static void refuses(const char *text)
{
    struct form_picks *p = NULL;
    struct error e = {""};
    assert_int_equal(form_picks_new(&text, 1, &p, &e), ERR_INVALID);
    assert_null(p);
    assert_true(e.text[0]);
}

static void bad_picks(void **state)
{
    (void)state;
    refuses("");
    refuses("/id");
    refuses("a~2");
    refuses("a~");
    refuses("payload/~2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_decoded),  cmocka_unit_test(what_is_not_there),
        cmocka_unit_test(what_cannot_be_read), cmocka_unit_test(fields_that_hold_json),
        cmocka_unit_test(long_values),         cmocka_unit_test(bad_picks),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
