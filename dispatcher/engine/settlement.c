#include "dispatcher/engine/settlement.h"

#include "common/crypto/crypto.h"
#include "dispatcher/engine/targets.h"
#include "dispatcher/pull/fetch.h"

static double random_share(void)
{
    uint32_t r;
    crypto_random(&r, sizeof r);
    return (double)r / (double)UINT32_MAX;
}

static int64_t wait_after(const struct flight *f, const struct outcome *o, int64_t retry_after_ms)
{
    if (o->verdict == SETTLE_RETRY || o->verdict == SETTLE_WAIT)
        return retry_wait_ms(&f->target->schedule, f->delivery->attempt, random_share(),
                             retry_after_ms);
    return f->wait_ms > o->wait_ms ? f->wait_ms : o->wait_ms;
}

/* The URL as the list of failed attempts shows it. Path and query of a configured URL may hold a token, so only scheme and
 * host are shown. */
static struct slice shown_url(const struct flight *f)
{
    if (!f->target)
        return slice_make(NULL, 0);
    struct slice url = buf_slice(&f->request.url);
    return f->target->rules.is_account ? url : url_origin(url);
}

/* The word that an account sees instead of the true one. A name that the dispatcher's network knows and egress closes must
 * look like a name that does not exist. An account whose URL has an address learns nothing from the true word. */
static const char *account_error(const struct flight *f, enum attempt_end end)
{
    bool is_closed_name = f->target && f->target->rules.is_account && end == END_BLOCKED &&
                          !url_has_address(buf_slice(&f->request.url));
    return is_closed_name ? attempt_end_word(END_DNS_NOT_FOUND) : "";
}

struct settlement settlement_of(const struct flight *f, enum attempt_end end,
                                const struct outcome *o, const struct attempt_result *r)
{
    bool is_done_fetch = f->fetch && o->verdict == SETTLE_DONE;
    return (struct settlement){
        .verdict = is_done_fetch && fetch_brought(f->fetch) ? SETTLE_FETCHED : o->verdict,
        .wait_ms = wait_after(f, o, r->retry_after_ms),
        .told_ms = o->told_ms,
        .counted = o->counted,
        .status = r->status,
        .error = slice_str(o->error),
        .detail = r->detail,
        .account_error = slice_str(account_error(f, end)),
        .response = is_done_fetch ? slice_make(NULL, 0) : r->response, /* the new event has it */
        .duration_ms = r->duration_ms,
        .was_sent = f->state == FLIGHT_SENT,
        .unreachable = o->unreachable,
        .url = shown_url(f),
    };
}
