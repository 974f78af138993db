#include "common/ops/login.h"

#include "common/base/text.h"
#include "common/config/config.h"
#include "common/ops/router.h"
#include "receiver/accounts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* The password of acme is "pässwörd" in UTF-8, that of beta holds colons. */
static struct config *accounts(void)
{
    struct config *conf = NULL;
    struct config_problems problems;
    config_problems_init(&problems);
    enum err rc =
        config_parse(SLICE_LIT("{\"sources\":{},\"destinations\":{},\"accounts\":{\"acme\":{"
                               "\"password\":\"p\\u00e4ssw\\u00f6rd\"},"
                               "\"beta\":{\"password\":\"a:b:c:d:e:f\",\"role\":\"admin\"}}}"),
                     "test", &conf, &problems);
    if (rc != OK)
        fail_msg("%.*s", (int)problems.text.len, problems.text.ptr);
    config_problems_clear(&problems);
    return conf;
}

struct asked {
    struct login_guard *guard;
    struct config *conf;
    const struct config_account *account;
    struct addr peer;
    mono_us now;
    unsigned retry_s;
};

static int setup(void **state)
{
    static struct asked a;
    a = (struct asked){.guard = login_guard_new(),
                       .conf = accounts(),
                       .peer = {.ip = {192, 0, 2, 1}, .family = 4},
                       .now = 1000000};
    *state = &a;
    return 0;
}

static int teardown(void **state)
{
    struct asked *a = *state;
    login_guard_free(a->guard);
    config_unref(a->conf);
    return 0;
}

static bool find_account(void *ctx, struct slice credentials, struct caller *who)
{
    return accounts_find(ctx, credentials, who);
}

static enum login_verdict ask(struct asked *a, const char *header)
{
    struct caller who = {0};
    struct login_book book = {find_account, a->conf};
    struct login_result r = login_check(a->guard, &book, &a->peer, slice_str(header), a->now, &who);
    enum login_verdict v = r.verdict;
    a->retry_s = r.retry_s;
    assert_true((v == LOGIN_LIMITED) == (r.retry_s > 0));
    a->account = who.account;
    if (v == LOGIN_OK)
        assert_int_equal(who.role, a->account->role == ACCOUNT_ADMIN ? ROLE_ADMIN : ROLE_USER);
    return v;
}

/* LOGIN is "name:password". */
static enum login_verdict log_in(struct asked *a, const char *login)
{
    char header[256] = "Basic ";
    size_t n = text_base64(login, strlen(login), header + 6);
    header[6 + n] = '\0';
    return ask(a, header);
}

static void right_ones(void **state)
{
    struct asked *a = *state;
    assert_int_equal(log_in(a, "acme:p\xc3\xa4ssw\xc3\xb6rd"), LOGIN_OK);
    assert_string_equal(a->account->name, "acme");
    assert_int_equal(log_in(a, "acme:p\xe4ssw\xf6rd"), LOGIN_OK); /* as btoa sends it */
    assert_string_equal(a->account->name, "acme");
    assert_int_equal(log_in(a, "beta:a:b:c:d:e:f"), LOGIN_OK);
    assert_string_equal(a->account->name, "beta");
    assert_int_equal(ask(a, "basic YmV0YTphOmI6YzpkOmU6Zg=="), LOGIN_OK);
    assert_int_equal(ask(a, "BASIC  YmV0YTphOmI6YzpkOmU6Zg== "), LOGIN_OK);
}

static void wrong_ones(void **state)
{
    struct asked *a = *state;
    const char *const logins[] = {"beta:a:b:c:d:e",
                                  "beta:a:b:c:d:e:f ",
                                  "beta:a:b:c:d:e:F",
                                  "Beta:a:b:c:d:e:f",
                                  "acme:a:b:c:d:e:f",
                                  ":a:b:c:d:e:f",
                                  "beta:",
                                  "beta",
                                  ":",
                                  "acme:pa\xcc\x88sswo",
                                  "nobody:password",
                                  "beta a:b:c:d:e:f"};
    const char *const headers[] = {"Basic",
                                   "Basic ",
                                   "Basic ====",
                                   "Basic YmV0YTphOmI6YzpkOmU6Zg== x",
                                   "Bearer YmV0YTphOmI6YzpkOmU6Zg==",
                                   "BasicYmV0YTphOmI6YzpkOmU6Zg==",
                                   "YmV0YTphOmI6YzpkOmU6Zg=="};
    for (size_t i = 0; i < sizeof logins / sizeof *logins; i++) {
        a->now += 10 * GUESS_US;
        assert_int_equal(log_in(a, logins[i]), LOGIN_WRONG);
        assert_null(a->account);
    }
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        a->now += 10 * GUESS_US;
        assert_int_equal(ask(a, headers[i]), LOGIN_WRONG);
        assert_null(a->account);
    }
}

static void guesses_are_limited(void **state)
{
    struct asked *a = *state;
    for (int i = 0; i < 2 * GUESSES; i++)
        assert_int_equal(ask(a, ""), LOGIN_WRONG); /* no login is no guess */
    for (int i = 0; i < GUESSES; i++)
        assert_int_equal(log_in(a, "beta:x"), LOGIN_WRONG);
    assert_int_equal(log_in(a, "beta:x"), LOGIN_LIMITED);
    assert_int_equal(log_in(a, "beta:a:b:c:d:e:f"), LOGIN_LIMITED);

    a->peer.ip[3] = 2;
    assert_int_equal(log_in(a, "beta:a:b:c:d:e:f"), LOGIN_OK);
    a->peer.ip[3] = 1;
    a->peer.port = 4711;
    assert_int_equal(log_in(a, "beta:a:b:c:d:e:f"), LOGIN_LIMITED);

    a->now += GUESS_US;
    assert_int_equal(log_in(a, "beta:x"), LOGIN_WRONG);
    assert_int_equal(log_in(a, "beta:x"), LOGIN_LIMITED);
    a->now += GUESS_US;
    assert_int_equal(log_in(a, "beta:a:b:c:d:e:f"), LOGIN_OK);
}

static void a_network_of_ipv6_is_one_guesser(void **state)
{
    struct asked *a = *state;
    a->peer = (struct addr){.ip = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 1}, .family = 6};
    for (int i = 0; i < GUESSES; i++) {
        a->peer.ip[15] = (unsigned char)i;
        assert_int_equal(log_in(a, "beta:x"), LOGIN_WRONG);
    }
    assert_int_equal(log_in(a, "beta:x"), LOGIN_LIMITED);
    a->peer.ip[7] = 2;
    assert_int_equal(log_in(a, "beta:x"), LOGIN_WRONG);
}

/* Behind one address, a proxy say. */
static void a_name_is_not_limited_by_the_mistakes_of_others(void **state)
{
    struct asked *a = *state;
    for (int i = 0; i < 2 * GUESSES; i++)
        assert_int_equal(log_in(a, "acme:x"), i < GUESSES ? LOGIN_WRONG : LOGIN_LIMITED);
    assert_int_equal(a->retry_s, 1);
    assert_int_equal(log_in(a, "beta:a:b:c:d:e:f"), LOGIN_OK);
    assert_int_equal(log_in(a, "acme:p\xc3\xa4ssw\xc3\xb6rd"), LOGIN_LIMITED);
    for (int i = 0; i < 2 * GUESSES; i++)
        assert_int_equal(ask(a, "Bearer x"), i < GUESSES ? LOGIN_WRONG : LOGIN_LIMITED);
    assert_int_equal(log_in(a, "beta:a:b:c:d:e:f"), LOGIN_OK);
}

/* Returns how many of COUNT logins as names that do not exist, numbered from FROM, were checked. */
static int guess_names(struct asked *a, int from, int count, int times)
{
    int checked = 0;
    for (int i = from; i < from + count; i++) {
        char login[32];
        snprintf(login, sizeof login, "name%d:x", i);
        for (int t = 0; t < times; t++)
            checked += log_in(a, login) == LOGIN_WRONG;
    }
    return checked;
}

static void many_names_of_one_address_are_limited_and_lock_out_no_other(void **state)
{
    struct asked *a = *state;
    assert_int_equal(guess_names(a, 0, 10, GUESSES),
                     ADDRESS_GUESSES);                      /* the address has them all */
    assert_int_equal(guess_names(a, 100, 50, GUESSES), 50); /* from now on one for each name */
    assert_int_equal(guess_names(a, 100, 50, GUESSES), 0);
    assert_int_equal(a->retry_s, STRICT_GUESS_US / 1000000);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(log_in(a, "beta:a:b:c:d:e:f"), LOGIN_OK);
        assert_int_equal(log_in(a, "acme:p\xc3\xa4ssw\xc3\xb6rd"), LOGIN_OK);
    }
    assert_int_equal(log_in(a, "beta:x"), LOGIN_WRONG);
    assert_int_equal(log_in(a, "beta:a:b:c:d:e:f"), LOGIN_LIMITED); /* a mistake of its own */

    a->peer.ip[3] = 2; /* other addresses are not affected */
    assert_int_equal(guess_names(a, 100, 1, GUESSES), GUESSES);
    a->peer.ip[3] = 1;
    a->now += STRICT_GUESS_US;
    assert_int_equal(log_in(a, "beta:a:b:c:d:e:f"), LOGIN_OK);
    a->now += ADDRESS_GUESSES * ADDRESS_GUESS_US; /* all is forgotten */
    assert_int_equal(guess_names(a, 100, 1, GUESSES), GUESSES);
}

/* A flood of names must not reset the count of a name that is being guessed. */
static void a_flood_of_names_pushes_no_guessed_name_out(void **state)
{
    struct asked *a = *state;
    for (int i = 0; i < GUESSES; i++)
        assert_int_equal(log_in(a, "beta:x"), LOGIN_WRONG);
    guess_names(a, 0, 20000, 1);
    assert_int_equal(log_in(a, "beta:a:b:c:d:e:f"), LOGIN_LIMITED);
}

static void many_addresses_take_no_more_memory(void **state)
{
    struct asked *a = *state;
    for (unsigned i = 0; i < 20000; i++) {
        a->peer.ip[1] = (unsigned char)(i >> 16);
        a->peer.ip[2] = (unsigned char)(i >> 8);
        a->peer.ip[3] = (unsigned char)i;
        assert_int_equal(log_in(a, "beta:x"), LOGIN_WRONG);
    }
    assert_int_equal(log_in(a, "beta:a:b:c:d:e:f"), LOGIN_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(right_ones, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_ones, setup, teardown),
        cmocka_unit_test_setup_teardown(guesses_are_limited, setup, teardown),
        cmocka_unit_test_setup_teardown(a_network_of_ipv6_is_one_guesser, setup, teardown),
        cmocka_unit_test_setup_teardown(a_name_is_not_limited_by_the_mistakes_of_others, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(many_names_of_one_address_are_limited_and_lock_out_no_other,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_flood_of_names_pushes_no_guessed_name_out, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(many_addresses_take_no_more_memory, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
