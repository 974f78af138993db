#include "common/base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_memory_is_zeroed(void **state)
{
    (void)state;
    struct thing {
        int n;
        void *p;
    } *thing = NEW(struct thing);
    assert_int_equal(thing->n, 0);
    assert_null(thing->p);
    free(thing);
    unsigned char *bytes = xcalloc(100, 3);
    for (int i = 0; i < 300; i++)
        assert_int_equal(bytes[i], 0);
    free(bytes);
}

static void test_no_bytes_are_no_failure(void **state)
{
    (void)state;
    void *p = xcalloc(0, 8), *q = xcalloc(8, 0);
    assert_non_null(p);
    assert_non_null(q);
    free(p);
    free(q);
    assert_null(xrealloc(NULL, 0, 8));
    assert_null(xrealloc(NULL, 8, 0));
    assert_null(xrealloc(xcalloc(1, 8), 0, 8)); /* frees */
}

static void test_resizing_keeps_the_bytes(void **state)
{
    (void)state;
    char *p = xrealloc(NULL, 3, 1);
    memcpy(p, "abc", 3);
    p = xrealloc(p, 1000, 10);
    assert_memory_equal(p, "abc", 3);
    p = xrealloc(p, 2, 1);
    assert_memory_equal(p, "ab", 2);
    free(p);
}

static void test_copies(void **state)
{
    (void)state;
    char *p = xstrdup("abc");
    assert_string_equal(p, "abc");
    free(p);
    p = xslicedup((struct slice){NULL, 0});
    assert_string_equal(p, "");
    free(p);
    p = xslicedup(slice_make("a\0b", 3));
    assert_memory_equal(p, "a\0b", 4);
    free(p);
}

/* The status with which a child ends that asks for N objects of SIZE bytes. */
static int ask(size_t n, size_t size)
{
    pid_t child = fork();
    if (child == 0) {
        const struct rlimit none = {0, 0};
        (void)setrlimit(RLIMIT_CORE, &none);
        (void)close(STDERR_FILENO);
        (void)signal(SIGABRT, SIG_DFL); /* cmocka catches it */
        char *p = xrealloc(NULL, n, size);
        p[0] = 1;
        _exit(0);
    }
    int status = 0;
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void test_a_size_that_overflows_ends_the_process(void **state)
{
    (void)state;
    int status = ask(SIZE_MAX / 8 + 2, 8); /* the product is 8 */
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    status = ask(1, 8);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_is_zeroed),
        cmocka_unit_test(test_no_bytes_are_no_failure),
        cmocka_unit_test(test_resizing_keeps_the_bytes),
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_a_size_that_overflows_ends_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
