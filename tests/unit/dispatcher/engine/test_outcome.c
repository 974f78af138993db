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
    {END_ANSWERED, 429, SETTLE_WAIT, SETTLE_WAIT, false, "http_429"},
    {END_ANSWERED, 500, SETTLE_RETRY, SETTLE_DEAD, false, "http_500"},
    {END_ANSWERED, 503, SETTLE_RETRY, SETTLE_DEAD, false, "http_503"},
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
    {END_ORIGIN_WAITS, 0, SETTLE_RELEASE, SETTLE_RELEASE, false, "origin_waits"},
    {END_DRAINING, 0, SETTLE_RELEASE, SETTLE_RELEASE, false, "draining"},
    {END_NO_ROOM, 0, SETTLE_RELEASE, SETTLE_RELEASE, false, "no_room"},
    {END_LOCAL, 0, SETTLE_RELEASE, SETTLE_RELEASE, false, "local_error"},
    {END_UNCONFIGURED, 0, SETTLE_UNKNOWN, SETTLE_UNKNOWN, false, "unconfigured"},
    {END_NEXT_UNCONFIGURED, 0, SETTLE_DEFER, SETTLE_DEFER, false, "next_unconfigured"},
    {END_SECRET, 0, SETTLE_RETRY, SETTLE_DEAD, false, "secret_unreadable"},
    {END_UNREADABLE, 0, SETTLE_DEFER, SETTLE_DEFER, false, "unreadable"},
};

static struct outcome judge(enum attempt_end end, int status, bool attempt_left)
{
    static const struct status_set gone = {{UINT64_C(1) << (410 - STATUS_SET_MIN)}};
    struct attempt_facts a = {.end = end,
                              .status = status,
                              .retry_after_ms = -1,
                              .attempt_left = attempt_left,
                              .give_up_on = &gone};
    return outcome_judge(&a);
}

static struct outcome judge_answer(int status, int64_t retry_after_ms,
                                   const struct status_set *give_up_on)
{
    struct attempt_facts a = {.end = END_ANSWERED,
                              .status = status,
                              .retry_after_ms = retry_after_ms,
                              .attempt_left = true,
                              .give_up_on = give_up_on};
    return outcome_judge(&a);
}

static void who_asks_for_time_gets_it(void **state)
{
    (void)state;
    static const struct {
        int status;
        int64_t after_ms, told_ms; /* -1: it is no request to wait */
    } waits[] = {{429, -1, 0},      {429, 0, 0},    {429, 999, 0}, {429, 1000, 1000},
                 {429, 7000, 7000}, {503, -1, -1},  {503, 0, 0},   {503, 2000, 2000},
                 {500, 2000, -1},   {301, 2000, -1}};
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        struct outcome o = judge_answer(waits[i].status, waits[i].after_ms, NULL);
        assert_int_equal(o.verdict, waits[i].told_ms < 0 ? SETTLE_RETRY : SETTLE_WAIT);
        assert_int_equal(o.told_ms, waits[i].told_ms < 0 ? 0 : waits[i].told_ms);
        assert_int_equal(o.counted, SETTLE_RETRY);
    }
    assert_int_equal(judge(END_ANSWERED, 429, false).counted, SETTLE_DEAD);
}

static void gives_up_on_listed_statuses(void **state)
{
    (void)state;
    struct status_set some = {{0}};
    status_set_add(&some, 400);
    status_set_add(&some, 429);
    status_set_add(&some, 599);
    assert_int_equal(judge_answer(400, -1, &some).verdict, SETTLE_DEAD);
    assert_int_equal(judge_answer(429, 1000, &some).verdict, SETTLE_DEAD);
    assert_int_equal(judge_answer(599, -1, &some).verdict, SETTLE_DEAD);
    assert_int_equal(judge_answer(410, -1, &some).verdict, SETTLE_RETRY);
    for (int status = 0; status < 1000; status++)
        assert_int_equal(status_set_has(&some, status),
                         status == 400 || status == 429 || status == 599);
}

static void judges_every_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *row = &rows[i];
        struct outcome left = judge(row->end, row->status, true);
        struct outcome spent = judge(row->end, row->status, false);
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
    assert_int_equal(judge(END_NEXT_UNCONFIGURED, 0, true).wait_ms, 60000);
    assert_int_equal(judge(END_UNREADABLE, 0, true).wait_ms, 60000);
    assert_true(judge(END_LOCAL, 0, true).wait_ms > 0);
    assert_int_equal(judge(END_NO_ROOM, 0, true).wait_ms, 0); /* its lane's gap stays */
    assert_int_equal(judge(END_DRAINING, 0, true).wait_ms, 0);
    assert_int_equal(judge(END_DNS_FAILED, 0, true).wait_ms, 0);
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
        cmocka_unit_test(who_asks_for_time_gets_it),
        cmocka_unit_test(gives_up_on_listed_statuses),
        cmocka_unit_test(the_table_above_is_complete),
        cmocka_unit_test(only_releases_wait_by_the_table),
        cmocka_unit_test(verdicts_have_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
