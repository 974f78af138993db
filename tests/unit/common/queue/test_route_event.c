#include "common/queue/route_event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct destination orders = {.name = "orders"}, audit = {.name = "audit"};
static struct destination *both[] = {&orders, &audit};

static void a_webhook_goes_where_its_source_says(void **state)
{
    (void)state;
    struct source source = {.name = "in", .to = both, .to_count = 2};
    struct event event = {.kind = EVENT_WEBHOOK, .id = SLICE_LIT("e1")};
    struct route route = route_event(&source, &event, NULL);
    assert_int_equal(route.count, 2);
    assert_ptr_equal(route.to[0], &orders);
    assert_ptr_equal(route.to[1], &audit);
}

static void an_event_of_a_source_without_destinations_is_only_kept(void **state)
{
    (void)state;
    struct source source = {.name = "in"};
    struct event event = {.kind = EVENT_WEBHOOK, .id = SLICE_LIT("e1")};
    assert_int_equal(route_event(&source, &event, NULL).count, 0);
}

/* The file may name other destinations by the time that the result is here. */
static void a_fetched_result_goes_where_its_announcement_went(void **state)
{
    (void)state;
    struct source source = {.name = "in", .to = both, .to_count = 2};
    struct destination *announced[] = {&audit};
    struct route among = {announced, 1};
    struct event event = {.kind = EVENT_WEBHOOK, .id = SLICE_LIT("e1")};
    struct route route = route_event(&source, &event, &among);
    assert_int_equal(route.count, 1);
    assert_ptr_equal(route.to[0], &audit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_webhook_goes_where_its_source_says),
        cmocka_unit_test(an_event_of_a_source_without_destinations_is_only_kept),
        cmocka_unit_test(a_fetched_result_goes_where_its_announcement_went),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
