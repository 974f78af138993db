#include "receiver/api/api_path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define ID "0197f0aa-0000-7000-8000-000000000001"

static void routes(void **state)
{
    (void)state;
    const struct {
        const char *method, *path;
        enum api_call want;
    } rows[] = {
        {"POST", "/v3/appendix/webhook_resend", API_WEBHOOK_RESEND},
        {"GET", "/v3/appendix/webhook_resend", API_NOTHING},
        {"GET", "/v3/appendix/webhook_delay", API_WEBHOOK_DELAY},
        {"POST", "/v3/appendix/webhook_delay", API_WEBHOOK_DELAY_SET},
        {"PUT", "/v3/appendix/webhook_delay", API_NOTHING},
        {"GET", "/v3/appendix/errors", API_APPENDIX_ERRORS},
        {"GET", "//v3//appendix/errors", API_APPENDIX_ERRORS},
        {"GET", "/v3/appendix/%65rrors", API_APPENDIX_ERRORS},
        {"GET", "/v3/serp/errors", API_NOTHING},
        {"POST", "/v3/serp/errors", API_ERRORS},
        {"POST", "/v3/serp/google/errors", API_NOTHING},
        {"POST", "/v3/merchant/id_list", API_ID_LIST},
        {"POST", "/v3/merchant/amazon/id_list", API_NOTHING},
        {"GET", "/v3/appendix/status", API_APPENDIX_STATUS},
        {"GET", "/v3/appendix/user_data", API_USER_DATA},
        {"GET", "/v3/serp/user_data", API_NOTHING},
        {"GET", "/v3/tasks/count", API_TASKS_COUNT},
        {"POST", "/v3/serp/task_post", API_TASK_POST},
        {"POST", "/v3/serp/google/organic/task_post", API_TASK_POST},
        {"POST", "/v3/task_post", API_NOTHING},
        {"get", "/v3/serp/tasks_ready", API_NOTHING},
        {"GET", "/v3/serp/tasks_ready", API_TASKS_READY},
        {"GET", "/v3/serp/google/organic/tasks_ready", API_TASKS_READY},
        {"GET", "/v3/serp/google/organic/tasks_fixed", API_TASKS_FIXED},
        {"GET", "/v3/serp/google/organic/task_get/regular/" ID, API_TASK_GET},
        {"GET", "/v3/serp/google/organic/task_get/html/" ID, API_TASK_GET},
        {"GET", "/v3/on_page/lighthouse/task_get/json/" ID, API_TASK_GET},
        {"GET", "/v3/serp/google/organic/task_get/other/" ID, API_TASK_GET},
        {"GET", "/v3/serp/google/organic/task_get/a/b/" ID, API_TASK_GET},
        {"GET", "/v3/serp/task_get/task_get", API_TASK_GET},
        {"GET", "/v3/task_get/regular/" ID, API_NOTHING},
        {"GET", "/v3/keywords_data/google/task_get/" ID, API_TASK_GET},
        {"GET", "/v3/serp/task_get/" ID, API_TASK_GET},
        {"GET", "/v3/task_get/" ID, API_NOTHING},
        {"POST", "/v3/serp/task_get/" ID, API_NOTHING},
        {"GET", "/v3/serp/google/organic/task_get", API_NOTHING},
        {"GET", "/v3/serp", API_NOTHING},
        {"GET", "/v3", API_NOTHING},
        {"GET", "/v3/", API_NOTHING},
        {"GET", "/v3/appendix/errors/more", API_NOTHING},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct api_path p;
        assert_true(api_path_read(slice_str(rows[i].path), &p));
        if (api_path_route(&p, slice_str(rows[i].method)) != rows[i].want)
            fail_msg("%s %s", rows[i].method, rows[i].path);
        api_path_clear(&p);
    }
}

static void assert_text(struct slice got, const char *want)
{
    assert_int_equal(got.len, strlen(want));
    assert_memory_equal(got.ptr, want, got.len);
}

static void parts(void **state)
{
    (void)state;
    struct api_path p;
    struct buf under;
    buf_init(&under, 1024);
    assert_true(
        api_path_read(SLICE_LIT("//v3/serp//google/org%61nic/task_get/html/a%2Fb%20%24"), &p));
    assert_int_equal(api_path_route(&p, SLICE_LIT("GET")), API_TASK_GET);
    assert_text(api_path_api(&p), "serp");
    assert_text(api_path_middle(&p, 0), "google");
    assert_text(api_path_middle(&p, 1), "organic");
    assert_text(api_path_middle(&p, 2), "");
    assert_text(p.segments[p.function], "task_get");
    assert_text(p.segments[p.count - 1], "a/b $");
    api_path_add(&p, &under);
    assert_text(buf_slice(&under), "serp/google/organic");
    assert_true(api_path_is_plain(&p));
    buf_clear(&under);
    api_path_clear(&p);

    assert_true(api_path_read(SLICE_LIT("/v3/serp/goo%2Fgle/task_post"), &p));
    assert_int_equal(api_path_route(&p, SLICE_LIT("POST")), API_TASK_POST);
    assert_false(api_path_is_plain(&p));
    api_path_clear(&p);
}

static void malformed(void **state)
{
    (void)state;
    char segment[200] = "/v3/serp/", deep[200] = "/v3";
    const char *const rows[] = {"/v3/a%",       "/v3/a%4",       "/v3/a%zz", "/v3/a%00/b",
                                "/v3/a%0ab/x/", "/v3/x/y/%7f/z", segment,    deep};
    memset(segment + strlen(segment), 'x', 140);
    strncat(segment, "/task_post", 11);
    for (int i = 0; i < API_SEGMENTS_MAX; i++)
        strncat(deep, "/x", 3);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct api_path p;
        if (api_path_read(slice_str(rows[i]), &p))
            fail_msg("%s", rows[i]);
        api_path_clear(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(routes),
        cmocka_unit_test(parts),
        cmocka_unit_test(malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
