#include "common/json/json_picks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void bad_pointers(void **state)
{
    (void)state;
    const char *bad[] = {"id", "/a~", "/a~2", "/\xff"};
    struct error e;
    struct json_picks *picks;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(json_picks_new(&bad[i], 1, &picks, &e), ERR_INVALID);
    const char *many[JSON_PICKS_MAX + 1];
    for (size_t i = 0; i <= JSON_PICKS_MAX; i++)
        many[i] = "/a";
    assert_int_equal(json_picks_new(many, JSON_PICKS_MAX + 1, &picks, &e), ERR_TOO_BIG);
    assert_int_equal(json_picks_new(many, JSON_PICKS_MAX, &picks, &e), OK);
    assert_int_equal(json_picks_count(picks), JSON_PICKS_MAX);
    json_picks_free(picks);
    json_picks_free(NULL);
    assert_int_equal(json_picks_count(NULL), 0);
}

static enum err parse(const char *pointer)
{
    struct json_picks *picks = NULL;
    enum err rc = json_picks_new(&pointer, 1, &picks, NULL);
    json_picks_free(picks);
    return rc;
}

static void pointers_are_bounded(void **state)
{
    (void)state;
    char text[2 * JSON_PICKS_PARTS + 3] = "";
    for (size_t i = 0; i <= JSON_PICKS_PARTS; i++) {
        assert_int_equal(parse(text), OK);
        strcat(text, "/a");
    }
    assert_int_equal(parse(text), ERR_INVALID);
    char longest[JSON_PICKS_PART_MAX + 3] = "/";
    memset(longest + 1, 'a', JSON_PICKS_PART_MAX);
    assert_int_equal(parse(longest), OK);
    longest[JSON_PICKS_PART_MAX + 1] = 'a';
    assert_int_equal(parse(longest), ERR_INVALID);
}

/* The path tasks, then 0, then the value there. */
static void followed_step_by_step(void **state)
{
    (void)state;
    const char *pointers[] = {"/tasks/0/id", "/tasks/0", "", "/tasks/00/id", "/tag", "/tasks/~1~0"};
    const struct slice tasks = SLICE_LIT("tasks"), zero = SLICE_LIT("0"), odd = SLICE_LIT("/~");
    struct json_picks *p;
    assert_int_equal(json_picks_new(pointers, 6, &p, NULL), OK);
    assert_int_equal(json_picks_ended(p, 077, 0), 004);
    json_pick_set inside = json_picks_next(p, 073, 0, &tasks, 0);
    assert_int_equal(inside, 053);
    assert_int_equal(json_picks_ended(p, inside, 1), 0);
    assert_int_equal(json_picks_next(p, inside, 1, NULL, 0), 003); /* 00 is no index */
    assert_int_equal(json_picks_next(p, inside, 1, NULL, 1), 0);
    assert_int_equal(json_picks_next(p, inside, 1, &zero, 0), 003); /* it may be a key too */
    assert_int_equal(json_picks_next(p, inside, 1, &odd, 0), 040);
    assert_int_equal(json_picks_next(p, 050, 1, NULL, 0), 0); /* none but those asked for */
    assert_int_equal(json_picks_ended(p, 003, 2), 002);
    json_picks_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_pointers),
        cmocka_unit_test(pointers_are_bounded),
        cmocka_unit_test(followed_step_by_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
