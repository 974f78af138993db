#include "dispatcher/engine/outcome.h"

#include <assert.h>

#define STATUS_TOO_MANY 429
#define STATUS_UNAVAILABLE 503
#define TOLD_MIN_MS 1000 /* "Retry-After: 0" names no time to wait for */

struct end_row {
    enum settle_verdict verdict;
    bool unreachable;
    int64_t wait_ms;
};

static const struct end_row rows[ATTEMPT_END_COUNT] = {
    /* the status decides */
    [END_ANSWERED] = {SETTLE_DONE, false, 0},
    /* the host could not be reached */
    [END_DNS_NOT_FOUND] = {SETTLE_RETRY, true, 0},
    [END_DNS_FAILED] = {SETTLE_RETRY, true, 0},
    [END_CONNECT_REFUSED] = {SETTLE_RETRY, true, 0},
    [END_CONNECT_UNREACHABLE] = {SETTLE_RETRY, true, 0},
    [END_CONNECT_TIMEOUT] = {SETTLE_RETRY, true, 0},
    [END_CONNECT] = {SETTLE_RETRY, true, 0},
    [END_TLS_EXPIRED] = {SETTLE_RETRY, true, 0},
    [END_TLS_NOT_YET_VALID] = {SETTLE_RETRY, true, 0},
    [END_TLS_HOST] = {SETTLE_RETRY, true, 0},
    [END_TLS_UNTRUSTED] = {SETTLE_RETRY, true, 0},
    [END_TLS_REVOKED] = {SETTLE_RETRY, true, 0},
    [END_TLS_CRL] = {SETTLE_RETRY, true, 0},
    [END_TLS_CLIENT_CERT] = {SETTLE_RETRY, true, 0},
    [END_TLS_VERSION] = {SETTLE_RETRY, true, 0},
    [END_TLS] = {SETTLE_RETRY, true, 0},
    [END_PROXY_DNS] = {SETTLE_RETRY, true, 0},
    [END_PROXY_CONNECT] = {SETTLE_RETRY, true, 0},
    [END_PROXY_REFUSED] = {SETTLE_RETRY, true, 0},
    [END_PROXY] = {SETTLE_RETRY, true, 0},
    /* the request left and no status came back */
    [END_TIMEOUT] = {SETTLE_RETRY, false, 0},
    [END_CLOSED] = {SETTLE_RETRY, false, 0},
    [END_UNKNOWN] = {SETTLE_RETRY, false, 0},
    [END_BAD_RESPONSE] = {SETTLE_RETRY, false, 0},
    /* a fetch was answered 2xx, but not with a result */
    [END_NOT_READY] = {SETTLE_RETRY, false, 0},
    [END_NO_RESULT] = {SETTLE_RETRY, false, 0},
    [END_BAD_RESULT] = {SETTLE_RETRY, false, 0},
    [END_TOO_LARGE] = {SETTLE_DEAD, false, 0},
    /* refused here; another attempt would be refused too */
    [END_BLOCKED] = {SETTLE_DEAD, false, 0},
    [END_BAD_URL] = {SETTLE_DEAD, false, 0},
    [END_BAD_BODY] = {SETTLE_DEAD, false, 0},
    [END_SECRET] = {SETTLE_RETRY, false, 0}, /* the operator may give the key back */
    /* not the destination's fault: the attempt is given back */
    [END_WINDOW_OVER] = {SETTLE_RELEASE, false, 0},
    [END_TOO_EARLY] = {SETTLE_RELEASE, false, 1},
    [END_DRAINING] = {SETTLE_RELEASE, false, 0},
    [END_ORIGIN_WAITS] = {SETTLE_RELEASE, false, 0},
    [END_NO_ROOM] = {SETTLE_RELEASE, false, 0}, /* its holder is claimed for when there is room */
    [END_LOCAL] = {SETTLE_RELEASE, false, 500},
    [END_QUEUE] = {SETTLE_DEFER, false, 1000},
    [END_UNCONFIGURED] = {SETTLE_UNKNOWN, false, 0},
    [END_NEXT_UNCONFIGURED] = {SETTLE_DEFER, false, 60000},
    [END_UNREADABLE] = {SETTLE_DEFER, false, 60000},
};

static enum settle_verdict verdict_of_answer(const struct attempt_facts *a)
{
    if (a->status >= 200 && a->status <= 299)
        return SETTLE_DONE;
    if (a->give_up_on && status_set_has(a->give_up_on, a->status))
        return SETTLE_DEAD;
    bool asks =
        a->status == STATUS_TOO_MANY || (a->status == STATUS_UNAVAILABLE && a->retry_after_ms >= 0);
    return asks ? SETTLE_WAIT : SETTLE_RETRY;
}

struct outcome outcome_judge(const struct attempt_facts *a)
{
    assert(a->end > END_NONE && a->end < ATTEMPT_END_COUNT);
    const struct end_row *row = &rows[a->end];
    enum settle_verdict failed = a->attempt_left ? SETTLE_RETRY : SETTLE_DEAD;
    struct outcome o = {.verdict = row->verdict,
                        .counted = failed,
                        .unreachable = row->unreachable,
                        .wait_ms = row->wait_ms};
    if (a->end == END_ANSWERED)
        o.verdict = verdict_of_answer(a);
    if (o.verdict == SETTLE_RETRY)
        o.verdict = failed;
    if (o.verdict == SETTLE_WAIT)
        o.told_ms = a->retry_after_ms >= TOLD_MIN_MS ? a->retry_after_ms : 0;
    if (o.verdict != SETTLE_DONE)
        attempt_error(a->end, a->status, o.error);
    return o;
}

const char *outcome_verdict_word(enum settle_verdict v)
{
    static const char *const words[] = {
        [SETTLE_DONE] = "done",       [SETTLE_RETRY] = "retry", [SETTLE_DEAD] = "dead",
        [SETTLE_RELEASE] = "release", [SETTLE_DEFER] = "defer", [SETTLE_WAIT] = "wait",
        [SETTLE_UNKNOWN] = "defer"};
    assert((unsigned)v < sizeof words / sizeof words[0]);
    return words[v];
}
