/* What servers of a cluster say: who has what, and where a call must go. */
#include "common/base/alloc.h"
#include "common/base/hash.h"
#include "common/redis/cluster/cluster_map.h"
#include "common/redis/cluster/redirect.h"
#include "common/redis/cluster/slots.h"
#include "common/redis/redis.h"
#include "common/redis/wire/redis_reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <hiredis/hiredis.h>

/* The reply that WIRE is. A line ends with "\n" there, and "$" stands for a text without its length. */
static void *reply_of(const char *wire)
{
    struct redisReader *reader = redis_reader_new();
    struct slice rest = slice_str(wire);
    void *reply = NULL;
    while (rest.len) {
        struct slice line = slice_cut(&rest, '\n');
        char head[32];
        if (line.ptr[0] == '$') {
            line = slice_skip(line, 1);
            int n = snprintf(head, sizeof head, "$%zu\r\n", line.len);
            assert_int_equal(redisReaderFeed(reader, head, (size_t)n), REDIS_OK);
        }
        assert_int_equal(redisReaderFeed(reader, line.ptr, line.len), REDIS_OK);
        assert_int_equal(redisReaderFeed(reader, "\r\n", 2), REDIS_OK);
    }
    assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
    assert_non_null(reply);
    redis_reader_free(reader);
    return reply;
}

static char asked_host[] = "10.0.0.9";
static const struct redis_node asked = {asked_host, 7009};

static void has(const struct cluster_map *m, unsigned slot, const char *host, unsigned port)
{
    const struct redis_node *n = cluster_map_owner(m, slot);
    if (!host) {
        assert_null(n);
        return;
    }
    assert_non_null(n);
    assert_string_equal(n->host, host);
    assert_int_equal(n->port, port);
}

#define NODE(host, port, role, health)                                                             \
    "*12\n$id\n$x\n$port\n:" port "\n$endpoint\n$" host "\n$role\n$" role "\n$health\n$" health    \
    "\n$tls-port\n:1" port "\n"

#define SHARDS                                                                                     \
    "*3\n"                                                                                         \
    "*4\n$slots\n*4\n:0\n:99\n:200\n:299\n$nodes\n*2\n" NODE("a", "7001", "replica", "online")     \
        NODE("b", "7002", "master", "online") "*4\n$slots\n*2\n:100\n:199\n$nodes\n*2\n" NODE(     \
            "c", "7003", "master", "fail")                                                         \
            NODE("?", "7004", "master",                                                            \
                 "online") "*4\n$slots\n*2\n:300\n:16383\n$nodes\n*1\n" NODE("e", "7005",          \
                                                                             "master", "fail")

static void shards_are_read(void **state)
{
    (void)state;
    struct cluster_map m = {0};
    void *r = reply_of(SHARDS);
    assert_int_equal(cluster_map_read_shards(r, &asked, false, &m), OK);
    has(&m, 0, "b", 7002);
    has(&m, 99, "b", 7002);
    has(&m, 100, "10.0.0.9", 7004); /* the host is that of the server that was asked */
    has(&m, 199, "10.0.0.9", 7004);
    has(&m, 299, "b", 7002);
    has(&m, 300, "e", 7005); /* it has failed, and has no successor yet */
    assert_int_equal(m.server_count, 5);
    assert_int_equal(cluster_map_owners(&m), 3);
    cluster_map_clear(&m);
    assert_int_equal(cluster_map_read_shards(r, &asked, true, &m), OK);
    has(&m, 0, "b", 17002);
    cluster_map_clear(&m);
    freeReplyObject(r);
}

/* Redis 8.0 lists a master that has failed, and not its slots. */
static void slots_that_are_left_out_are_noticed(void **state)
{
    (void)state;
    struct cluster_map m = {0};
    void *r =
        reply_of("*2\n"
                 "*4\n$slots\n*2\n:0\n:8191\n$nodes\n*1\n" NODE(
                     "a", "7001", "master",
                     "online") "*4\n$slots\n*0\n$nodes\n*2\n" NODE("b", "7002", "master", "fail")
                     NODE("c", "7003", "replica", "online"));
    assert_int_equal(cluster_map_read_shards(r, &asked, false, &m), OK);
    assert_true(m.lacks_slots);
    cluster_map_clear(&m);
    assert_false(m.lacks_slots);
    freeReplyObject(r);
    r = reply_of("*2\n"
                 "*4\n$slots\n*2\n:0\n:16383\n$nodes\n*2\n" NODE("a", "7001", "master", "fail")
                     NODE("b", "7002", "master", "online") "*4\n$slots\n*0\n$nodes\n*1\n" NODE(
                         "c", "7003", "master", "online"));
    assert_int_equal(cluster_map_read_shards(r, &asked, false, &m), OK);
    assert_false(m.lacks_slots); /* one has a successor, and the other has never had a slot */
    cluster_map_clear(&m);
    freeReplyObject(r);
}

static void slots_are_read(void **state)
{
    (void)state;
    struct cluster_map m = {0};
    void *r = reply_of("*2\n*4\n:0\n:8191\n*3\n$a\n:7001\n$id\n*3\n$b\n:7002\n$id\n"
                       "*3\n:8192\n:16383\n*2\n$\n:7003\n");
    assert_int_equal(cluster_map_read_slots(r, &asked, &m), OK);
    has(&m, 8191, "a", 7001);
    has(&m, 8192, "10.0.0.9", 7003);
    assert_int_equal(m.server_count, 3);
    cluster_map_clear(&m);
    freeReplyObject(r);
}

static void nonsense_is_refused_or_passed_over(void **state)
{
    (void)state;
    static const char *const bad[] = {"+OK\n", "*1\n:1\n", "*1\n*2\n:0\n:1\n"};
    struct cluster_map m = {0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        void *r = reply_of(bad[i]);
        assert_int_equal(cluster_map_read_shards(r, &asked, false, &m), ERR_INVALID);
        assert_int_equal(cluster_map_read_slots(r, &asked, &m), ERR_INVALID);
        cluster_map_clear(&m);
        freeReplyObject(r);
    }
    void *r = reply_of(
        "*3\n*3\n:0\n:16384\n*2\n$a\n:1\n*3\n:9\n:5\n*2\n$a\n:1\n*3\n:0\n:5\n*2\n$a\n:70000\n");
    assert_int_equal(cluster_map_read_slots(r, &asked, &m), OK);
    assert_int_equal(m.range_count, 0);
    cluster_map_clear(&m);
    freeReplyObject(r);
}

static void a_slot_moves(void **state)
{
    (void)state;
    struct cluster_map m = {0};
    char b[] = "b", c[] = "c";
    void *r = reply_of("*1\n*3\n:0\n:16383\n*2\n$a\n:7001\n");
    assert_int_equal(cluster_map_read_slots(r, &asked, &m), OK);
    cluster_map_move(&m, 5, &(struct redis_node){b, 7002});
    cluster_map_move(&m, 7, &(struct redis_node){b, 7002});
    cluster_map_move(&m, 5, &(struct redis_node){c, 7003});
    has(&m, 4, "a", 7001);
    has(&m, 5, "c", 7003);
    has(&m, 6, "a", 7001);
    has(&m, 7, "b", 7002);
    assert_int_equal(m.range_count, 3);
    cluster_map_clear(&m);
    freeReplyObject(r);
}

static void check_redirect(const char *wire, enum redirect_kind kind, unsigned slot,
                           const char *host, unsigned port)
{
    void *r = reply_of(wire);
    struct redirect d = redirect_read(r);
    assert_int_equal(d.kind, kind);
    assert_int_equal(d.slot, slot);
    assert_true(slice_eq(d.host, slice_str(host)));
    assert_int_equal(d.port, port);
    freeReplyObject(r);
}

static void redirects_are_read(void **state)
{
    (void)state;
    check_redirect("-MOVED 3999 127.0.0.1:6381\n", REDIRECT_MOVED, 3999, "127.0.0.1", 6381);
    check_redirect("-ASK 0 ::1:6381\n", REDIRECT_ASK, 0, "::1", 6381);
    check_redirect("-MOVED 3999 :6381\n", REDIRECT_MOVED, 3999, "", 6381);
    check_redirect("-TRYAGAIN Multiple keys\n", REDIRECT_AGAIN, 0, "", 0);
    check_redirect("-CLUSTERDOWN Hash slot not served\n", REDIRECT_DOWN, 0, "", 0);
    check_redirect("-MOVED 16384 a:1\n", REDIRECT_NONE, 0, "", 0);
    check_redirect("-MOVED 1 a:0\n", REDIRECT_NONE, 0, "", 0);
    check_redirect("-MOVED 1 a:65536\n", REDIRECT_NONE, 0, "", 0);
    check_redirect("-MOVED\n", REDIRECT_NONE, 0, "", 0);
    check_redirect("-MOVED x\n", REDIRECT_NONE, 0, "", 0);
    check_redirect("-ERR MOVED 1 a:1\n", REDIRECT_NONE, 0, "", 0);
    check_redirect("+MOVED 1 a:1\n", REDIRECT_NONE, 0, "", 0);
}

static void the_slot_of_a_call(void **state)
{
    (void)state;
    static const char script[] =
        "*5\r\n$7\r\nEVALSHA\r\n$3\r\nabc\r\n$1\r\n1\r\n$7\r\nhp:{3}:\r\n$1\r\nx\r\n";
    static const char command[] = "*2\r\n$3\r\nGET\r\n$7\r\nhp:{3}:\r\n";
    assert_int_equal(redirect_slot(SLICE_LIT(script), true), slot_of_tag(3));
    assert_int_equal(redirect_slot(SLICE_LIT(command), false), slot_of_tag(3));
    assert_true(slice_eq(redirect_argument(SLICE_LIT(command), 0), SLICE_LIT("GET")));
    for (size_t len = 0; len < sizeof command - 10; len++)
        assert_int_equal(redirect_argument(slice_make(command, len), 1).len, 0);
    assert_int_equal(redirect_argument(SLICE_LIT(command), 2).len, 0);
}

static void slots_are_those_of_redis(void **state)
{
    (void)state;
    assert_int_equal(slot_of_key(SLICE_LIT("foo")), 12182);
    assert_int_equal(slot_of_key(SLICE_LIT("{foo}.x")), 12182);
    assert_int_equal(slot_of_key(SLICE_LIT("a{foo}{bar}")), 12182);
    assert_int_equal(slot_of_key(SLICE_LIT("{}foo")), crc16(SLICE_LIT("{}foo")) % SLOTS);
    assert_int_equal(slot_of_key(SLICE_LIT("{foo")), crc16(SLICE_LIT("{foo")) % SLOTS);
    assert_int_equal(slot_of_key(SLICE_LIT("")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shards_are_read),    cmocka_unit_test(slots_that_are_left_out_are_noticed),
        cmocka_unit_test(slots_are_read),     cmocka_unit_test(nonsense_is_refused_or_passed_over),
        cmocka_unit_test(a_slot_moves),       cmocka_unit_test(redirects_are_read),
        cmocka_unit_test(the_slot_of_a_call), cmocka_unit_test(slots_are_those_of_redis),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
