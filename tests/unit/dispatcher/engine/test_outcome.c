#include "dispatcher/engine/outcome.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct row {
    enum attempt_end end;
    int status;
    enum settle_verdict left, spent; /* with and without an attempt left */
    bool unreachable;
    const char *error;
};

static const struct row rows[] = {
    {END_ANSWERED, 200, SETTLE_DONE, SETTLE_DONE, false, ""},
    {END_ANSWERED, 204, SETTLE_DONE, SETTLE_DONE, false, ""},
    {END_ANSWERED, 299, SETTLE_DONE, SETTLE_DONE, false, ""},
    {END_ANSWERED, 300, SETTLE_RETRY, SETTLE_DEAD, false, "http_300"},
    {END_ANSWERED, 301, SETTLE_RETRY, SETTLE_DEAD, false, "http_301"},
    {END_ANSWERED, 307, SETTLE_RETRY, SETTLE_DEAD, false, "http_307"},
    {END_ANSWERED, 400, SETTLE_RETRY, SETTLE_DEAD, false, "http_400"},
    {END_ANSWERED, 404, SETTLE_RETRY, SETTLE_DEAD, false, "http_404"},
    {END_ANSWERED, 410, SETTLE_DEAD, SETTLE_DEAD, false, "http_410"},
    {END_ANSWERED, 429, SETTLE_RETRY, SETTLE_DEAD, false, "http_429"},
    {END_ANSWERED, 500, SETTLE_RETRY, SETTLE_DEAD, false, "http_500"},
    {END_ANSWERED, 599, SETTLE_RETRY, SETTLE_DEAD, false, "http_599"},
    {END_ANSWERED, 999, SETTLE_RETRY, SETTLE_DEAD, false, "http_999"},
    {END_DNS_NOT_FOUND, 0, SETTLE_RETRY, SETTLE_DEAD, true, "dns_not_found"},
    {END_DNS_FAILED, 0, SETTLE_RETRY, SETTLE_DEAD, true, "dns_failed"},
    {END_CONNECT_REFUSED, 0, SETTLE_RETRY, SETTLE_DEAD, true, "connect_refused"},
    {END_CONNECT_UNREACHABLE, 0, SETTLE_RETRY, SETTLE_DEAD, true, "connect_unreachable"},
    {END_CONNECT_TIMEOUT, 0, SETTLE_RETRY, SETTLE_DEAD, true, "connect_timeout"},
    {END_CONNECT, 0, SETTLE_RETRY, SETTLE_DEAD, true, "connect"},
    {END_TLS_EXPIRED, 0, SETTLE_RETRY, SETTLE_DEAD, true, "tls_expired"},
    {END_TLS_NOT_YET_VALID, 0, SETTLE_RETRY, SETTLE_DEAD, true, "tls_not_yet_valid"},
    {END_TLS_HOST, 0, SETTLE_RETRY, SETTLE_DEAD, true, "tls_host"},
    {END_TLS_UNTRUSTED, 0, SETTLE_RETRY, SETTLE_DEAD, true, "tls_untrusted"},
    {END_TLS_REVOKED, 0, SETTLE_RETRY, SETTLE_DEAD, true, "tls_revoked"},
    {END_TLS_CRL, 0, SETTLE_RETRY, SETTLE_DEAD, true, "tls_crl"},
    {END_TLS_CLIENT_CERT, 0, SETTLE_RETRY, SETTLE_DEAD, true, "tls_client_cert"},
    {END_TLS_VERSION, 0, SETTLE_RETRY, SETTLE_DEAD, true, "tls_version"},
    {END_TLS, 0, SETTLE_RETRY, SETTLE_DEAD, true, "tls"},
    {END_PROXY_DNS, 0, SETTLE_RETRY, SETTLE_DEAD, true, "proxy_dns"},
    {END_PROXY_CONNECT, 0, SETTLE_RETRY, SETTLE_DEAD, true, "proxy_connect"},
    {END_PROXY_REFUSED, 0, SETTLE_RETRY, SETTLE_DEAD, true, "proxy_refused"},
    {END_PROXY, 0, SETTLE_RETRY, SETTLE_DEAD, true, "proxy"},
    {END_TIMEOUT, 0, SETTLE_RETRY, SETTLE_DEAD, false, "timeout"},
    {END_CLOSED, 0, SETTLE_RETRY, SETTLE_DEAD, false, "closed"},
    {END_UNKNOWN, 0, SETTLE_RETRY, SETTLE_DEAD, false, "unknown"},
    {END_BAD_RESPONSE, 0, SETTLE_RETRY, SETTLE_DEAD, false, "bad_response"},
    {END_NOT_READY, 0, SETTLE_RETRY, SETTLE_DEAD, false, "not_ready"},
    {END_NO_RESULT, 40401, SETTLE_RETRY, SETTLE_DEAD, false, "task_40401"},
    {END_BAD_RESULT, 0, SETTLE_RETRY, SETTLE_DEAD, false, "bad_result"},
    {END_TOO_LARGE, 0, SETTLE_DEAD, SETTLE_DEAD, false, "too_large"},
    {END_QUEUE, 0, SETTLE_DEFER, SETTLE_DEFER, false, "queue_unavailable"},
    {END_BLOCKED, 0, SETTLE_DEAD, SETTLE_DEAD, false, "blocked_address"},
    {END_BAD_URL, 0, SETTLE_DEAD, SETTLE_DEAD, false, "bad_url"},
    {END_BAD_BODY, 0, SETTLE_DEAD, SETTLE_DEAD, false, "bad_body"},
    {END_WINDOW_OVER, 0, SETTLE_RELEASE, SETTLE_RELEASE, false, "window_over"},
    {END_TOO_EARLY, 0, SETTLE_RELEASE, SETTLE_RELEASE, false, "too_early"},
    {END_DRAINING, 0, SETTLE_RELEASE, SETTLE_RELEASE, false, "draining"},
    {END_NO_ROOM, 0, SETTLE_RELEASE, SETTLE_RELEASE, false, "no_room"},
    {END_LOCAL, 0, SETTLE_RELEASE, SETTLE_RELEASE, false, "local_error"},
    {END_UNCONFIGURED, 0, SETTLE_DEFER, SETTLE_DEFER, false, "unconfigured"},
    {END_UNREADABLE, 0, SETTLE_DEFER, SETTLE_DEFER, false, "unreadable"},
};

static void judges_every_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *row = &rows[i];
        struct outcome left = outcome_judge(row->end, row->status, true);
        struct outcome spent = outcome_judge(row->end, row->status, false);
        assert_string_equal(left.error, row->error);
        assert_string_equal(spent.error, row->error);
        assert_int_equal(left.verdict, row->left);
        assert_int_equal(spent.verdict, row->spent);
        assert_int_equal(left.unreachable, row->unreachable);
    }
}

static void the_table_above_is_complete(void **state)
{
    (void)state;
    bool seen[ATTEMPT_END_COUNT] = {false};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        seen[rows[i].end] = true;
    for (int i = END_NONE + 1; i < ATTEMPT_END_COUNT; i++)
        assert_true(seen[i]);
}

static void only_releases_wait_by_the_table(void **state)
{
    (void)state;
    assert_int_equal(outcome_judge(END_UNCONFIGURED, 0, true).wait_ms, 5000);
    assert_int_equal(outcome_judge(END_UNREADABLE, 0, true).wait_ms, 60000);
    assert_true(outcome_judge(END_LOCAL, 0, true).wait_ms > 0);
    assert_true(outcome_judge(END_NO_ROOM, 0, true).wait_ms > 0);
    assert_int_equal(outcome_judge(END_DRAINING, 0, true).wait_ms, 0);
    assert_int_equal(outcome_judge(END_DNS_FAILED, 0, true).wait_ms, 0);
}

static void verdicts_have_words(void **state)
{
    (void)state;
    assert_string_equal(outcome_verdict_word(SETTLE_DONE), "done");
    assert_string_equal(outcome_verdict_word(SETTLE_RETRY), "retry");
    assert_string_equal(outcome_verdict_word(SETTLE_DEAD), "dead");
    assert_string_equal(outcome_verdict_word(SETTLE_RELEASE), "release");
    assert_string_equal(outcome_verdict_word(SETTLE_DEFER), "defer");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judges_every_end),
        cmocka_unit_test(the_table_above_is_complete),
        cmocka_unit_test(only_releases_wait_by_the_table),
        cmocka_unit_test(verdicts_have_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
