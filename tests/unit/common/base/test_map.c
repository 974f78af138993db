#include "common/base/map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct map m;

static int begin(void **state)
{
    (void)state;
    map_init(&m);
    return 0;
}

static int end(void **state)
{
    (void)state;
    map_clear(&m);
    return 0;
}

static char values[10000]; /* the map keeps their addresses */

static struct slice numbered(size_t n)
{
    static char text[32];
    return slice_make(text, (size_t)snprintf(text, sizeof text, "key-%zu", n));
}

static void test_an_empty_map(void **state)
{
    (void)state;
    size_t at = 0;
    struct slice key;
    void *value;
    assert_null(map_get(&m, SLICE_LIT("x")));
    assert_null(map_remove(&m, SLICE_LIT("x")));
    assert_int_equal(map_count(&m), 0);
    assert_false(map_next(&m, &at, &key, &value));
    map_clear(&m); /* and it is empty again */
    assert_int_equal(map_count(&m), 0);
}

static void test_a_map_of_zeros_is_empty(void **state)
{
    (void)state;
    struct map zeros = {0};
    assert_null(map_get(&zeros, SLICE_LIT("x")));
    assert_null(map_set(&zeros, SLICE_LIT("x"), values));
    assert_ptr_equal(map_get(&zeros, SLICE_LIT("x")), values);
    map_clear(&zeros);
}

static void test_a_key_has_one_value(void **state)
{
    (void)state;
    assert_null(map_set(&m, SLICE_LIT("a"), &values[1]));
    assert_ptr_equal(map_set(&m, SLICE_LIT("a"), &values[2]), &values[1]);
    assert_ptr_equal(map_get(&m, SLICE_LIT("a")), &values[2]);
    assert_int_equal(map_count(&m), 1);
    assert_ptr_equal(map_remove(&m, SLICE_LIT("a")), &values[2]);
    assert_null(map_get(&m, SLICE_LIT("a")));
    assert_null(map_remove(&m, SLICE_LIT("a")));
    assert_int_equal(map_count(&m), 0);
}

static void test_keys_are_bytes_and_are_copied(void **state)
{
    (void)state;
    char bytes[3] = {'a', 0, 'b'};
    map_set(&m, slice_make(bytes, 3), &values[0]);
    map_set(&m, slice_make(bytes, 1), &values[1]);
    map_set(&m, (struct slice){NULL, 0}, &values[2]);
    bytes[2] = 'c';
    assert_null(map_get(&m, slice_make(bytes, 3)));
    assert_null(map_get(&m, slice_make(bytes, 2)));
    bytes[2] = 'b';
    assert_ptr_equal(map_get(&m, slice_make(bytes, 3)), &values[0]);
    assert_ptr_equal(map_get(&m, SLICE_LIT("a")), &values[1]);
    assert_ptr_equal(map_get(&m, SLICE_LIT("")), &values[2]);
    assert_int_equal(map_count(&m), 3);
}

static void test_many_keys(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof values; i++)
        assert_null(map_set(&m, numbered(i), &values[i]));
    assert_int_equal(map_count(&m), sizeof values);
    for (size_t i = 0; i < sizeof values; i++)
        assert_ptr_equal(map_get(&m, numbered(i)), &values[i]);
    assert_null(map_get(&m, numbered(sizeof values)));
    for (size_t i = 0; i < sizeof values; i += 2)
        assert_ptr_equal(map_remove(&m, numbered(i)), &values[i]);
    for (size_t i = 0; i < sizeof values; i++)
        assert_ptr_equal(map_get(&m, numbered(i)), i % 2 ? &values[i] : NULL);
}

static void test_a_walk_is_in_the_order_of_insertion(void **state)
{
    (void)state;
    for (size_t i = 0; i < 100; i++)
        map_set(&m, numbered(i), &values[i]);
    for (size_t i = 0; i < 100; i += 3)
        map_remove(&m, numbered(i));
    map_set(&m, numbered(0), &values[0]); /* anew: the last one */
    map_set(&m, numbered(1), &values[1]); /* the same place */
    size_t at = 0, n = 1;
    struct slice key;
    void *value;
    while (map_next(&m, &at, &key, &value) && value != &values[0]) {
        assert_ptr_equal(value, &values[n]);
        assert_true(slice_eq(key, numbered(n)));
        n += n % 3 == 2 ? 2 : 1;
    }
    assert_int_equal(n, 100); /* 99 is a multiple of 3 */
    assert_ptr_equal(value, &values[0]);
    assert_false(map_next(&m, &at, &key, &value));
}

static void test_a_walk_may_remove_what_it_visits(void **state)
{
    (void)state;
    for (size_t i = 0; i < 100; i++)
        map_set(&m, numbered(i), &values[i]);
    size_t at = 0, seen = 0;
    struct slice key;
    void *value;
    for (; map_next(&m, &at, &key, &value); seen++)
        assert_ptr_equal(map_remove(&m, key), value);
    assert_int_equal(seen, 100);
    assert_int_equal(map_count(&m), 0);
}

/* Insertions and removals by turns must not make the table grow: the places of removed keys are used again. */
static void test_the_table_follows_the_number_of_keys(void **state)
{
    (void)state;
    for (size_t i = 0; i < 100000; i++) {
        map_set(&m, numbered(i), values);
        if (i >= 10)
            map_remove(&m, numbered(i - 10));
    }
    assert_int_equal(map_count(&m), 10);
    assert_true(m.cap <= 64);
}

/* --- keys that somebody chose so that all of them had one place --- */

static uint32_t fnv(uint32_t h, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)bytes[i]) * 16777619u;
    return h;
}

#define BLOCK 4 /* characters */
#define BLOCKS 12

static void make_block(uint32_t n, char out[BLOCK])
{
    for (int i = 0; i < BLOCK; i++, n /= 64)
        out[i] = (char)('0' + n % 64);
}

/* Two blocks that take FNV-1a, the hash this map had before, from state H to one state, which is returned. By the
 * birthday paradox some 100,000 tries find them. */
static uint32_t find_pair(uint32_t h, char pair[2][BLOCK])
{
    static uint32_t seen[1 << 20]; /* state -> number of the block that led to it, plus 1 */
    memset(seen, 0, sizeof seen);
    for (uint32_t n = 0;; n++) {
        char block[BLOCK], before[BLOCK];
        make_block(n, block);
        uint32_t to = fnv(h, block, BLOCK);
        uint32_t *slot = &seen[to >> 12];
        if (*slot) {
            make_block(*slot - 1, before);
            if (fnv(h, before, BLOCK) == to) {
                memcpy(pair[0], before, BLOCK);
                memcpy(pair[1], block, BLOCK);
                return to;
            }
        }
        *slot = n + 1;
    }
}

static void test_chosen_keys_do_not_share_a_hash(void **state)
{
    (void)state;
    char pairs[BLOCKS][2][BLOCK], key[BLOCKS * BLOCK];
    uint32_t h = 2166136261u, same = 0;
    for (int i = 0; i < BLOCKS; i++)
        h = find_pair(h, pairs[i]);
    for (size_t n = 0; n < 1 << BLOCKS; n++) { /* each choice of blocks has the hash h */
        for (size_t i = 0; i < BLOCKS; i++)
            memcpy(key + i * BLOCK, pairs[i][n >> i & 1], BLOCK);
        assert_int_equal(fnv(2166136261u, key, sizeof key), h);
        assert_null(map_set(&m, slice_make(key, sizeof key), &values[n]));
    }
    assert_int_equal(map_count(&m), 1 << BLOCKS);
    for (size_t i = 1; i < m.used; i++)
        same += m.entries[i].hash == m.entries[0].hash;
    assert_true(same < 4);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(test_an_empty_map),
        WITH(test_a_map_of_zeros_is_empty),
        WITH(test_a_key_has_one_value),
        WITH(test_keys_are_bytes_and_are_copied),
        WITH(test_many_keys),
        WITH(test_a_walk_is_in_the_order_of_insertion),
        WITH(test_a_walk_may_remove_what_it_visits),
        WITH(test_the_table_follows_the_number_of_keys),
        WITH(test_chosen_keys_do_not_share_a_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
