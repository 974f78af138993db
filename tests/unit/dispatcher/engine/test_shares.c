/* shares: one holder may have nearly all, many have equal parts, and something is always free for the next one. */
#include "dispatcher/engine/shares.h"

#include "common/base/text.h"
#include "common/config/config.h"
#include "common/queue/queue_take.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define SLOTS 256
#define MANY 1000
#define MB ((size_t)1 << 20)

struct world {
    struct shares shares;
    struct claim_rooms rooms;
    char names[MANY][16];
    struct holder *h[MANY];
};

static struct holder *holder(struct world *w, size_t i)
{
    snprintf(w->names[i], sizeof w->names[i], "lane%zu", i);
    struct destination d = {.name = w->names[i], .lane = w->names[i]};
    return w->h[i] = shares_holder(&w->shares, &d);
}

static void setup(struct world *w, size_t slots, size_t bytes)
{
    shares_init(&w->shares);
    shares_set_limits(&w->shares, slots, bytes);
    args_init(&w->rooms.list, MB);
}

static void teardown(struct world *w)
{
    for (size_t i = 0; i < MANY; i++)
        while (w->h[i] && w->h[i]->slots)
            shares_give_back(&w->shares, w->h[i], w->h[i]->bytes);
    shares_clear(&w->shares);
    args_clear(&w->rooms.list);
}

/* Returns how many deliveries of H a claim of WANT may take. */
static size_t room(struct world *w, const struct holder *h, size_t want)
{
    args_reset(&w->rooms.list);
    shares_list(&w->shares, 0, want, &w->rooms);
    const struct slice *words = args_slices(&w->rooms.list);
    char key[32];
    snprintf(key, sizeof key, "%s:%s", h->is_lane ? "l" : "d", h->name);
    uint64_t n = 0;
    for (size_t i = 0; i < w->rooms.list.count; i += 3)
        if (slice_eq(words[i], slice_str(key)) && text_u64(words[i + 1], UINT32_MAX, &n) == OK)
            return n;
    return w->rooms.unlisted < w->rooms.common ? w->rooms.unlisted : w->rooms.common;
}

/* Claims for the holders from FIRST to LAST in turn, until none of them may have more. */
static void fill(struct world *w, size_t first, size_t last)
{
    for (bool more = true; more && w->shares.slots <= w->shares.slots_max;) {
        more = false;
        for (size_t i = first; i <= last; i++)
            if (room(w, w->h[i], 1) > 0) {
                shares_take(&w->shares, w->h[i]);
                more = true;
            }
    }
}

static void one_alone_has_nearly_all(void **state)
{
    (void)state;
    static struct world w;
    w = (struct world){0};
    setup(&w, SLOTS, 256 * MB);
    fill(&w, 0, (holder(&w, 0), 0));
    assert_in_range(w.h[0]->slots, 205, 224);
    shares_note(&w.shares, w.h[0], 5);
    fill(&w, 0, 0);
    assert_in_range(w.h[0]->slots, 236, SLOTS - 1); /* quick ones may have the reserve too */
    teardown(&w);
}

static void forty_leave_room(void **state)
{
    (void)state;
    static struct world w;
    w = (struct world){0};
    setup(&w, SLOTS, 256 * MB);
    for (size_t i = 0; i < 40; i++)
        shares_note(&w.shares, holder(&w, i), 3000);
    fill(&w, 0, 39);
    for (size_t i = 0; i < 40; i++)
        assert_in_range(w.h[i]->slots, 5, 6);
    assert_true(room(&w, holder(&w, 40), 64) > 0);
    shares_note(&w.shares, holder(&w, 41), 3);
    assert_true(room(&w, w.h[41], 64) > 8);
    teardown(&w);
}

static void the_reserve_is_for_quick_ones(void **state)
{
    (void)state;
    static struct world w;
    for (size_t slots = 2; slots <= SLOTS; slots *= 2) {
        w = (struct world){0};
        setup(&w, slots, 256 * MB);
        shares_note(&w.shares, holder(&w, 0), 3);
        for (size_t i = 1; i < 500; i++)
            holder(&w, i);
        fill(&w, 1, 499); /* nobody tried them yet */
        assert_true(w.shares.slots < slots);
        assert_true(room(&w, w.h[0], 1) > 0);
        assert_int_equal(room(&w, w.h[499], 1), 0);
        teardown(&w);
    }
}

static void one_slot_is_for_anybody(void **state)
{
    (void)state;
    static struct world w;
    w = (struct world){0};
    setup(&w, 1, 256 * MB);
    assert_int_equal(room(&w, holder(&w, 0), 1), 1);
    teardown(&w);
}

static void who_begins_to_hang_is_not_quick(void **state)
{
    (void)state;
    static struct world w;
    w = (struct world){0};
    setup(&w, 8, 256 * MB);
    struct holder *h = holder(&w, 0);
    for (int i = 0; i < 50; i++)
        shares_note(&w.shares, h, 2);
    for (size_t i = 1; i <= 7; i++)
        shares_take(&w.shares, holder(&w, i));
    assert_int_equal(room(&w, h, 1), 1);
    for (int i = 0; i < 20; i++)
        shares_note(&w.shares, h, 1500);
    assert_int_equal(room(&w, h, 1), 0);
    teardown(&w);
}

static void bytes_are_shared(void **state)
{
    (void)state;
    static struct world w;
    w = (struct world){0};
    setup(&w, SLOTS, 256 * MB);
    struct holder *big = holder(&w, 0), *other = holder(&w, 1);
    for (int i = 0; i < 2; i++) {
        shares_take(&w.shares, big);
        assert_true(shares_fit(&w.shares, big, 0, 90 * MB));
        shares_hold(&w.shares, big, 90 * MB);
    }
    shares_take(&w.shares, big);
    assert_false(shares_fit(&w.shares, big, 0, 90 * MB));
    assert_int_equal(room(&w, big, 64), 0);
    assert_true(room(&w, other, 64) > 32); /* its deliveries are small */
    shares_take(&w.shares, other);
    assert_true(shares_fit(&w.shares, other, 0, 10 * MB));
    shares_give_back(&w.shares, big, 90 * MB);
    assert_int_equal(room(&w, big, 64), 1);
    teardown(&w);
}

static void what_is_larger_than_all_goes_alone(void **state)
{
    (void)state;
    static struct world w;
    w = (struct world){0};
    setup(&w, SLOTS, 16 * MB);
    struct holder *big = holder(&w, 0), *other = holder(&w, 1);
    shares_take(&w.shares, other);
    shares_hold(&w.shares, other, 8 * MB);
    shares_take(&w.shares, big);
    assert_false(shares_fit(&w.shares, big, 0, 90 * MB));
    shares_give_back(&w.shares, big, 0);
    assert_int_equal(room(&w, big, 64), 0); /* also while it holds nothing */
    shares_give_back(&w.shares, other, 8 * MB);
    assert_true(room(&w, big, 64) > 0);
    shares_take(&w.shares, big);
    assert_true(shares_fit(&w.shares, big, 0, 90 * MB));
    teardown(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_alone_has_nearly_all),
        cmocka_unit_test(forty_leave_room),
        cmocka_unit_test(the_reserve_is_for_quick_ones),
        cmocka_unit_test(one_slot_is_for_anybody),
        cmocka_unit_test(who_begins_to_hang_is_not_quick),
        cmocka_unit_test(bytes_are_shared),
        cmocka_unit_test(what_is_larger_than_all_goes_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
