/* HOOKPACE_<KEY>: each number, switch and text that is in one place has a variable, which wins over the file.
 */
#include "common/config/config.h"
#include "common/config/config_table.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char nothing[] = "{\"sources\":{},\"destinations\":{}}";

static struct config *parse(const char *text, struct config_problems *problems)
{
    struct config *c = NULL;
    config_problems_init(problems);
    enum err rc = config_parse(slice_str(text), "x.json", &c, problems);
    assert_true((rc == OK) == (c != NULL));
    return c;
}

/* Parses with VARIABLE set to VALUE, which must be in order. */
static struct config *parse_with(const char *variable, const char *value, const char *text)
{
    struct config_problems problems;
    setenv(variable, value, 1);
    struct config *c = parse(text, &problems);
    unsetenv(variable);
    if (!c)
        fail_msg("%s=%s: %s", variable, value, problems.text.ptr);
    config_problems_clear(&problems);
    return c;
}

static void assert_refused(const char *variable, const char *value, const char *says)
{
    struct config_problems problems;
    setenv(variable, value, 1);
    struct config *c = parse(nothing, &problems);
    unsetenv(variable);
    if (c || !strstr(problems.text.ptr, says))
        fail_msg("%s=%s: %s, not %s", variable, value, c ? "taken" : problems.text.ptr, says);
    config_problems_clear(&problems);
}

static bool is_number(const struct config_key *key)
{
    return key->type == KEY_INT || key->type == KEY_UINT || key->type == KEY_SIZE;
}

static int64_t number_at(const struct config *c, const struct config_key *key)
{
    const void *field = (const char *)c + key->offset;
    if (key->type == KEY_UINT)
        return *(const unsigned *)field;
    return key->type == KEY_SIZE ? (int64_t) * (const size_t *)field : *(const int64_t *)field;
}

static void each_number_has_a_variable(void **state)
{
    (void)state;
    char variable[CONFIG_VARIABLE_MAX], value[32], says[128];
    unsigned tried = 0;
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        if (!config_key_variable(key, variable) || !is_number(key))
            continue;
        /* Another rule refuses more replicas than there are. */
        int64_t allowed = strcmp(key->path, "redis.wait_replicas") == 0 ? key->min : key->max;
        snprintf(value, sizeof value, "%" PRId64, allowed);
        struct config *c = parse_with(variable, value, nothing);
        assert_int_equal(number_at(c, key), allowed);
        config_unref(c);
        snprintf(value, sizeof value, "%" PRId64, key->max + 1);
        snprintf(says, sizeof says, "%s (%s): must be a whole number", key->path, variable);
        assert_refused(variable, value, says);
        assert_refused(variable, "many", says);
        assert_refused(variable, "1.5", says);
        tried++;
    }
    assert_true(tried > 15);
}

static void switches_delays_and_texts(void **state)
{
    (void)state;
    struct config *c = parse_with("HOOKPACE_RECEIVER_PROXY_PROTOCOL", "true", nothing);
    assert_true(c->receiver.proxy_protocol);
    config_unref(c);
    c = parse_with("HOOKPACE_DELAY_MS", "300", nothing);
    assert_int_equal(c->delay_ms, 300);
    config_unref(c);
    c = parse_with("HOOKPACE_LOG_EVENTS", "failures", nothing);
    assert_int_equal(c->log_events, LOG_EVENTS_FAILURES);
    config_unref(c);
    c = parse_with("HOOKPACE_REDIS_PREFIX", "other", nothing);
    assert_string_equal(c->redis.prefix, "other");
    config_unref(c);
    assert_refused(
        "HOOKPACE_RECEIVER_PROXY_PROTOCOL", "yes",
        "receiver.proxy_protocol (HOOKPACE_RECEIVER_PROXY_PROTOCOL): must be true or false");
    assert_refused("HOOKPACE_DELAY_MS", "75", "delay_ms (HOOKPACE_DELAY_MS): 75 is not allowed");
    assert_refused("HOOKPACE_SECRETS_KEY", "no key of 32 bytes",
                   "secrets_key (HOOKPACE_SECRETS_KEY): is not a key");
    assert_refused("HOOKPACE_LISTEN", "nowhere", "receiver.listen (HOOKPACE_LISTEN): must be");
    assert_refused("HOOKPACE_REDIS_URL", "http://h", "redis.url (HOOKPACE_REDIS_URL): must be");
    assert_refused("HOOKPACE_LOG_EVENTS", "fialures", "did you mean \"failures\"?");
    assert_refused("HOOKPACE_REDIS_PREFIX", "a\xff",
                   "(HOOKPACE_REDIS_PREFIX): must be text (UTF-8)");
    assert_refused("HOOKPACE_RECEIVER_THREADS", "\xff",
                   "(HOOKPACE_RECEIVER_THREADS): must be text");
    assert_refused("HOOKPACE_RECEIVER_THREADS", "env:HOOKPACE_TEST_NONE",
                   "HOOKPACE_TEST_NONE is not set");
}

static void a_variable_wins_over_the_file(void **state)
{
    (void)state;
    static const char text[] =
        "{\"receiver\":{\"threads\":\"wrong\"},\"sources\":{},\"destinations\":{}}";
    struct config *c = parse_with("HOOKPACE_RECEIVER_THREADS", "3", text);
    assert_int_equal(c->receiver.threads, 3);
    config_unref(c);
    setenv("HOOKPACE_TEST_THREADS", "5\n", 1);
    c = parse_with("HOOKPACE_RECEIVER_THREADS", "env:HOOKPACE_TEST_THREADS", text);
    assert_int_equal(c->receiver.threads, 5);
    config_unref(c);
    unsetenv("HOOKPACE_TEST_THREADS");
    c = parse_with("HOOKPACE_RECEIVER_THREADS", "",
                   nothing); /* as a compose file hands on what is not set */
    assert_int_equal(c->receiver.threads, 1);
    config_unref(c);
}

/* The short name wins over the long one. */
static void a_short_name_wins(void **state)
{
    (void)state;
    setenv("HOOKPACE_RECEIVER_LISTEN", "h:1", 1);
    struct config *c = parse_with("HOOKPACE_LISTEN", "h:2", nothing);
    assert_string_equal(c->receiver.listen, "h:2");
    config_unref(c);
    c = parse_with("HOOKPACE_LISTEN", "", nothing);
    assert_string_equal(c->receiver.listen, "h:1");
    config_unref(c);
    unsetenv("HOOKPACE_RECEIVER_LISTEN");
}

static void no_variable_has_two_meanings(void **state)
{
    (void)state;
    static const char *const taken[] = {
        "HOOKPACE_CONFIG", "HOOKPACE_URL",        "HOOKPACE_LOGIN",
        "HOOKPACE_LOG",    "HOOKPACE_LOG_FORMAT", "HOOKPACE_DEMO",
        "HOOKPACE_PORT",   "HOOKPACE_BUILD",      "HOOKPACE_CORE_DUMPS"};
    char one[CONFIG_VARIABLE_MAX], other[CONFIG_VARIABLE_MAX];
    for (size_t i = 0; i < config_key_count; i++) {
        if (!config_key_variable(&config_keys[i], one))
            continue;
        assert_true(strlen(one) + 1 < CONFIG_VARIABLE_MAX);
        for (size_t j = 0; j < sizeof taken / sizeof *taken; j++)
            assert_string_not_equal(one, taken[j]);
        /* Kubernetes sets HOOKPACE_<SERVICE>_PORT and HOOKPACE_<SERVICE>_SERVICE_HOST in each container. */
        assert_null(strstr(one, "_PORT"));
        assert_null(strstr(one, "_SERVICE"));
        for (size_t j = i + 1; j < config_key_count; j++)
            if (config_key_variable(&config_keys[j], other))
                assert_string_not_equal(one, other);
    }
}

static void keys_of_named_objects_have_none(void **state)
{
    (void)state;
    char variable[CONFIG_VARIABLE_MAX];
    for (size_t i = 0; i < config_key_count; i++) {
        struct slice path = slice_str(config_keys[i].path);
        if (strchr(path.ptr, '*') || slice_starts(path, SLICE_LIT("delivery.")) ||
            slice_starts(path, SLICE_LIT("scheme.")) || slice_starts(path, SLICE_LIT("tls.")))
            assert_false(config_key_variable(&config_keys[i], variable));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_number_has_a_variable),
        cmocka_unit_test(switches_delays_and_texts),
        cmocka_unit_test(a_variable_wins_over_the_file),
        cmocka_unit_test(a_short_name_wins),
        cmocka_unit_test(no_variable_has_two_meanings),
        cmocka_unit_test(keys_of_named_objects_have_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
