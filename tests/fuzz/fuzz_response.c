/* A downstream's answer, line by line: status, Retry-After, the kept bytes. Dates against strptime. */
#include "common/base/text.h"
#include "dispatcher/transport/response.h"
#include "dispatcher/transport/retry_after.h"
#include "tests/fuzz/fuzz.h"

#include <time.h>

#define NOW INT64_C(1763691349123)

/* Behind the name of the day, which nobody needs. */
static int64_t by_strptime(const char *value)
{
    static const char *const formats[] = {", %d %b %Y %H:%M:%S GMT", ", %d-%b-%y %H:%M:%S GMT",
                                          " %b %d %H:%M:%S %Y"};
    const char *from = strchr(value, ',') ? strchr(value, ',') : strchr(value, ' ');
    for (int i = 0; from && i < 3; i++) {
        struct tm tm = {0};
        const char *end = strptime(from, formats[i], &tm);
        if (end && !*end)
            return (int64_t)timegm(&tm) * 1000;
    }
    return -1;
}

/* libcurl takes the years 69 and 70 for those to come, strptime for those of the past century. */
static bool century_is_open(const char *value)
{
    return strstr(value, "-69 ") || strstr(value, "-70 ");
}

static void retry_after(struct slice value)
{
    int64_t ms = retry_after_ms(value, NOW);
    INSIST(ms >= -1 && ms <= RETRY_AFTER_MAX_MS);
    value = slice_trim(value);
    if (ms < 0 || value.len > 19 + (memchr(value.ptr, ' ', value.len) ? 45 : 0) ||
        memchr(value.ptr, 0, value.len))
        return;
    char z[65] = {0};
    memcpy(z, value.ptr, value.len);
    int64_t want = RETRY_AFTER_MAX_MS;
    if (strspn(z, "0123456789") < value.len)
        want = by_strptime(z) - NOW;
    if (want >= -NOW && strchr(z, ':') &&
        !century_is_open(z)) /* a date, seen from just before it */
        INSIST(retry_after_ms(value, want + NOW - 5000) == 5000);
    else if (strtoull(z, NULL, 10) <= 86400)
        want = (int64_t)strtoull(z, NULL, 10) * 1000;
    want = want < 0 ? 0 : want > RETRY_AFTER_MAX_MS ? RETRY_AFTER_MAX_MS : want;
    INSIST(ms == want || century_is_open(z));
}

static void check(const struct response *r)
{
    INSIST(r->kept_len <= ATTEMPT_RESPONSE_MAX && r->kept_len <= r->body_bytes);
    INSIST(r->headers_done ? r->status >= 200 && r->status <= 999 : r->status == 0);
    struct slice wait = response_retry_after(r);
    INSIST(wait.len <= RETRY_AFTER_BYTES_MAX);
    INSIST(!wait.len || !memchr(wait.ptr, '\n', wait.len));
    INSIST(!text_has_control(response_content_type(r)));
    INSIST(!text_has_control(response_content_encoding(r)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_make(data, size);
    struct fuzz_cuts cuts = {fuzz_byte(&rest)};
    struct response r;
    memset(&r, 0xa5, sizeof r);
    response_reset(&r);
    bool more = true;
    size_t lines = 0;
    while (more && rest.len && !r.headers_done) {
        const char *at = rest.ptr;
        (void)fuzz_line(&rest);
        size_t len = rest.ptr ? (size_t)(rest.ptr - at) : (size_t)((const char *)data + size - at);
        more = response_add_line(&r, slice_make(at, len));
        lines += len;
        INSIST(more == (lines <= RESPONSE_HEADERS_MAX && r.interim <= RESPONSE_INTERIM_MAX));
        check(&r);
    }
    int status = r.status;
    struct slice body = rest;
    while (more && rest.len) {
        more = response_add_body(&r, fuzz_piece(&cuts, &rest));
        check(&r);
        INSIST(r.status == status);
    }
    INSIST(!r.kept_len || memcmp(r.kept, body.ptr, r.kept_len) == 0);
    if (r.headers_done) { /* a trailer changes nothing */
        size_t kept = r.retry_after_len;
        response_add_line(&r, SLICE_LIT("Retry-After: 7\r\n"));
        INSIST(r.retry_after_len == kept);
        retry_after(response_retry_after(&r));
    }
    struct slice all = slice_make(data, size);
    retry_after(fuzz_line(&all));
    return 0;
}
