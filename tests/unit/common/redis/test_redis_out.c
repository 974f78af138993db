#include "common/redis/wire/redis_out.h"

#include "common/base/alloc.h"
#include "common/base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* Takes everything that is unwritten, at most STEP bytes a time. */
static void write_all(struct out *o, size_t step, struct buf *to)
{
    struct iovec v[2];
    while (redis_out_pieces(o, v, 2) > 0) {
        size_t n = v[0].iov_len < step ? v[0].iov_len : step;
        buf_add(to, v[0].iov_base, n);
        redis_out_wrote(o, n);
    }
}

static void put(struct out *o, const char *a, const char *b)
{
    struct slice argv[] = {slice_str(a), slice_str(b)};
    redis_out_open(o, 2, redis_out_size(argv[0]) + redis_out_size(argv[1]));
    redis_out_arg(o, argv[0]);
    redis_out_arg(o, argv[1]);
}

/* SET big h<memory> EX. */
static void put_joined(struct out *o, size_t len, bool is_taken)
{
    char *memory = xcalloc(len, 1);
    memset(memory, 'm', len);
    struct slice argv[] = {SLICE_LIT("SET"), SLICE_LIT("big"), SLICE_LIT("EX")};
    redis_out_open(o, 4,
                   redis_out_sizes(argv, 3) + redis_out_frame(slice_make(NULL, 1 + len)) + 1 +
                       (is_taken ? 0 : len));
    redis_out_arg(o, argv[0]);
    redis_out_arg(o, argv[1]);
    redis_out_join(o, SLICE_LIT("h"), slice_make(memory, len), is_taken);
    redis_out_arg(o, argv[2]);
    if (!is_taken)
        free(memory);
}

static void commands_follow_each_other(void **state)
{
    (void)state;
    struct out o;
    struct buf got;
    redis_out_init(&o);
    buf_init(&got, 1 << 20);
    put(&o, "GET", "a");
    put(&o, "GET", "");
    write_all(&o, 5, &got);
    assert_string_equal(got.ptr, "*2\r\n$3\r\nGET\r\n$1\r\na\r\n*2\r\n$3\r\nGET\r\n$0\r\n\r\n");
    redis_out_answered(&o, o.end);
    buf_clear(&got);
    redis_out_clear(&o);
}

static void two_pieces_are_one_argument(bool is_taken)
{
    for (size_t len = 1; len <= 200000; len *= 7) {
        struct out o;
        struct buf got, want;
        redis_out_init(&o);
        buf_init(&got, 1 << 20);
        buf_init(&want, 1 << 20);
        put(&o, "GET", "a");
        uint64_t start = o.end;
        put_joined(&o, len, is_taken);
        uint64_t end = o.end;
        put(&o, "GET", "b");
        write_all(&o, 1000, &got);
        buf_add_str(&want, "*2\r\n$3\r\nGET\r\n$1\r\na\r\n");
        buf_addf(&want, "*4\r\n$3\r\nSET\r\n$3\r\nbig\r\n$%zu\r\nh", 1 + len);
        for (size_t i = 0; i < len; i++)
            buf_add_char(&want, 'm');
        buf_add_str(&want, "\r\n$2\r\nEX\r\n*2\r\n$3\r\nGET\r\n$1\r\nb\r\n");
        assert_true(slice_eq(buf_slice(&got), buf_slice(&want)));
        redis_out_answered(&o, start);
        buf_reset(&got);
        redis_out_repeat(&o, start, end); /* the server had forgotten the script */
        redis_out_answered(&o, end);
        write_all(&o, 77, &got);
        assert_int_equal(got.len, end - start);
        assert_memory_equal(got.ptr, want.ptr + start, got.len);
        buf_clear(&got);
        buf_clear(&want);
        redis_out_clear(&o); /* unanswered: freed with the connection */
    }
}

static void given_memory_is_sent_and_freed(void **state)
{
    (void)state;
    two_pieces_are_one_argument(true);
}

static void other_memory_is_copied(void **state)
{
    (void)state;
    two_pieces_are_one_argument(false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_follow_each_other),
        cmocka_unit_test(given_memory_is_sent_and_freed),
        cmocka_unit_test(other_memory_is_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
