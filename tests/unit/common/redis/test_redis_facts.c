#include "common/redis/wire/redis_facts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct redis_facts fit = {.version = "7.0.15",
                                       .role = "master",
                                       .loading = "0",
                                       .aof_enabled = "1",

                                       .appendfsync = "always",
                                       .policy = "noeviction"};

static bool mentions(const char *text, const char *word)
{
    return text && strstr(text, word);
}

static void info_is_read(void **state)
{
    (void)state;
    struct redis_facts f = {0};
    redis_facts_read(&f, SLICE_LIT("# Server\r\nredis_version:8.0.2\r\nredis_mode:standalone\r\n"
                                   "\r\n# Replication\r\nrole:master\r\nloading:0\r\n"
                                   "aof_enabled:1\r\naof_last_write_status:ok\r\n"
                                   "maxmemory_policy:allkeys-lru"));
    assert_string_equal(f.version, "8.0.2");
    assert_string_equal(f.role, "master");
    assert_string_equal(f.loading, "0");
    assert_string_equal(f.aof_enabled, "1");
    assert_string_equal(f.policy, "allkeys-lru");
    assert_string_equal(f.appendfsync, "");
    redis_facts_read(&f, SLICE_LIT("role:slave\n"));
    assert_string_equal(f.role, "slave");
    assert_string_equal(f.version, "8.0.2");
    assert_string_equal(redis_facts_version(&f), "8.0.2");
}

/* A Valkey gives two versions: its own, and that of the Redis that it is compatible with. */
static void a_valkey_has_its_own_version(void **state)
{
    (void)state;
    struct redis_facts f = {0};
    redis_facts_read(&f, SLICE_LIT("# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\n"
                                   "valkey_version:8.1.1\r\nrole:master\r\n"));
    assert_string_equal(redis_facts_version(&f), "8.1.1");
    assert_null(redis_facts_refuse(&f));
}

static void odd_info_does_no_harm(void **state)
{
    (void)state;
    struct redis_facts f = {0};
    redis_facts_read(&f, SLICE_LIT(""));
    redis_facts_read(&f, SLICE_LIT("\r\n\n\r\nrole\nrole_:x\n:master\nmy_role:y\nROLE:z\n"));
    assert_string_equal(f.role, "");
    char longer[100];
    memset(longer, 'v', sizeof longer);
    redis_facts_set(f.version, slice_make(longer, sizeof longer));
    assert_int_equal(strlen(f.version), FACT_MAX - 1);
    redis_facts_set(f.version, slice_make(longer, 3));
    assert_string_equal(f.version, "vvv");
    redis_facts_set(f.version, (struct slice){0});
    assert_string_equal(f.version, "");
}

static void unfit_servers_are_refused(void **state)
{
    (void)state;
    struct redis_facts f = fit;
    assert_null(redis_facts_refuse(&f));
    redis_facts_set(f.loading, SLICE_LIT("1"));
    assert_true(mentions(redis_facts_refuse(&f), "loading"));
    f = fit;
    redis_facts_set(f.role, SLICE_LIT("slave"));
    assert_true(mentions(redis_facts_refuse(&f), "replica"));
    f = fit;
    redis_facts_read(&f, SLICE_LIT("redis_version:7.0.15\r\nredis_mode:sentinel\r\n"));
    assert_true(mentions(redis_facts_refuse(&f), "redis+sentinel://"));
    redis_facts_read(&f, SLICE_LIT("redis_mode:standalone\r\n"));
    assert_null(redis_facts_refuse(&f));
    f = (struct redis_facts){0};
    assert_null(redis_facts_refuse(&f)); /* says nothing of itself: a proxy */
}

static void versions(void **state)
{
    (void)state;
    static const struct {
        const char *version;
        bool refused;
    } rows[] = {{"6.2.14", true}, {"0.0.1", true}, {"7.0.0", false},
                {"7", false},     {"10.1", false}, {"255.255.255", false},
                {"", false},      {"git", false},  {"-6.0", false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct redis_facts f = fit;
        redis_facts_set(f.version, slice_str(rows[i].version));
        assert_int_equal(redis_facts_refuse(&f) != NULL, rows[i].refused);
    }
}

static void risks_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *aof, *fsync, *policy, *risk[3];
    } rows[] = {
        {"1", "always", "noeviction", {NULL}},
        {"1", "everysec", "noeviction", {"everysec", NULL}},
        {"1", "no", "noeviction", {"appendfsync is no:", NULL}},
        {"1", "", "noeviction", {"appendfsync is unknown", NULL}},
        {"0", "everysec", "noeviction", {"appendonly is no:", NULL}},
        {"", "", "noeviction", {"appendonly is unknown", NULL}},
        {"1", "always", "volatile-lru", {"maxmemory-policy is not noeviction", NULL}},
        {"1", "always", "", {"maxmemory-policy is unknown", NULL}},
        {"0", "", "allkeys-lru", {"appendonly is no:", "maxmemory-policy is not", NULL}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct redis_facts f = fit;
        redis_facts_set(f.aof_enabled, slice_str(rows[i].aof));
        redis_facts_set(f.appendfsync, slice_str(rows[i].fsync));
        redis_facts_set(f.policy, slice_str(rows[i].policy));
        unsigned n = 0;
        for (; rows[i].risk[n]; n++)
            assert_true(mentions(redis_facts_risk(&f, n), rows[i].risk[n]));
        assert_null(redis_facts_risk(&f, n));
        assert_null(redis_facts_risk(&f, 1000));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(info_is_read),
        cmocka_unit_test(a_valkey_has_its_own_version),
        cmocka_unit_test(odd_info_does_no_harm),
        cmocka_unit_test(unfit_servers_are_refused),
        cmocka_unit_test(versions),
        cmocka_unit_test(risks_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
