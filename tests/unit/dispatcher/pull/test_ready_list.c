/* Tests the reading of a provider's tasks_ready. */
#include "dispatcher/pull/ready_list.h"

#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/gzip/gzip.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define LIST(result) "{'status_code':20000,'tasks':[{'status_code':20000,'result':" result "}]}"

static struct ready_list list;
static struct error fault;

/* Single quotes are read as double quotes. */
static enum err read(const char *quoted)
{
    char *text = xstrdup(quoted);
    for (char *p = text; *p; p++)
        if (*p == '\'')
            *p = '"';
    ready_list_clear(&list);
    fault.text[0] = '\0';
    enum err rc = ready_list_read(slice_str(text), &list, &fault);
    free(text);
    return rc;
}

static void is_task(size_t i, const char *id, const char *tag)
{
    assert_true(i < list.count);
    assert_true(slice_eq(list.tasks[i].id, slice_str(id)));
    assert_true(slice_eq(list.tasks[i].tag, slice_str(tag)));
}

static void reads_ids_and_tags(void **state)
{
    (void)state;
    assert_int_equal(read(LIST("[{'id':'a','se':'google','tag':'t u'},{'id':'b','tag':null},"
                               "{'id':'c'},{'id':'d','tag':'x\\ny'},{'id':'e','tag':7}]")),
                     OK);
    assert_int_equal(list.count, 5);
    assert_int_equal(list.skipped, 0);
    is_task(0, "a", "t u");
    for (size_t i = 1; i < 5; i++)
        is_task(i, (const char *[]){"", "b", "c", "d", "e"}[i], "");
}

static void an_empty_list_is_fine(void **state)
{
    (void)state;
    assert_int_equal(read(LIST("[]")), OK);
    assert_int_equal(list.count, 0);
    assert_int_equal(read(LIST("null")), OK);
    assert_int_equal(list.count, 0);
    assert_int_equal(read("{'status_code':20000,'tasks':[{'status_code':20000}]}"), OK);
    assert_int_equal(list.count, 0);
}

static void leaves_out_what_is_no_id(void **state)
{
    (void)state;
    assert_int_equal(
        read(LIST("[{'id':'a\\u0000b'},{'id':''},{'id':5},{},null,7,{'id':'\\n'},{'id':'\\u007f'},"
                  "{'id':'ok'},{'id':'ok','tag':'again'}]")),
        OK);
    assert_int_equal(list.count, 1);
    is_task(0, "ok", "");
    assert_int_equal(list.skipped, 8);
}

static void takes_a_thousand(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 1 << 20);
    buf_add_str(&text, "{'status_code':20000,'tasks':[{'status_code':20000,'result':[");
    for (unsigned i = 0; i < 1005; i++)
        buf_addf(&text, "%s{'id':'t%u'}", i ? "," : "", i);
    buf_add_str(&text, "]}]}");
    assert_int_equal(read(text.ptr), OK);
    assert_int_equal(list.count, READY_LIST_MAX);
    assert_int_equal(list.skipped, 5);
    buf_clear(&text);
}

static void says_what_came_instead(void **state)
{
    (void)state;
    static const struct {
        const char *body, *says;
    } rows[] = {
        {"", "not JSON"},
        {"<html>secret</html>", "not JSON"},
        {"{'status_code':20000,'tasks':[", "not JSON"},
        {"[]", "no envelope: it has no status_code"},
        {"{}", "no envelope: it has no status_code"},
        {"{'status_code':'20000'}", "no envelope: it has no status_code"},
        {"{'status_code':40202,'tasks':null}", "status_code 40202"},
        {"{'status_code':20000,'tasks':null}", "no envelope: it has no tasks"},
        {"{'status_code':20000,'tasks':[]}", "no envelope: it has no tasks"},
        {"{'status_code':20000,'tasks':{'0':1}}", "no envelope: it has no tasks"},
        {"{'status_code':20000,'tasks':[null]}", "no envelope: it has no status_code"},
        {"{'status_code':20000,'tasks':[{'status_code':40501}]}", "status_code 40501"},
        {LIST("{'id':'a'}"), "no envelope: its result is no array"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(read(rows[i].body), ERR_INVALID);
        assert_string_equal(fault.text, rows[i].says);
        assert_int_equal(list.count, 0);
    }
}

static void reads_gzip(void **state)
{
    (void)state;
    static const char text[] =
        "{\"status_code\":20000,\"tasks\":[{\"status_code\":20000,\"result\":[{\"id\":\"a\"}]}]}";
    struct buf wire;
    buf_init(&wire, 1 << 20);
    assert_int_equal(gzip_deflate_all(slice_str(text), &wire), OK);
    ready_list_clear(&list);
    assert_int_equal(ready_list_read(buf_slice(&wire), &list, &fault), OK);
    is_task(0, "a", "");
    ready_list_clear(&list);
    assert_int_equal(ready_list_read(slice_make(wire.ptr, wire.len - 4), &list, &fault),
                     ERR_INVALID);
    assert_string_equal(fault.text, "gzip that is damaged or too large");
    buf_clear(&wire);
}

/* Of four megabytes of whatever else, as little memory is taken as the list has tasks. */
static void makes_no_tree(void **state)
{
    (void)state;
    static const char *const units[] = {"{},", "1,", "'x',", "{'id':{'a':[]}},",
                                        "{'id':[],'tag':{}},"};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        struct buf text;
        buf_init(&text, READY_INFLATED_MAX);
        buf_add_str(&text, "{'status_code':20000,'tasks':[{'status_code':20000,'result':[");
        while (text.len < READY_INFLATED_MAX - 100)
            buf_add_str(&text, units[i]);
        buf_add_str(&text, "{'id':'last'}]}]}");
        struct mallinfo2 before = mallinfo2();
        assert_int_equal(read(text.ptr), OK);
        assert_true(mallinfo2().uordblks < before.uordblks + 100000);
        assert_int_equal(list.count, 1);
        is_task(0, "last", "");
        buf_clear(&text);
    }
}

static int teardown(void **state)
{
    (void)state;
    ready_list_clear(&list);
    return 0;
}

static void halves_of_surrogate_pairs(void **state)
{
    (void)state;
    assert_int_equal(read(LIST("[{'id':'a','tag':'cut \\ud83d'},{'id':'b'}]")), OK);
    is_task(0, "a", "cut \xef\xbf\xbd");
    is_task(1, "b", "");
    assert_int_equal(read("\xef\xbb\xbf" LIST("[{'id':'a'}]")), OK);
    is_task(0, "a", "");
    assert_int_equal(read("\xef\xbb\xbf\xef\xbb\xbf" LIST("[{'id':'a'}]")), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(halves_of_surrogate_pairs),
        cmocka_unit_test(reads_ids_and_tags),
        cmocka_unit_test(an_empty_list_is_fine),
        cmocka_unit_test(leaves_out_what_is_no_id),
        cmocka_unit_test(takes_a_thousand),
        cmocka_unit_test(says_what_came_instead),
        cmocka_unit_test(reads_gzip),
        cmocka_unit_test(makes_no_tree),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
