#include "common/webhook/dot_segments.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void finds_each_spelling(void **state)
{
    (void)state;
    static const char *const found[] = {
        ".",
        "..",
        "/a/..",
        "/a/../b",
        "/./b",
        "/a/..?x=1",
        /* encoded, also several times and mixed */
        "/a/%2e%2e/b",
        "/a/.%2E/b",
        "/a/..%2Fb",
        "/a/%2F..%2F",
        "/a/x%2f..",
        "/a/..%5cb",
        "/a/..\\b",
        "/a/%252e%252e/b",
        "/a/..%252fb",
        "/a/%25252e%25252e%25252fb",
        "/a/%2525252525252e.",
        "/a/%%32%65.",
        "/a/%u002e%u002E/b",
        "/a/%25u002e./b",
        /* parts that are cut off */
        "/a/..;/b",
        "/a/..;x=1/b",
        "/a/..%3B/b",
        "/a/..%00.html",
        "/a/..%3fx/b",
        "/a/..%23x/b",
        "/a/..%20/b",
        "/a/%20../b",
        "/a/..%09/b",
        /* longer UTF-8 than needed */
        "/a/%c0%ae%c0%ae/b",
        "/a/..%c0%afb",
        "/a/..%c1%9cb",
        "/a/%e0%80%ae%e0%80%ae/b",
        "/a/%f0%80%80%ae./b",
        "/a/..%e0%80%afb",
        "/a/%c0%a52e./b",
        "/a/%25c0%25ae./b",
        /* look-alikes */
        "/a/%ef%bc%8e%ef%bc%8e/b",
        "/a/..%ef%bc%8fb",
        "/a/..%ef%bc%bcb",
        "/a/%e2%80%a4./b",
        "/a/%e2%80%a5/b",
        "/a/%ef%b9%92%EF%B9%92/b",
        "/a/..%e2%88%95b",
        "/a/..%e2%81%84b",
        "/a/%ef%bc%852e./b",
        "/a/..%ef%bc%9b/b",
        "/a/%uff0e%uff0e/b",
    };
    for (size_t i = 0; i < sizeof found / sizeof found[0]; i++)
        if (!has_dot_segment(slice_str(found[i])))
            fail_msg("%s has one", found[i]);
}

static void leaves_others_alone(void **state)
{
    (void)state;
    static const char *const fine[] = {
        "",
        "/",
        "/a.b/c..d",
        "/...",
        "/a/.well-known/x",
        "/a/..b/b..",
        "/a%2fb",
        "/a/%2eb",
        "/a/%252eb",
        "/hook.php?x=/../y",
        "/a?x=..",
        "/a/%",
        "/a/%2",
        "/a/%zz..%zz",
        "/a/%c0",
        "/a/%e2%80%a6",
        "/a/%d0%b6",
        "/a/x%00..",
        "/a/%u",
        "/a/%u00",
        "/a/;..",
        "/a/100%25",
    };
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++)
        if (has_dot_segment(slice_str(fine[i])))
            fail_msg("%s has none", fine[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_each_spelling),
        cmocka_unit_test(leaves_others_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
