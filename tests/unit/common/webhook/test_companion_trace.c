#include "common/webhook/companion.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define ID "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"

static void is(struct slice got, const char *want)
{
    assert_true(slice_eq(got, slice_str(want)));
}

static void of_a_value(void **state)
{
    (void)state;
    is(trace_id_of(SLICE_LIT("00-" ID "-" PARENT "-01")), ID);
    is(trace_id_of(SLICE_LIT("01-" ID "-" PARENT "-01")), ID);
    is(trace_id_of(SLICE_LIT("01-" ID "-" PARENT "-01-what comes later")), ID);
    static const char *const none[] = {
        "",
        "00-" ID "-" PARENT,
        "00-" ID "-" PARENT "-0",
        "00-" ID "-" PARENT "-01-more",
        "01-" ID "-" PARENT "-01x",
        "ff-" ID "-" PARENT "-01",
        "0g-" ID "-" PARENT "-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-" PARENT "-01",
        "00-00000000000000000000000000000000-" PARENT "-01",
        "00-" ID "-0000000000000000-01",
        "00_" ID "-" PARENT "-01",
        "00-" ID "-" PARENT "-zz",
    };
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        is(trace_id_of(slice_str(none[i])), "");
}

static void in_lines(void **state)
{
    (void)state;
    is(trace_id_in(SLICE_LIT("X-A: 1\r\nTraceParent: 00-" ID "-" PARENT "-01\r\nX-B: 2\r\n")), ID);
    is(trace_id_in(SLICE_LIT("traceparent:00-" ID "-" PARENT "-01 \r\n")), ID);
    is(trace_id_in(SLICE_LIT("X-A: traceparent: 00-" ID "-" PARENT "-01\r\n")), "");
    is(trace_id_in(SLICE_LIT("")), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(of_a_value), cmocka_unit_test(in_lines)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
