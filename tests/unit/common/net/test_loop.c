#include "common/net/loop.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct probe {
    struct loop *loop;
    struct loop_timer *timer;
    char order[64];
    int count, signo;
    mono_us armed_at, fired_at;
};

static int setup(void **state)
{
    static struct probe p;
    p = (struct probe){.loop = loop_new()};
    *state = &p;
    return 0;
}

static int teardown(void **state)
{
    struct probe *p = *state;
    loop_timer_free(p->timer);
    loop_free(p->loop);
    return 0;
}

static void note(struct probe *p, char c)
{
    size_t len = strlen(p->order);
    assert_true(len + 1 < sizeof p->order);
    p->order[len] = c;
}

static void note_a(void *ctx)
{
    note(ctx, 'a');
}

static void note_b(void *ctx)
{
    note(ctx, 'b');
}

static void stop(void *ctx)
{
    struct probe *p = ctx;
    note(p, '.');
    loop_stop(p->loop);
}

static void deferred_calls_keep_their_order_and_run_later(void **state)
{
    struct probe *p = *state;
    loop_defer(p->loop, note_a, p);
    loop_defer(p->loop, note_b, p);
    loop_defer(p->loop, note_a, p);
    loop_defer(p->loop, stop, p);
    assert_string_equal(p->order, "");
    loop_run(p->loop);
    assert_string_equal(p->order, "aba.");
}

static void defer_for_ever(void *ctx)
{
    struct probe *p = ctx;
    if (p->fired_at == 0)
        loop_defer(p->loop, defer_for_ever, p);
}

static void fired(void *ctx)
{
    struct probe *p = ctx;
    p->fired_at = clock_mono_us();
    loop_stop(p->loop);
}

static void calls_that_defer_themselves_do_not_starve_timers(void **state)
{
    struct probe *p = *state;
    p->timer = loop_timer_new(p->loop, fired, p);
    loop_timer_arm(p->timer, 1000);
    loop_defer(p->loop, defer_for_ever, p);
    loop_run(p->loop);
    assert_true(p->fired_at != 0);
}

static void defer_two(void *ctx)
{
    struct probe *p = ctx;
    loop_defer(p->loop, note_a, p);
    loop_defer(p->loop, note_b, p);
    loop_stop(p->loop);
}

static void what_is_deferred_at_the_stop_still_runs(void **state)
{
    struct probe *p = *state;
    loop_defer(p->loop, defer_two, p);
    loop_run(p->loop);
    assert_string_equal(p->order, "ab");
    loop_defer(p->loop, stop, p); /* and a loop can be run again */
    loop_run(p->loop);
    assert_string_equal(p->order, "ab.");
}

static void a_timer_is_never_early_not_even_after_a_long_turn(void **state)
{
    struct probe *p = *state;
    for (int i = 0; i < 20; i++) {
        p->fired_at = 0;
        p->timer = p->timer ? p->timer : loop_timer_new(p->loop, fired, p);
        p->armed_at = clock_mono_us();
        loop_timer_arm(p->timer, 500);
        assert_true(loop_timer_armed(p->timer));
        loop_run(p->loop);
        assert_false(loop_timer_armed(p->timer));
        assert_true(p->fired_at - p->armed_at >= 500);
    }
}

static void arm_late(void *ctx)
{
    struct probe *p = ctx;
    for (mono_us start = clock_mono_us(); clock_mono_us() - start < 3000;)
        continue;
    p->armed_at = clock_mono_us();
    loop_timer_arm(p->timer, 2000);
}

static void a_timer_counts_from_when_it_was_armed(void **state)
{
    struct probe *p = *state;
    p->timer = loop_timer_new(p->loop, fired, p);
    loop_defer(p->loop, arm_late, p);
    loop_run(p->loop);
    assert_true(p->fired_at - p->armed_at >= 2000);
}

static void count(void *ctx)
{
    ((struct probe *)ctx)->count++;
}

static void a_cancelled_or_freed_timer_never_fires(void **state)
{
    struct probe *p = *state;
    struct loop_timer *cancelled = loop_timer_new(p->loop, count, p);
    struct loop_timer *freed = loop_timer_new(p->loop, count, p);
    struct loop_timer *rearmed = loop_timer_new(p->loop, count, p);
    loop_timer_arm(cancelled, 0);
    loop_timer_arm(freed, 0);
    loop_timer_arm(rearmed, 0);
    loop_timer_arm(rearmed, 0);
    loop_timer_cancel(cancelled);
    loop_timer_free(freed);
    p->timer = loop_timer_new(p->loop, fired, p);
    loop_timer_arm(p->timer, 1000);
    loop_run(p->loop);
    assert_int_equal(p->count, 1);
    loop_timer_free(cancelled);
    loop_timer_free(rearmed);
    loop_timer_free(NULL);
}

#define POSTS 10000

static void count_and_stop_at_last(void *ctx)
{
    struct probe *p = ctx;
    if (++p->count == 2 * POSTS)
        loop_stop(p->loop);
}

static void *post_many(void *ctx)
{
    struct probe *p = ctx;
    for (int i = 0; i < POSTS; i++)
        loop_post(p->loop, count_and_stop_at_last, p);
    return NULL;
}

static void calls_from_other_threads_all_arrive(void **state)
{
    struct probe *p = *state;
    pthread_t a, b;
    pthread_create(&a, NULL, post_many, p);
    pthread_create(&b, NULL, post_many, p);
    loop_run(p->loop);
    pthread_join(a, NULL);
    pthread_join(b, NULL);
    assert_int_equal(p->count, 2 * POSTS);
}

static void *stop_from_thread(void *ctx)
{
    loop_stop(((struct probe *)ctx)->loop);
    return NULL;
}

static void another_thread_can_stop_it_even_before_it_runs(void **state)
{
    struct probe *p = *state;
    pthread_t t;
    pthread_create(&t, NULL, stop_from_thread, p);
    pthread_join(t, NULL);
    loop_run(p->loop);
}

static void on_signal(void *ctx, int signo)
{
    struct probe *p = ctx;
    p->signo = signo;
    if (++p->count == 2)
        loop_stop(p->loop);
    else
        raise(signo);
}

static void signals_arrive_in_the_loop_each_time(void **state)
{
    struct probe *p = *state;
    loop_on_signal(p->loop, SIGUSR1, on_signal, p);
    raise(SIGUSR1);
    assert_int_equal(p->count, 0);
    loop_run(p->loop);
    assert_int_equal(p->count, 2);
    assert_int_equal(p->signo, SIGUSR1);
}

static void writing_to_a_closed_pipe_does_not_kill(void **state)
{
    (void)state;
    int fd[2];
    assert_int_equal(pipe(fd), 0);
    close(fd[0]);
    assert_int_equal(write(fd[1], "x", 1), -1);
    close(fd[1]);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(deferred_calls_keep_their_order_and_run_later),
        T(calls_that_defer_themselves_do_not_starve_timers),
        T(what_is_deferred_at_the_stop_still_runs),
        T(a_timer_is_never_early_not_even_after_a_long_turn),
        T(a_timer_counts_from_when_it_was_armed),
        T(a_cancelled_or_freed_timer_never_fires),
        T(calls_from_other_threads_all_arrive),
        T(another_thread_can_stop_it_even_before_it_runs),
        T(signals_arrive_in_the_loop_each_time),
        T(writing_to_a_closed_pipe_does_not_kill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
