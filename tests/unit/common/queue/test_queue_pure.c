/* keys, record, args: the pure parts of the queue. */
#include "common/config/partition.h"
#include "common/queue/args.h"
#include "common/queue/keys.h"
#include "common/queue/record.h"
#include "common/redis/cluster/slots.h"
#include "common/webhook/ids.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void test_crc16_is_redis_cluster_s(void **state)
{
    (void)state;
    assert_int_equal(crc16(SLICE_LIT("123456789")), 0x31c3); /* from the cluster specification */
    assert_int_equal(crc16(SLICE_LIT("")), 0);
    assert_int_equal(partition_of(SLICE_LIT("orders"), 1), 0);
    for (unsigned n = 1; n < 40; n++)
        assert_true(partition_of(SLICE_LIT("orders"), n) < n);
}

/* The most partitions that one of SHARDS servers has, with the ranges of slots that redis-cli makes. */
static unsigned most_of(unsigned partitions, unsigned shards)
{
    unsigned tags[1024], count[20] = {0}, most = 0;
    slots_spread(partitions, tags);
    assert_int_equal(tags[0], 0);
    for (unsigned i = 0; i < partitions; i++) {
        unsigned shard = 0;
        while (slot_of_tag(tags[i]) >= (shard + 1) * SLOTS / shards)
            shard++;
        count[shard]++;
        most = count[shard] > most ? count[shard] : most;
        for (unsigned k = 0; k < i; k++)
            assert_int_not_equal(tags[i], tags[k]);
    }
    return most;
}

static void test_partitions_spread_over_shards(void **state)
{
    (void)state;
    static const unsigned counts[] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 48, 64, 100, 256, 1024};
    assert_int_equal(most_of(12, 3), 4);
    assert_int_equal(most_of(12, 4), 3);
    assert_int_equal(most_of(12, 6), 2);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        for (unsigned shards = 1; shards <= 20; shards++)
            assert_true(most_of(counts[i], shards) <= counts[i] / shards + 2);
}

static void test_delivery_ids_split_at_the_last_colon(void **state)
{
    (void)state;
    struct slice event, destination;
    assert_true(keys_split_delivery(SLICE_LIT("a:b:orders"), &event, &destination));
    assert_true(slice_eq(event, SLICE_LIT("a:b")));
    assert_true(slice_eq(destination, SLICE_LIT("orders")));
    assert_false(keys_split_delivery(SLICE_LIT("orders"), &event, &destination));
    assert_false(keys_split_delivery(SLICE_LIT(""), &event, &destination));
}

static void check_key(struct buf *b, const char *expected)
{
    assert_true(slice_eq(buf_slice(b), slice_str(expected)));
    buf_reset(b);
}

static void test_keys_are_spelled_as_documented(void **state)
{
    (void)state;
    struct slice base = SLICE_LIT("hp:{0}:"), none = slice_make("", 0);
    struct buf b;
    buf_init(&b, 1024);
    keys_base(&b, "hp", 0);
    check_key(&b, "hp:{0}:");
    keys_lanes(&b, base);
    check_key(&b, "hp:{0}:lanes");
    keys_wake(&b, base);
    check_key(&b, "hp:{0}:wake");
    keys_settings(&b, base);
    check_key(&b, "hp:{0}:settings");
    keys_delivery(&b, base, SLICE_LIT("e1:orders"));
    check_key(&b, "hp:{0}:delivery:e1:orders");
    keys_reconcile(&b, base, SLICE_LIT("serphouse"));
    check_key(&b, "hp:{0}:reconcile:serphouse");
    keys_errors(&b, base, none, "postback");
    check_key(&b, "hp:{0}:errors:postback");
    keys_errors(&b, base, SLICE_LIT("acme"), "pingback");
    check_key(&b, "hp:{0}:errors@acme:pingback");
    buf_clear(&b);
}

static struct event sample(struct slice body)
{
    return (struct event){.id = SLICE_LIT("e1"),
                          .tag = SLICE_LIT("t\xc3\xa4g 1"),
                          .source = SLICE_LIT("serphouse"),
                          .destinations = SLICE_LIT("orders audit"),
                          .secrets = SLICE_LIT("0a1b2c3d -"),
                          .content_type = SLICE_LIT("application/json"),
                          .content_encoding = SLICE_LIT("gzip"),
                          .headers = SLICE_LIT("X-A: 1\r\nCe-Id: \xff two\r\n"),
                          .received_at = 1763691349123,
                          .digest = SLICE_LIT("9f86d081884c7d65"),
                          .has_body = true,
                          .body = body};
}

static void check_round_trip(struct event in, struct packer *packer)
{
    struct buf record, scratch;
    struct event out;
    buf_init(&record, 1 << 20);
    buf_init(&scratch, 1 << 20);
    assert_int_equal(record_write(&in, packer, &record), OK);
    assert_int_equal(record_read(SLICE_LIT("e1"), buf_slice(&record), &scratch, &out), OK);
    assert_true(slice_eq(out.id, in.id));
    assert_true(slice_eq(out.tag, in.tag));
    assert_int_equal(out.kind, in.kind);
    assert_true(slice_eq(out.source, in.source));
    assert_true(slice_eq(out.account, in.account));
    assert_true(slice_eq(out.secrets, in.secrets));
    assert_true(slice_eq(out.content_type, in.content_type));
    assert_true(slice_eq(out.content_encoding, in.content_encoding));
    assert_true(slice_eq(out.headers, in.headers));
    assert_true(slice_eq(out.digest, in.digest));
    assert_int_equal(out.received_at, in.received_at);
    assert_int_equal(out.has_body, in.has_body);
    assert_true(slice_eq(out.body, in.body));
    buf_clear(&record);
    buf_clear(&scratch);
}

static void test_records_come_back_as_they_were(void **state)
{
    (void)state;
    struct packer *packer = packer_new();
    static char large[4096];
    memset(large, 'x', sizeof large);
    struct slice bodies[] = {SLICE_LIT("{}"), SLICE_LIT("a\n\nb\0c\r\n"),
                             slice_make(large, sizeof large), SLICE_LIT("")};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        check_round_trip(sample(bodies[i]), packer);
        check_round_trip(sample(bodies[i]), NULL);
    }
    struct event bare = {
        .id = SLICE_LIT("e1"), .source = SLICE_LIT("s"), .digest = SLICE_LIT("00")};
    check_round_trip(bare, packer);
    bare.kind = EVENT_ANNOUNCEMENT;
    check_round_trip(bare, packer);
    struct event task = {.kind = EVENT_TASK,
                         .id = SLICE_LIT("e1"),
                         .account = SLICE_LIT("s"),
                         .digest = SLICE_LIT("00")};
    check_round_trip(task, packer);
    packer_free(packer);
}

static void test_large_repetitive_bodies_are_packed(void **state)
{
    (void)state;
    struct packer *packer = packer_new();
    static char large[4096];
    memset(large, 'x', sizeof large);
    struct event e = sample(slice_make(large, sizeof large));
    struct buf record;
    buf_init(&record, 1 << 20);
    assert_int_equal(record_write(&e, packer, &record), OK);
    assert_true(record.len < 400);
    buf_clear(&record);
    packer_free(packer);
}

/* put.lua reads the destinations of a repeat from the first 8,191 bytes of its record. */
static void test_destinations_are_near_the_beginning(void **state)
{
    (void)state;
    static char id[ID_KEY_MAX + 1], path[1024], names[64 * 65], secrets[64 * 9], headers[4096],
        type[16384];
    memset(id, 'i', sizeof id - 1);
    memset(path, 'p', sizeof path);
    memset(names, 'n', sizeof names);
    memset(secrets, 's', sizeof secrets);
    memset(headers, 'h', sizeof headers);
    memset(type, 'c', sizeof type);
    struct event e = sample(SLICE_LIT("{}"));
    e.is_renamed = true;
    e.id = slice_make(id, sizeof id - 1);
    e.path = slice_make(path, sizeof path);
    e.engine = slice_make(path, 128);
    e.destinations = slice_make(names, sizeof names);
    e.secrets = slice_make(secrets, sizeof secrets);
    e.headers = slice_make(headers, sizeof headers);
    e.content_type = slice_make(type, sizeof type);
    struct buf record;
    buf_init(&record, 1 << 20);
    assert_int_equal(record_write(&e, NULL, &record), OK);
    const char *at = strstr(record.ptr, "\no n");
    assert_non_null(at);
    assert_true((size_t)(at - record.ptr) + 4 + sizeof names < 8191);
    buf_clear(&record);
}

static void test_damaged_records_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "\n",
        "hp2 1 9f webhook s 0 -\n\n",      /* a later version */
        "hp1 x 9f webhook s 0 -\n\n",      /* no time */
        "hp1 1 9f webhook s 2 -\n\nx",     /* body too short */
        "hp1 1 9f webhook s 0 -\n\nx",     /* body too long */
        "hp1 1 9f webhook s 0 z\n\n",      /* unknown flag */
        "hp1 1 9f webhook s 0 -\n",        /* no empty line */
        "hp1 1 9f webhook s 0 -\nq 1\n\n", /* unknown property */
        "hp1 1 9f s s 0 -\n\n",            /* unknown kind */
        "hp1 1 9f webhook s 9 p\n\nnot a block",
    };
    struct buf scratch;
    struct event e;
    buf_init(&scratch, 1 << 20);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_not_equal(record_read(SLICE_LIT("k"), slice_str(bad[i]), &scratch, &e), OK);
    assert_int_equal(
        record_read(SLICE_LIT("k~2"), SLICE_LIT("hp1 1 9f webhook s 0 n\ni k\n\n"), &scratch, &e),
        OK);
    assert_true(slice_eq(e.id, SLICE_LIT("k")));
    assert_false(e.has_body);
    buf_clear(&scratch);
}

static void test_secrets_are_found_by_destination(void **state)
{
    (void)state;
    struct event e = {.destinations = SLICE_LIT("a ab b"), .secrets = SLICE_LIT("11 - 33")};
    assert_true(slice_eq(event_secret(&e, SLICE_LIT("a")), SLICE_LIT("11")));
    assert_int_equal(event_secret(&e, SLICE_LIT("ab")).len, 0);
    assert_true(slice_eq(event_secret(&e, SLICE_LIT("b")), SLICE_LIT("33")));
    assert_int_equal(event_secret(&e, SLICE_LIT("c")).len, 0);
    e.secrets = SLICE_LIT("");
    assert_int_equal(event_secret(&e, SLICE_LIT("a")).len, 0);
}

static void test_args_survive_the_growth_of_their_buffer(void **state)
{
    (void)state;
    struct args a;
    args_init(&a, 1 << 20);
    char text[16];
    for (int i = 0; i < 1000; i++)
        args_add_int(&a, i);
    args_borrow(&a, SLICE_LIT("end"));
    const struct slice *s = args_slices(&a);
    for (int i = 0; i < 1000; i++) {
        snprintf(text, sizeof text, "%d", i);
        assert_true(slice_eq(s[i], slice_str(text)));
    }
    assert_true(slice_eq(s[1000], SLICE_LIT("end")));
    args_clear(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crc16_is_redis_cluster_s),
        cmocka_unit_test(test_partitions_spread_over_shards),
        cmocka_unit_test(test_delivery_ids_split_at_the_last_colon),
        cmocka_unit_test(test_keys_are_spelled_as_documented),
        cmocka_unit_test(test_records_come_back_as_they_were),
        cmocka_unit_test(test_large_repetitive_bodies_are_packed),
        cmocka_unit_test(test_destinations_are_near_the_beginning),
        cmocka_unit_test(test_damaged_records_are_refused),
        cmocka_unit_test(test_secrets_are_found_by_destination),
        cmocka_unit_test(test_args_survive_the_growth_of_their_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
