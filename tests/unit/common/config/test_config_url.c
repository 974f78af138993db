#include "common/config/config_url.h"

#include "common/config/config_redis.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void reads_redis_urls(void **state)
{
    (void)state;
    static const struct {
        const char *url, *host;
        unsigned port;
        const char *path, *user, *password;
        unsigned db;
        const char *shown;
    } cases[] = {
        {"redis://127.0.0.1:6379/0", "127.0.0.1", 6379, NULL, NULL, NULL, 0,
         "redis://127.0.0.1:6379/0"},
        {"redis://redis", "redis", 6379, NULL, NULL, NULL, 0, "redis://redis:6379/0"},
        {"redis://redis/", "redis", 6379, NULL, NULL, NULL, 0, "redis://redis:6379/0"},
        {"redis://r_1.example:7000/15", "r_1.example", 7000, NULL, NULL, NULL, 15,
         "redis://r_1.example:7000/15"},
        {"redis://[::1]:7000/2", "::1", 7000, NULL, NULL, NULL, 2, "redis://[::1]:7000/2"},
        {"redis://[::1]", "::1", 6379, NULL, NULL, NULL, 0, "redis://[::1]:6379/0"},
        {"redis://:p%40ss%2f:word@h:1/3", "h", 1, NULL, NULL, "p@ss/:word", 3, "redis://h:1/3"},
        {"rediss://:pw@h/2", "h", 6379, NULL, NULL, "pw", 2, "rediss://h:6379/2"},
        {"redis://me:a@b@h/3", "h", 6379, NULL, "me", "a@b", 3, "redis://h:6379/3"},
        {"unix:///run/redis.sock", NULL, 0, "/run/redis.sock", NULL, NULL, 0,
         "unix:///run/redis.sock?db=0"},
        {"unix://me:secret@/run/r%20s?db=4", NULL, 0, "/run/r s", "me", "secret", 4,
         "unix:///run/r s?db=4"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct config_redis r = {0};
        struct error e = {0};
        if (config_redis_parse(slice_str(cases[i].url), &r, &e) != OK)
            fail_msg("%s: %s", cases[i].url, e.text);
        assert_int_equal(r.mode, REDIS_SINGLE);
        assert_int_equal(r.is_tls, strncmp(cases[i].url, "rediss:", 7) == 0);
        assert_int_equal(r.node_count, cases[i].host != NULL);
        if (cases[i].host)
            assert_string_equal(r.nodes[0].host, cases[i].host);
        assert_true(slice_eq(slice_str(r.unix_path), slice_str(cases[i].path)));
        assert_true(slice_eq(slice_str(r.user), slice_str(cases[i].user)));
        assert_true(slice_eq(slice_str(r.password), slice_str(cases[i].password)));
        if (cases[i].host)
            assert_int_equal(r.nodes[0].port, cases[i].port);
        assert_int_equal(r.db, cases[i].db);
        assert_string_equal(r.shown, cases[i].shown);
        config_redis_clear(&r);
    }
}

static void reads_urls_of_several_servers(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        enum redis_mode mode;
        bool is_tls;
        const char *master, *password;
        unsigned db;
        const char *shown;
    } cases[] = {
        {"redis+sentinel://a,b:1,[::1]/mymaster/3", REDIS_SENTINEL, false, "mymaster", NULL, 3,
         "redis+sentinel://a:26379,b:1,[::1]:26379/mymaster/3"},
        {"redis+sentinel://me:p%2Cw@a/m.1_x-", REDIS_SENTINEL, false, "m.1_x-", "p,w", 0,
         "redis+sentinel://a:26379/m.1_x-/0"},
        {"rediss+sentinel://:a,b@h/m/", REDIS_SENTINEL, true, "m", "a,b", 0,
         "rediss+sentinel://h:26379/m/0"},
        {"redis+cluster://a,[::2]:7001", REDIS_CLUSTER, false, NULL, NULL, 0,
         "redis+cluster://a:6379,[::2]:7001"},
        {"rediss+cluster://:pw@a/0", REDIS_CLUSTER, true, NULL, "pw", 0, "rediss+cluster://a:6379"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct config_redis r = {0}, again;
        struct error e = {0};
        if (config_redis_parse(slice_str(cases[i].url), &r, &e) != OK)
            fail_msg("%s: %s", cases[i].url, e.text);
        config_redis_copy(&r, &again);
        config_redis_clear(&r);
        assert_int_equal(again.mode, cases[i].mode);
        assert_int_equal(again.is_tls, cases[i].is_tls);
        assert_true(slice_eq(slice_str(again.master), slice_str(cases[i].master)));
        assert_true(slice_eq(slice_str(again.password), slice_str(cases[i].password)));
        assert_int_equal(again.db, cases[i].db);
        assert_string_equal(again.shown, cases[i].shown);
        config_redis_clear(&again);
    }
}

static void says_what_is_wrong_with_several_servers(void **state)
{
    (void)state;
    static const struct {
        const char *url, *says;
    } cases[] = {
        {"redis://a,b", "only one host:port"},
        {"redis+sentinel://a:1", "the name of the master is missing"},
        {"redis+sentinel://a:1//0", "the name of the master is missing"},
        {"redis+sentinel://a:1/my%20master/0", "letters, digits"},
        {"redis+sentinel://a:1/my%zz/0", "the name of the master is not valid"},
        {"redis+sentinel://a:1/m/x", "the database must be a number"},
        {"redis+sentinel://a:1,b:0/m/0", "address 2 of 2: the port must be 1 to 65535"},
        {"redis+sentinel://a:1,,b/m/0", "address 2 of 3: the host is neither"},
        {"redis+sentinel://a,a:26379/m/0", "address 2 of 2: the address is listed twice"},
        {"redis+cluster://a/1", "a cluster has database 0 only"},
        {"redis+cluster://a/m/0", "the database must be a number"},
        {"redis+cluster://::1,a", "address 1 of 2: write an IPv6 address in brackets"},
        {"redis+cluster://a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z,1,2,3,4,5,6,7",
         "has 33 addresses"},
        {"http://a", "must be redis://"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct config_redis r = {0};
        struct error e = {0};
        assert_int_equal(config_redis_parse(slice_str(cases[i].url), &r, &e), ERR_INVALID);
        if (!strstr(e.text, cases[i].says))
            fail_msg("%s: %s", cases[i].url, e.text);
        config_redis_clear(&r);
    }
}

static void refuses_other_urls_without_quoting_them(void **state)
{
    (void)state;
    static const char *const urls[] = {
        "",
        "redis://",
        "redis:///1",
        "redis://:6379",
        "http://hunter2",
        "rediss://:hunter2@",
        "rediss+unix:///hunter2",
        "redis+sentinel//hunter2",
        "redis://hunter2@h",
        "redis://me:@h",
        "redis://:hunter2%zz@h",
        "redis://:hunter2%00@h",
        "redis://:hunter2%0a@h",
        "redis://h:0",
        "redis://h:65536",
        "redis://h:x",
        "redis://h:1:2",
        "redis://::1",
        "redis://[::1",
        "redis://[::1]x",
        "redis://[h]:1",
        "redis://300.1.1.1",
        "redis://h ost",
        "redis://h/x",
        "redis://h/-1",
        "redis://h/99999",
        "redis://h/1/2",
        "redis://h/1?x=y",
        "unix://",
        "unix:///",
        "unix://relative",
        "unix:///s?hunter2",
        "unix:///s?db=x",
        "unix:///"
        "012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
        "0"
        "123456789012345678901234567890",
    };
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct config_redis r = {0};
        struct error e = {0};
        if (config_redis_parse(slice_str(urls[i]), &r, &e) != ERR_INVALID)
            fail_msg("taken: %s", urls[i]);
        assert_true(e.text[0] && !strstr(e.text, "hunter2"));
        config_redis_clear(&r);
    }
}

static void judges_listen_addresses(void **state)
{
    (void)state;
    static const char *const good[] = {
        "0.0.0.0:8080", "127.0.0.1:0",           "[::]:8080", "[::1]:0", "localhost:80",
        ":8080",        "receiver.example:65535"};
    static const char *const bad[] = {"",
                                      "8080",
                                      "127.0.0.1",
                                      "127.0.0.1:",
                                      "127.0.0.1:65536",
                                      "127.0.0.1:-1",
                                      "256.0.0.1:80",
                                      "1.2.3:80",
                                      "::1:80",
                                      "[::1]",
                                      "[::1]80",
                                      "[::g]:80",
                                      "a b:80",
                                      "127.0.0.1:80x",
                                      "a/b:80"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (config_listen_fault(slice_str(good[i])))
            fail_msg("%s: %s", good[i], config_listen_fault(slice_str(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (!config_listen_fault(slice_str(bad[i])))
            fail_msg("taken: %s", bad[i]);
    assert_non_null(config_listen_fault(SLICE_LIT("[::1\0]:80")));
}

static void judges_proxies(void **state)
{
    (void)state;
    assert_null(config_proxy_fault(SLICE_LIT("http://proxy:3128")));
    assert_null(config_proxy_fault(SLICE_LIT("socks5h://me:pw@proxy:1080")));
    assert_non_null(config_proxy_fault(SLICE_LIT("proxy:3128")));
    assert_non_null(config_proxy_fault(SLICE_LIT("http://")));
    assert_non_null(config_proxy_fault(SLICE_LIT("ftp://proxy")));
    assert_non_null(config_proxy_fault(SLICE_LIT("http://pro xy")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_redis_urls),
        cmocka_unit_test(reads_urls_of_several_servers),
        cmocka_unit_test(says_what_is_wrong_with_several_servers),
        cmocka_unit_test(refuses_other_urls_without_quoting_them),
        cmocka_unit_test(judges_listen_addresses),
        cmocka_unit_test(judges_proxies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
