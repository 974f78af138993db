/* The contents of a configuration that is in order: defaults, values, overrides, ownership. */
#include "common/config/config.h"
#include "common/config/config_table.h"

#include "common/config/partition.h"
#include "common/program/program.h"
#include "common/queue/keys.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct config *parse(const char *text, const char *name)
{
    struct config *c = NULL;
    struct config_problems problems;
    config_problems_init(&problems);
    if (config_parse(slice_str(text), name, &c, &problems) != OK)
        fail_msg("%s", problems.text.ptr);
    config_problems_clear(&problems);
    return c;
}

static void has_the_documented_defaults(void **state)
{
    (void)state;
    struct config *c = parse("{\"sources\":{},\"destinations\":{}}", "x.json");
    assert_string_equal(c->redis.shown, "redis://127.0.0.1:6379/0");
    assert_string_equal(c->redis.prefix, "hookpace");
    assert_int_equal(c->redis.partitions, 1);
    assert_int_equal(c->redis.timeout_ms, 2000);
    assert_string_equal(c->receiver.listen, "0.0.0.0:8080");
    assert_int_equal(c->receiver.threads, 1);
    assert_int_equal(c->receiver.max_body_bytes, 10485760);
    assert_int_equal(c->receiver.max_inflated_bytes, 104857600);
    assert_int_equal(c->receiver.max_inflight_bytes, 268435456);
    assert_int_equal(c->receiver.header_timeout_ms, 10000);
    assert_int_equal(c->receiver.body_timeout_ms, 30000);
    assert_int_equal(c->receiver.max_connections, 10000);
    assert_null(c->receiver.tls.cert);
    assert_null(c->receiver.tls.key);
    assert_null(c->admin.tls.cert);
    assert_null(c->api.listen);
    assert_null(c->api.tls.cert);
    assert_string_equal(c->admin.listen, "127.0.0.1:8081");
    assert_string_equal(c->dispatcher.listen, "127.0.0.1:8082");
    assert_int_equal(c->dispatcher.concurrency, 256);
    assert_int_equal(c->dispatcher.drain_ms, 15000);
    assert_int_equal(c->dispatcher.allow_count, 0);
    assert_int_equal(c->dispatcher.deny_count, 0);
    assert_null(c->dispatcher.proxy);
    assert_int_equal(c->delay_ms, 0);
    assert_int_equal(c->delay_step_ms, 100);
    assert_int_equal(c->retention.done_s, 86400);
    assert_int_equal(c->retention.dead_s, 604800);
    assert_int_equal(c->retention.dedup_s, 86400);
    assert_int_equal(map_count(&c->accounts), 0);
    assert_string_equal(c->file, "x.json");
    config_unref(c);
}

static void has_the_defaults_of_destinations(const struct destination *d)
{
    static const int64_t schedule[] = {5, 300, 1800, 7200, 18000, 36000, 36000};
    assert_int_equal(d->settings->order, ORDER_REQUEUE);
    assert_int_equal(d->settings->concurrency, 16);
    assert_int_equal(d->settings->timeout_ms, 10000);
    assert_int_equal(d->settings->connect_timeout_ms, 3000);
    assert_int_equal(d->settings->lease_ms, 16000);
    assert_true(d->settings->verify_tls);
    assert_null(d->settings->ca_file);
    assert_string_equal(d->settings->headers, "");
    assert_int_equal(d->settings->schedule_count, 7);
    for (size_t i = 0; i < 7; i++)
        assert_int_equal(d->settings->schedule_ms[i], schedule[i] * 1000);
    assert_true(d->settings->jitter > 0.19 && d->settings->jitter < 0.21);
    assert_true(status_set_has(&d->settings->give_up_on, 410));
    assert_false(status_set_has(&d->settings->give_up_on, 404));
}

static void defaults_of_sources_and_destinations(void **state)
{
    (void)state;
    struct config *c = parse("{\"delay_ms\":50,\"redis\":{\"partitions\":16},\"sources\":{\"in\":{"
                             "\"verify\":{\"scheme\":\"none\"},\"to\":[\"out\"]}},"
                             "\"destinations\":{\"out\":{\"postback_url\":\"http://h/x\"}}}",
                             "x.json");
    struct destination *d = config_destination(c, SLICE_LIT("out"));
    assert_string_equal(d->name, "out");
    assert_string_equal(d->lane, "out");
    assert_int_equal(d->partition, partition_of(SLICE_LIT("out"), 16));
    assert_int_equal(d->kind, DELIVERY_POSTBACK);
    assert_int_equal(d->settings->delay_ms, 50);
    assert_int_equal(d->settings->gzip, GZIP_KEEP);
    assert_null(d->settings->sign);
    has_the_defaults_of_destinations(d);
    struct source *s = config_source(c, SLICE_LIT("in"));
    assert_string_equal(s->name, "in");
    assert_int_equal(s->to_count, 1);
    assert_ptr_equal(s->to[0], d);
    assert_int_equal(s->payload, PAYLOAD_JSON);
    assert_false(s->signed_over_wire);
    assert_null(s->keep_headers);
    assert_int_equal(s->id_picks + s->tag_picks + s->allow_count, 0);
    assert_null(config_source(c, SLICE_LIT("out")));
    assert_null(config_destination(c, SLICE_LIT("in")));
    config_unref(c);
}

static const char full[] =
    "{\"accounts\":{\"root\":{\"password\":\"password\",\"role\":\"admin\"},"
    "\"acme\":{\"password\":\"12345678\",\"delay_ms\":100,\"sign\":{\"scheme\":\"semscraper\","
    "\"secrets\":[\"12345678\"]}}},"
    "\"dispatcher\":{\"egress\":{\"allow\":[\"10.1.0.0/16\",\"::1\"],\"deny\":[\"10.0.0.0/8\"],"
    "\"allow_accounts\":[\"127.0.0.1/32\"],"
    "\"proxy\":\"http://p:1\"}},"
    "\"sources\":{\"in\":{\"verify\":{\"scheme\":\"hmac\",\"header\":\"X-Sig\",\"secrets\":"
    "[\"12345678\",\"abcdefgh\"],\"allow\":[\"203.0.113.0/24\"]},\"id\":[\"/id\",\"/a/0\"],"
    "\"tag\":[\"/tag\"],\"to\":[\"b\",\"a\"],\"payload\":\"any\",\"signed_over\":\"wire\","
    "\"keep_headers\":[\"x-*\",\"link\"]},"
    "\"bare\":{\"verify\":{\"scheme\":\"none\"},\"to\":[],\"keep_headers\":[]}},"
    "\"destinations\":{\"a\":{\"pingback_url\":\"https://h/$id\",\"lane\":\"both\",\"delay_ms\":0,"
    "\"order\":\"fifo\",\"gzip\":\"never\",\"verify_tls\":false,\"connect_timeout_ms\":100,"
    "\"timeout_ms\":200,\"headers\":{\"X-Team\":\" seo \",\"Authorization\":\"Bearer x\"},"
    "\"retry\":{\"schedule_s\":[0.25,2],\"jitter\":0}},"
    "\"b\":{\"postback_url\":\"http://h\",\"lane\":\"both\",\"order\":\"fifo\","
    "\"retry\":{\"schedule_s\":[]}}}}";

static void reads_every_value(void **state)
{
    (void)state;
    struct config *c = parse(full, "x.json");
    const struct config_account *root = map_get(&c->accounts, SLICE_LIT("root"));
    const struct config_account *acme = map_get(&c->accounts, SLICE_LIT("acme"));
    assert_true(root->role == ACCOUNT_ADMIN && acme->role == ACCOUNT_USER);
    assert_string_equal(root->password, "password");
    assert_int_equal(root->settings->delay_ms, 0);
    assert_false(root->settings->has_own_delay);
    assert_int_equal(acme->settings->delay_ms, 100);
    assert_true(acme->settings->has_own_delay);
    assert_true(root->postback->settings->sign == NULL && acme->postback->settings->sign != NULL);
    assert_int_equal(c->dispatcher.allow_count, 2);
    assert_int_equal(c->dispatcher.allow[1].bits, 128);
    assert_int_equal(c->dispatcher.deny_count, 1);
    assert_int_equal(c->dispatcher.allow_accounts_count, 1);
    assert_string_equal(c->dispatcher.proxy, "http://p:1");
    const struct source *in = config_source(c, SLICE_LIT("in"));
    const struct destination *a = config_destination(c, SLICE_LIT("a"));
    const struct destination *b = config_destination(c, SLICE_LIT("b"));
    assert_string_equal(scheme_name(in->verify), "hmac");
    assert_int_equal(in->allow_count, 1);
    assert_int_equal(in->id_picks, 2);
    assert_int_equal(in->tag_picks, 1);
    assert_int_equal(in->to_count, 2);
    assert_true(in->to[0] == b && in->to[1] == a);
    assert_true(in->payload == PAYLOAD_ANY && in->signed_over_wire);
    assert_int_equal(in->keep_count, 2);
    assert_string_equal(in->keep_headers[1], "link");
    const struct source *bare = config_source(c, SLICE_LIT("bare"));
    assert_non_null(bare->keep_headers); /* an empty list, not the default */
    assert_int_equal(bare->keep_count, 0);
    assert_int_equal(a->kind, DELIVERY_PINGBACK);
    assert_int_equal(b->kind, DELIVERY_POSTBACK);
    assert_true(a->settings->has_own_delay && !b->settings->has_own_delay);
    assert_string_equal(a->lane, "both");
    assert_int_equal(a->settings->order, ORDER_FIFO);
    assert_int_equal(a->settings->gzip, GZIP_NEVER);
    assert_false(a->settings->verify_tls);
    assert_int_equal(a->settings->lease_ms, 3300);
    assert_string_equal(a->settings->headers, "X-Team: seo\r\nAuthorization: Bearer x\r\n");
    assert_int_equal(a->settings->schedule_count, 2);
    assert_int_equal(a->settings->schedule_ms[0], 250);
    assert_int_equal(b->settings->schedule_count, 0);
    config_unref(c);
}

static const char implied[] =
    "{\"delay_ms\":50,\"redis\":{\"partitions\":16},\"accounts\":{\"acme\":{\"password\":"
    "\"12345678\","
    "\"delay_ms\":100,\"sign\":{\"scheme\":\"semscraper\",\"secrets\":[\"12345678\"]}},"
    "\"bare\":{\"password\":\"12345678\"}},"
    "\"sources\":{\"in\":{\"verify\":{\"scheme\":\"none\"},\"to\":[\"out\"],\"fetch\":{\"url\":"
    "\"https://h/v3/serp/task_get/advanced/$id?a=/task_get/\",\"basic\":\"login:pa:ss\"},"
    "\"reconcile_s\":60},\"quiet\":{\"verify\":{\"scheme\":\"none\"},\"to\":[],"
    "\"fetch\":{\"url\":\"http://h/$id\"}},\"other\":{\"verify\":{\"scheme\":\"none\"},\"to\":[],"
    "\"fetch\":{\"url\":\"http://h/$id\"},\"reconcile_s\":86400,\"tasks_ready_url\":\"http://h/"
    "r\"}},"
    "\"destinations\":{\"out\":{\"postback_url\":\"http://h\",\"lane\":\"acme\"}}}";

static void accounts_have_destinations(void **state)
{
    (void)state;
    struct config *c = parse(implied, "x.json");
    const struct config_account *acme = map_get(&c->accounts, SLICE_LIT("acme"));
    const struct config_account *bare = map_get(&c->accounts, SLICE_LIT("bare"));
    const struct destination *post = acme->postback, *ping = acme->pingback;
    assert_ptr_equal(config_destination(c, SLICE_LIT("postback@acme")), post);
    assert_ptr_equal(config_destination(c, SLICE_LIT("pingback@acme")), ping);
    assert_ptr_equal(config_destination(c, SLICE_LIT("postback@bare")), bare->postback);
    assert_null(config_destination(c, SLICE_LIT("postback@nobody")));
    assert_null(config_destination(c, SLICE_LIT("fetch@acme")));
    assert_null(config_destination(c, SLICE_LIT("acme")));
    assert_string_equal(post->name, "postback@acme");
    assert_string_equal(ping->name, "pingback@acme");
    assert_int_equal(post->kind, DELIVERY_POSTBACK);
    assert_int_equal(ping->kind, DELIVERY_PINGBACK);
    assert_ptr_equal(post->account, acme);
    assert_ptr_equal(ping->account, acme);
    assert_null(post->url);
    assert_ptr_equal(post->settings, ping->settings);
    assert_string_equal(scheme_name(post->settings->sign), "semscraper");
    assert_null(bare->postback->settings->sign);
    assert_string_equal(post->lane, "acme");
    assert_string_equal(ping->lane, "acme");
    assert_int_equal(post->partition, partition_of(SLICE_LIT("acme"), 16));
    assert_int_equal(post->settings->delay_ms, 100);
    assert_true(post->settings->has_own_delay);
    assert_int_equal(bare->pingback->settings->delay_ms, 50);
    assert_false(bare->pingback->settings->has_own_delay);
    assert_int_equal(post->settings->gzip, GZIP_NEVER);
    assert_int_equal(bare->postback->settings->gzip, GZIP_ALWAYS);
    has_the_defaults_of_destinations(post);
    has_the_defaults_of_destinations(ping);
    config_unref(c);
}

static const char settled[] =
    "{\"accounts\":{\"acme\":{\"password\":\"12345678\",\"payload\":\"result\",\"order\":\"fifo\","
    "\"concurrency\":3,\"timeout_ms\":200,\"connect_timeout_ms\":100,\"verify_tls\":false,"
    "\"ca_file\":\"/dev/null\",\"gzip\":\"keep\",\"headers\":{\"X-Team\":\"seo\"},"
    "\"retry\":{\"schedule_s\":[0.25],\"jitter\":0,\"give_up_on\":[404]}},"
    "\"bare\":{\"password\":\"12345678\"}},\"sources\":{},\"destinations\":{}}";

static void accounts_have_delivery_settings(void **state)
{
    (void)state;
    struct config *c = parse(settled, "x.json");
    const struct config_account *acme = map_get(&c->accounts, SLICE_LIT("acme"));
    const struct config_account *bare = map_get(&c->accounts, SLICE_LIT("bare"));
    const struct delivery_settings *s = acme->settings;
    assert_ptr_equal(acme->postback->settings, s);
    assert_ptr_equal(acme->pingback->settings, s);
    assert_int_equal(acme->payload, PAYLOAD_RESULT);
    assert_int_equal(bare->payload, PAYLOAD_ENVELOPE);
    assert_int_equal(s->order, ORDER_FIFO);
    assert_int_equal(s->concurrency, 3);
    assert_int_equal(s->timeout_ms, 200);
    assert_int_equal(s->connect_timeout_ms, 100);
    assert_int_equal(s->lease_ms, 3300);
    assert_false(s->verify_tls);
    assert_string_equal(s->ca_file, "/dev/null");
    assert_int_equal(s->gzip, GZIP_KEEP);
    assert_string_equal(s->headers, "X-Team: seo\r\n");
    assert_int_equal(s->schedule_count, 1);
    assert_int_equal(s->schedule_ms[0], 250);
    assert_true(s->jitter == 0);
    assert_true(status_set_has(&s->give_up_on, 404));
    assert_false(status_set_has(&s->give_up_on, 410));
    config_unref(c);
}

static void sources_fetch(void **state)
{
    (void)state;
    struct config *c = parse(implied, "x.json");
    const struct source *in = config_source(c, SLICE_LIT("in"));
    const struct source *quiet = config_source(c, SLICE_LIT("quiet"));
    const struct source *other = config_source(c, SLICE_LIT("other"));
    assert_ptr_equal(config_destination(c, SLICE_LIT("fetch@in")), in->fetch);
    assert_string_equal(in->fetch->name, "fetch@in");
    assert_string_equal(in->fetch->lane, "fetch@in");
    assert_int_equal(in->fetch->partition, partition_of(SLICE_LIT("fetch@in"), 16));
    assert_int_equal(in->fetch->settings->delay_ms, 50);
    assert_int_equal(in->fetch->kind, DELIVERY_FETCH);
    assert_null(in->fetch->account);
    assert_ptr_equal(in->fetch->source, in);
    assert_null(in->fetch->settings->sign);
    has_the_defaults_of_destinations(in->fetch);
    assert_string_equal(in->fetch_authorization, "Basic bG9naW46cGE6c3M=");
    assert_int_equal(in->reconcile_ms, 60000);
    assert_string_equal(in->ready_url, "https://h/v3/serp/tasks_ready");
    assert_non_null(quiet->fetch);
    assert_null(quiet->fetch_authorization);
    assert_int_equal(quiet->reconcile_ms, 0);
    assert_null(quiet->ready_url);
    assert_string_equal(other->ready_url, "http://h/r");
    assert_int_equal(other->reconcile_ms, 86400000);
    config_unref(c);
}

static void walks_all_destinations(void **state)
{
    (void)state;
    static const char *const names[] = {"out",           "postback@acme", "pingback@acme",
                                        "postback@bare", "pingback@bare", "fetch@in",
                                        "fetch@quiet",   "fetch@other"};
    struct config *c = parse(implied, "x.json");
    struct config_walk walk = {0};
    struct destination *d;
    size_t n = 0;
    for (; config_next_destination(c, &walk, &d); n++)
        assert_string_equal(d->name, names[n]);
    assert_int_equal(n, sizeof names / sizeof *names);
    config_unref(c);
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

static void values_come_from_variables_and_files(void **state)
{
    (void)state;
    char dir[] = "/tmp/hookpace-config-XXXXXX", path[128], file[128];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/hookpace.json", dir);
    snprintf(file, sizeof file, "%s/password", dir);
    write_file(file, "file password \r\n");
    setenv("HOOKPACE_TEST_LANE", "from-env\n", 1);
    write_file(path,
               "{\"accounts\":{\"a\":{\"password\":\"file:password\"}},\"sources\":{},"
               "\"destinations\":{\"out\":{\"postback_url\":\"http://h\",\"ca_file\":\"password\","
               "\"lane\":\"env:HOOKPACE_TEST_LANE\"}}}");
    struct config *c = NULL;
    struct config_problems problems;
    config_problems_init(&problems);
    assert_int_equal(config_load(path, &c, &problems), OK);
    const struct config_account *a = map_get(&c->accounts, SLICE_LIT("a"));
    assert_string_equal(a->password, "file password ");
    assert_string_equal(config_destination(c, SLICE_LIT("out"))->lane, "from-env");
    assert_string_equal(config_destination(c, SLICE_LIT("out"))->settings->ca_file, file);
    config_unref(c);
    write_file(file, "hunter2\n"); /* 7 bytes: the newline does not count */
    assert_int_equal(config_load(path, &c, &problems), ERR_INVALID);
    assert_string_equal(problems.text.ptr, "accounts.a.password: must have at least 8 bytes\n");
    config_problems_clear(&problems);
    unlink(file);
    unlink(path);
    assert_int_equal(config_load(path, &c, &problems), ERR_IO);
    assert_non_null(strstr(problems.text.ptr, "No such file or directory"));
    config_problems_clear(&problems);
    assert_int_equal(config_load(dir, &c, &problems), ERR_IO);
    assert_non_null(strstr(problems.text.ptr, "not a regular file"));
    config_problems_clear(&problems);
    rmdir(dir);
}

static void the_environment_wins_over_the_file(void **state)
{
    (void)state;
    static const char text[] =
        "{\"redis\":{\"url\":\"env:HOOKPACE_TEST_NONE\"},\"receiver\":{\"listen\":\"h:1\"},"
        "\"sources\":{},\"destinations\":{}}";
    setenv("HOOKPACE_REDIS_URL", "redis://:hunter2@r:1/2", 1);
    setenv("HOOKPACE_LISTEN", "127.0.0.1:1", 1);
    setenv("HOOKPACE_ADMIN_LISTEN", "", 1); /* as a compose file hands on what is not set */
    setenv("HOOKPACE_API_LISTEN", "127.0.0.1:2", 1);
    setenv("HOOKPACE_DISPATCHER_LISTEN", "[::1]:3", 1);
    struct config *c = parse(text, "x.json");
    assert_string_equal(c->redis.shown, "redis://r:1/2");
    assert_string_equal(c->redis.password, "hunter2");
    assert_string_equal(c->receiver.listen, "127.0.0.1:1");
    assert_string_equal(c->admin.listen, "127.0.0.1:8081");
    assert_string_equal(c->api.listen, "127.0.0.1:2");
    assert_string_equal(c->dispatcher.listen, "[::1]:3");
    config_unref(c);
    setenv("HOOKPACE_REDIS_URL", "env:HOOKPACE_TEST_NONE", 1);
    struct config_problems problems;
    config_problems_init(&problems);
    assert_int_equal(config_parse(slice_str(text), "x.json", &c, &problems), ERR_INVALID);
    assert_string_equal(
        problems.text.ptr,
        "redis.url (HOOKPACE_REDIS_URL): the environment variable HOOKPACE_TEST_NONE is not set\n");
    config_problems_clear(&problems);
    unsetenv("HOOKPACE_REDIS_URL");
    unsetenv("HOOKPACE_LISTEN");
    unsetenv("HOOKPACE_ADMIN_LISTEN");
    unsetenv("HOOKPACE_API_LISTEN");
    unsetenv("HOOKPACE_DISPATCHER_LISTEN");
}

static void finds_the_file(void **state)
{
    (void)state;
    assert_string_equal(config_path("given.json"), "given.json");
    setenv("HOOKPACE_CONFIG", "named.json", 1);
    assert_string_equal(config_path(NULL), "named.json");
    assert_string_equal(config_path("given.json"), "given.json");
    unsetenv("HOOKPACE_CONFIG");
    if (access("/etc/hookpace/hookpace.json", F_OK) == 0)
        assert_string_equal(config_path(NULL), "/etc/hookpace/hookpace.json");
    else
        assert_null(config_path(NULL));
}

static void *use(void *arg)
{
    struct config *c = arg;
    for (unsigned i = 0; i < 10000; i++)
        config_unref(config_ref(c));
    config_unref(c);
    return NULL;
}

static void references_are_counted_across_threads(void **state)
{
    (void)state;
    struct config *c = parse(full, "x.json");
    pthread_t threads[4];
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use, config_ref(c)), 0);
    for (unsigned i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&c->refs), 1);
    config_unref(c);
    config_unref(NULL);
}

/* All keys that differ between the two, in one line. */
static void assert_restart(const char *was, const char *is, const char *keys, bool fixed)
{
    struct config *a = parse(was, "x.json"), *b = parse(is, "x.json");
    char all[256] = "";
    size_t at = 0;
    const char *key;
    bool is_fixed = false, some_fixed = false;
    while ((key = config_restart_needed(a, b, &at, &is_fixed))) {
        strncat(all, all[0] ? " " : "", sizeof all - strlen(all) - 1);
        strncat(all, key, sizeof all - strlen(all) - 1);
        some_fixed |= is_fixed;
    }
    assert_string_equal(all, keys);
    assert_int_equal(some_fixed, fixed);
    config_unref(a);
    config_unref(b);
}

#define WITH(top) "{" top "\"sources\":{},\"destinations\":{}}"

static void names_what_needs_a_restart(void **state)
{
    (void)state;
    assert_restart(WITH(""), WITH(""), "", false);
    assert_restart(full, full, "", false);
    assert_restart(WITH(""), WITH("\"receiver\":{\"max_connections\":5},\"delay_ms\":50,"), "",
                   false);
    assert_restart(WITH(""), WITH("\"redis\":{\"url\":\"redis://:pw@127.0.0.1:6379/0\"},"),
                   "redis.url", false);
    assert_restart(WITH("\"redis\":{\"timeout_ms\":100},"), WITH(""), "redis.timeout_ms", false);
    assert_restart(WITH(""), WITH("\"redis\":{\"prefix\":\"x\"},"), "redis.prefix", true);
    assert_restart(WITH(""), WITH("\"redis\":{\"partitions\":2},"), "redis.partitions", true);
    assert_restart(WITH(""),
                   WITH("\"receiver\":{\"listen\":\":1\",\"threads\":2,\"max_inflight_bytes\":9},"
                        "\"admin\":{\"listen\":\":2\"},\"dispatcher\":{\"listen\":\":3\"},"
                        "\"api\":{\"listen\":\":4\"},"),
                   "receiver.listen receiver.threads receiver.max_inflight_bytes admin.listen "
                   "api.listen dispatcher.listen",
                   false);
}

/* config_restart_needed compares the fields of struct config by the rows of the table. */
static void every_restart_row_can_be_compared(void **state)
{
    (void)state;
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        if (key->restart && (strchr(key->path, '*') || key->offset >= sizeof(struct config)))
            fail_msg("%s", key->path);
        assert_true(key->restart || !key->fixed);
        assert_true(!key->restart || key->type == KEY_TEXT || key->type == KEY_SECRET ||
                    key->type == KEY_INT || key->type == KEY_UINT || key->type == KEY_SIZE ||
                    key->type == KEY_OPTIONAL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_what_needs_a_restart),
        cmocka_unit_test(every_restart_row_can_be_compared),
        cmocka_unit_test(has_the_documented_defaults),
        cmocka_unit_test(defaults_of_sources_and_destinations),
        cmocka_unit_test(reads_every_value),
        cmocka_unit_test(accounts_have_destinations),
        cmocka_unit_test(accounts_have_delivery_settings),
        cmocka_unit_test(sources_fetch),
        cmocka_unit_test(walks_all_destinations),
        cmocka_unit_test(values_come_from_variables_and_files),
        cmocka_unit_test(the_environment_wins_over_the_file),
        cmocka_unit_test(finds_the_file),
        cmocka_unit_test(references_are_counted_across_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
