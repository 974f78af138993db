#include "common/ops/router.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct route table[] = {
    {METHOD_GET, "/healthz", 0, NULL},
    {METHOD_GET, "/api/lanes", 0, NULL},
    {METHOD_GET, "/api/lanes/{lane}", 0, NULL},
    {METHOD_DELETE, "/api/lanes/{lane}", 0, NULL},
    {METHOD_POST, "/api/lanes/{lane}/pause", 0, NULL},
    {METHOD_PUT | METHOD_PATCH, "/api/tasks/{task}/webhooks/{number}", 0, NULL},
    {METHOD_ANY, "/v3/...", 0, NULL},
    {METHOD_GET, "/", 0, NULL},
    {METHOD_GET, "/files/...", 0, NULL},
};
#define ROWS (sizeof table / sizeof *table)

static struct route_match match;

static enum route_verdict find(const char *method, const char *path)
{
    match = (struct route_match){0};
    return route_find(table, ROWS, slice_str(method), slice_str(path), &match);
}

static void assert_row(const char *method, const char *path, size_t row)
{
    if (find(method, path) != ROUTE_FOUND)
        fail_msg("%s %s names no row", method, path);
    assert_ptr_equal(match.route, &table[row]);
}

static void assert_none(const char *path)
{
    if (find("GET", path) != ROUTE_NONE)
        fail_msg("%s names a row", path);
}

static void assert_param(size_t i, const char *want)
{
    assert_true(i < match.param_count);
    assert_true(slice_eq(match.params[i], slice_str(want)));
}

static void words(void **state)
{
    (void)state;
    assert_row("GET", "/healthz", 0);
    assert_row("GET", "/api/lanes", 1);
    assert_row("GET", "/", 7);
    const char *const none[] = {"",
                                "healthz",
                                "x/healthz",
                                "/health",
                                "/healthzz",
                                "/Healthz",
                                "/healthz/",
                                "//healthz",
                                "/healthz/x",
                                "/api",
                                "/api//lanes",
                                "/%68ealthz",
                                "/healthz%00",
                                "//",
                                "/."};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_none(none[i]);
}

static void params(void **state)
{
    (void)state;
    assert_row("GET", "/api/lanes/orders", 2);
    assert_int_equal(match.param_count, 1);
    assert_param(0, "orders");
    assert_row("POST", "/api/lanes/pause/pause", 4);
    assert_param(0, "pause");
    assert_row("PUT", "/api/tasks/t-1/webhooks/2", 5);
    assert_int_equal(match.param_count, 2);
    assert_param(0, "t-1");
    assert_param(1, "2");
    assert_none("/api/lanes/");
    assert_none("/api/lanes/orders/");
    assert_none("/api/tasks//webhooks/2");
}

static void params_are_decoded(void **state)
{
    (void)state;
    assert_row("GET", "/api/lanes/a%2Fb%20c%c3%a4", 2);
    assert_param(0, "a/b c\xc3\xa4");
    assert_row("GET", "/api/lanes/a+b", 2);
    assert_param(0, "a+b");
    const char *const malformed[] = {"%", "a%2", "%zz", "%00", "a%00b"};
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
        char path[64] = "/api/lanes/";
        strcat(path, malformed[i]);
        assert_int_equal(find("GET", path), ROUTE_MALFORMED);
    }
}

static void a_task_has_two_segments(void **state)
{
    (void)state;
    const char *const tasks[] = {"@acme/t", "@acme%2Ft", "%40acme/t", "%40acme%2Ft"};
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++) {
        char path[64] = "/api/lanes/";
        strcat(path, tasks[i]);
        assert_row("GET", path, 2);
        assert_int_equal(match.param_count, 1);
        assert_param(0, "@acme/t");
        strcat(path, "/pause");
        assert_row("POST", path, 4);
        assert_param(0, "@acme/t");
    }
    assert_row("GET", "/api/lanes/@acme/a%2Fb", 2);
    assert_param(0, "@acme/a/b");
    /* One segment is enough for this pattern. */
    assert_row("POST", "/api/lanes/@acme/pause", 4);
    assert_param(0, "@acme");
    assert_row("PUT", "/api/tasks/@a/t/webhooks/2", 5);
    assert_param(0, "@a/t");
    assert_param(1, "2");
    assert_int_equal(find("GET", "/api/lanes/@acme/%zz"), ROUTE_MALFORMED);
    const char *const none[] = {"/api/lanes/@acme/t/x", "/api/lanes/acme/t", "/api/lanes/@acme//t",
                                "/api/lanes/%41acme/t", "/@api/lanes"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_none(none[i]);
}

static void params_have_a_limit(void **state)
{
    (void)state;
    char path[1024] = "/api/lanes/";
    size_t prefix = strlen(path);
    memset(path + prefix, 'x', ROUTE_TEXT_MAX - 1);
    assert_row("GET", path, 2);
    assert_int_equal(match.params[0].len, ROUTE_TEXT_MAX - 1);
    path[prefix + ROUTE_TEXT_MAX - 1] = 'x';
    assert_none(path);
}

static void trees(void **state)
{
    (void)state;
    const char *const ours[] = {"/v3", "/v3/", "//v3", "//v3//x", "/v3/x/y", "/v3/%zz"};
    const char *const not_ours[] = {"/v3x", "/x/v3", "v3/x", "x/v3", "/%763/x", "/V3/x"};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        assert_row("BREW", ours[i], 6);
    for (size_t i = 0; i < sizeof not_ours / sizeof *not_ours; i++)
        assert_none(not_ours[i]);
    assert_row("GET", "/files/a/b.css", 8);
}

static void head_is_taken_where_get_is(void **state)
{
    (void)state;
    assert_row("HEAD", "/healthz", 0);
    assert_row("HEAD", "/api/lanes/x", 2);
    assert_int_equal(find("HEAD", "/api/lanes/x/pause"), ROUTE_METHOD);
    assert_int_equal(find("head", "/healthz"), ROUTE_METHOD);
}

/* The header Allow of a 405 for PATH. */
static void assert_allow(const char *method, const char *path, const char *want)
{
    char text[128] = "";
    struct buf out = {.ptr = text, .cap = sizeof text, .max = sizeof text - 1};
    assert_int_equal(find(method, path), ROUTE_METHOD);
    route_add_allow(match.methods, &out);
    assert_string_equal(text, want);
}

static void other_methods_are_told_apart_from_other_paths(void **state)
{
    (void)state;
    assert_allow("POST", "/healthz", "Allow: GET, HEAD\r\n");
    assert_allow("BREW", "/healthz", "Allow: GET, HEAD\r\n");
    assert_allow("GET", "/api/lanes/x/pause", "Allow: POST\r\n");
    assert_allow("GET", "/api/tasks/x/webhooks/1", "Allow: PUT, PATCH\r\n");
    assert_allow("POST", "/api/lanes/x", "Allow: GET, HEAD, DELETE\r\n");
    assert_row("DELETE", "/api/lanes/x", 3);
    assert_int_equal(find("POST", "/nothing"), ROUTE_NONE);
}

/* A tree at the end of the table serves what no other row names, and nothing that another row names with another method. */
static void the_first_pattern_owns_its_path(void **state)
{
    (void)state;
    static const struct route rows[] = {
        {METHOD_POST, "/api/pause", 0, NULL},
        {METHOD_GET, "/...", 0, NULL},
    };
    struct route_match m;
    assert_int_equal(route_find(rows, 2, SLICE_LIT("GET"), SLICE_LIT("/api/pause"), &m),
                     ROUTE_METHOD);
    assert_int_equal(m.methods, METHOD_POST);
    assert_int_equal(route_find(rows, 2, SLICE_LIT("GET"), SLICE_LIT("/index.html"), &m),
                     ROUTE_FOUND);
    assert_ptr_equal(m.route, &rows[1]);
    assert_int_equal(route_find(rows, 2, SLICE_LIT("GET"), SLICE_LIT("/"), &m), ROUTE_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words),
        cmocka_unit_test(params),
        cmocka_unit_test(params_are_decoded),
        cmocka_unit_test(a_task_has_two_segments),
        cmocka_unit_test(params_have_a_limit),
        cmocka_unit_test(trees),
        cmocka_unit_test(head_is_taken_where_get_is),
        cmocka_unit_test(other_methods_are_told_apart_from_other_paths),
        cmocka_unit_test(the_first_pattern_owns_its_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
