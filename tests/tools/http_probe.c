/* http_probe - common/net/http_server alone, for tests and scripts/bench-http.
 *
 * GET /healthz  200 "ok"          POST /echo  200 with the body's length and a checksum
 * POST /early   401 in on_request POST /small 413 above 10 bytes (a ceiling of the handler's)
 * GET /slow     200 after 300 ms  GET /big?n  200 with n bytes
 * GET /headers  200 with the request's headers, one a line
 * POST /charge  503 overloaded once the budget is spent; holds its bytes until the answer
 * POST /hold    never answers     anything else: 404, and 405 for methods but GET, HEAD and POST
 * SIGTERM drains, a second one ends at once; SIGHUP reads the certificate again.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/net/http_server.h"
#include "common/net/loop.h"
#include "common/net/tls.h"

struct probe {
    struct loop *loop;
    struct http_server *server;
    struct http_budget budget;
    struct tls_server *tls;
    const char *cert, *key;
    unsigned gone;
    bool draining;
};

struct work { /* one request that is not answered at once */
    struct probe *probe;
    struct http_request *request;
    struct loop_timer *timer;
    uint64_t length, sum;
    bool charge;
};

static void work_free(struct work *w)
{
    loop_timer_free(w->timer);
    free(w);
}

static void answer_text(struct http_request *r, struct slice text)
{
    http_answer(r, 200, SLICE_LIT("text/plain"), (struct slice){NULL, 0}, text, false);
}

static void answer_error(struct http_request *r, int status, const char *code)
{
    http_answer_error(r, status, (struct slice){NULL, 0}, code, "said the probe");
}

static void on_slow(void *ctx)
{
    struct work *w = ctx;
    struct http_request *r = w->request;
    work_free(w);
    answer_text(r, SLICE_LIT("slow\n"));
}

static struct work *work_start(struct probe *p, struct http_request *r)
{
    struct work *w = NEW(struct work);
    w->probe = p;
    w->request = r;
    http_set_ctx(r, w);
    return w;
}

static void answer_big(struct http_request *r)
{
    uint64_t n = 0;
    if (text_u64(http_query(r), 1 << 26, &n) != OK)
        n = 0;
    char *bytes = xcalloc((size_t)n + 1, 1);
    memset(bytes, 'x', (size_t)n);
    answer_text(r, slice_make(bytes, (size_t)n));
    free(bytes);
}

static void answer_headers(struct http_request *r)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    for (size_t i = 0; i < http_header_count(r); i++) {
        struct slice name, value;
        http_header_at(r, i, &name, &value);
        buf_add_slice(&b, name);
        buf_add_char(&b, '=');
        buf_add_slice(&b, value);
        buf_add_char(&b, '\n');
    }
    answer_text(r, buf_slice(&b));
    buf_clear(&b);
}

static void on_post(struct probe *p, struct http_request *r, struct slice path)
{
    if (slice_eq(path, SLICE_LIT("/early"))) {
        answer_error(r, 401, "invalid_signature");
        return;
    }
    if (http_has_no_length(r)) {
        answer_error(r, 411, "length_required");
        return;
    }
    struct work *w = work_start(p, r);
    w->charge = slice_eq(path, SLICE_LIT("/charge"));
    http_read_body(r, slice_eq(path, SLICE_LIT("/small")) ? 10 : 0);
}

static void on_get(struct probe *p, struct http_request *r, struct slice path)
{
    if (slice_eq(path, SLICE_LIT("/healthz"))) {
        answer_text(r, SLICE_LIT("ok\n"));
    } else if (slice_eq(path, SLICE_LIT("/headers"))) {
        answer_headers(r);
    } else if (slice_eq(path, SLICE_LIT("/big"))) {
        answer_big(r);
    } else if (slice_eq(path, SLICE_LIT("/slow"))) {
        struct work *w = work_start(p, r);
        w->timer = loop_timer_new(p->loop, on_slow, w);
    } else {
        answer_error(r, 404, "unknown_source");
    }
}

static void on_request(struct http_request *r, void *ctx)
{
    struct slice method = http_method(r), path = http_path(r);
    if (slice_eq(method, SLICE_LIT("GET")) || slice_eq(method, SLICE_LIT("HEAD")))
        on_get(ctx, r, path);
    else if (slice_eq(method, SLICE_LIT("POST")))
        on_post(ctx, r, path);
    else
        http_answer_error(r, 405, SLICE_LIT("Allow: GET, POST\r\n"), "method_not_allowed", "no");
}

static void on_body(struct http_request *r, struct slice piece, void *ctx)
{
    (void)ctx;
    struct work *w = http_ctx(r);
    w->length += piece.len;
    for (size_t i = 0; i < piece.len; i++)
        w->sum = (w->sum * 31 + (unsigned char)piece.ptr[i]) & 0xffffffff;
    if (w->charge && !http_charge(r, (int64_t)piece.len)) {
        work_free(w);
        http_answer_error(r, 503, SLICE_LIT("Retry-After: 1\r\n"), "overloaded", "no room");
    }
}

static void on_complete(struct http_request *r, void *ctx)
{
    (void)ctx;
    struct work *w = http_ctx(r);
    if (w->timer) {
        loop_timer_arm(w->timer, 300000);
        return;
    }
    if (slice_eq(http_path(r), SLICE_LIT("/hold")))
        return;
    struct buf b;
    buf_init(&b, 200);
    buf_addf(&b, "%" PRIu64 " %08" PRIx64 "\n", w->length, w->sum);
    work_free(w);
    answer_text(r, buf_slice(&b));
    buf_clear(&b);
}

static void on_gone(struct http_request *r, void *ctx)
{
    struct probe *p = ctx;
    struct work *w = http_ctx(r);
    if (w)
        work_free(w);
    LOG(LL_INFO, "request.gone", LI("count", ++p->gone));
}

static void on_refused(const char *code, void *ctx)
{
    (void)ctx;
    LOG(LL_DEBUG, "probe.refused", LS("code", code));
}

static void on_drained(void *ctx)
{
    struct probe *p = ctx;
    LOG(LL_INFO, "probe.drained", LI("budget_used", p->budget.used));
    loop_stop(p->loop);
}

static void on_signal(void *ctx, int signo)
{
    struct probe *p = ctx;
    struct error e;
    if (signo == SIGTERM && p->draining)
        loop_stop(p->loop);
    else if (signo == SIGTERM) {
        p->draining = true;
        http_server_drain(p->server, on_drained, p);
    }
    if (signo == SIGHUP && p->tls && tls_server_reload(p->tls, p->cert, p->key, &e) != OK)
        LOG(LL_ERROR, "tls.failed", LS("error", e.text));
    else if (signo == SIGHUP)
        LOG(LL_INFO, "tls.reloaded", LS("cert", p->cert));
}

/* The value of the option NAME=value among the arguments. */
static const char *option(int argc, char **argv, const char *name, const char *otherwise)
{
    struct slice want = slice_str(name);
    for (int i = 1; i < argc; i++)
        if (slice_starts(slice_str(argv[i]), want) && argv[i][want.len] == '=')
            return argv[i] + want.len + 1;
    return otherwise;
}

static uint64_t number(int argc, char **argv, const char *name, const char *otherwise)
{
    uint64_t n = 0;
    if (text_u64(slice_str(option(argc, argv, name, otherwise)), INT64_MAX / 1000, &n) != OK)
        exit(2);
    return n;
}

int main(int argc, char **argv)
{
    if (!log_init("http_probe"))
        return 2;
    struct probe p = {.loop = loop_new()};
    struct error e = {""};
    struct http_limits limits = {
        .uri_max = number(argc, argv, "uri_max", "8192"),
        .headers_max = number(argc, argv, "headers_max", "16384"),
        .header_count_max = (unsigned)number(argc, argv, "header_count_max", "100"),
        .body_max = number(argc, argv, "body_max", "1048576"),
        .header_timeout_us = (int64_t)number(argc, argv, "header_ms", "10000") * 1000,
        .body_timeout_us = (int64_t)number(argc, argv, "body_ms", "30000") * 1000,
        .idle_timeout_us = (int64_t)number(argc, argv, "idle_ms", "60000") * 1000,
        .connections_max = (unsigned)number(argc, argv, "connections_max", "10000"),
    };
    p.budget.max = (int64_t)number(argc, argv, "budget", "67108863");
    p.cert = option(argc, argv, "cert", NULL);
    p.key = option(argc, argv, "key", NULL);
    struct http_handler h = {on_request, on_body, on_complete, on_gone, on_refused, &p};
    if ((p.cert && tls_server_new(p.cert, p.key, &p.tls, &e) != OK) ||
        http_server_open(p.loop, option(argc, argv, "listen", "127.0.0.1:0"), &limits, &p.budget,
                         p.tls, &h, &p.server, &e) != OK) {
        LOG(LL_ERROR, "probe.failed", LS("error", e.text));
        return 1;
    }
    loop_on_signal(p.loop, SIGTERM, on_signal, &p);
    loop_on_signal(p.loop, SIGHUP, on_signal, &p);
    LOG(LL_INFO, "listening", LS("address", http_server_addr(p.server)), LS("for", "probe"));
    loop_run(p.loop);
    http_server_close(p.server);
    tls_server_free(p.tls);
    loop_free(p.loop);
    return 0;
}
