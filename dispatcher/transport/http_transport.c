#include "dispatcher/transport/http_transport.h"

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/base/pool.h"
#include "common/crypto/certificates.h"
#include "common/net/loop.h"
#include "dispatcher/transport/curl_fault.h"
#include "dispatcher/transport/curl_request.h"
#include "dispatcher/transport/http_sockets.h"
#include "dispatcher/transport/lookup_faults.h"
#include "dispatcher/transport/response.h"
#include "dispatcher/transport/retry_after.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define IDLE_CALLS_MAX 256    /* of a pool, kept for reuse */
#define TRIM_US 15000000      /* a pool unused for so long frees its idle calls */
#define CONNECTION_IDLE_S 30  /* a connection that was idle longer is not used again */
#define CONNECTION_LIFE_S 300 /* nor one that is older, so that changed addresses are noticed */
#define DNS_CACHE_S 60
#define CA_CACHE_S 300
#define RECEIVE_BUFFER 8192
#define UPLOAD_BUFFER 65536

struct http_call {          /* One attempt, or an idle one. Owned by its pool. */
    struct attempt attempt; /* must be first */
    struct http_pool *pool;
    struct list_link link; /* in its pool's idle calls, or in a list of its transport */
    CURL *easy;
    struct curl_request request;
    mono_us started;
    unsigned passes;            /* how often libcurl was about to send the request */
    enum attempt_end refusal;   /* what may_send returned */
    unsigned opened, blocked;   /* sockets that were made, and that may_connect refused */
    bool local_error;           /* no descriptor or memory for a socket */
    bool must_wait;             /* for a name that another call resolves */
    bool is_resolving;          /* resolves a name itself */
    char text[CURL_ERROR_SIZE]; /* libcurl's, of the failure */
    struct response response;
    struct buf body; /* if the whole body is wanted */
};

/* The calls of all endpoints that have equal options. A thousand destinations that take turns need no more calls
 * than run at a time. */
struct http_pool { /* Owned by its transport. */
    struct http_transport *transport;
    struct list_link link; /* in its transport's pools */
    struct endpoint_options options;
    char *ca_file, *crl_file;
    struct client_identity identity;
    struct pool idle; /* calls */
    bool used;        /* since the last trim */
};

struct http_endpoint {        /* Owned by its transport. */
    struct endpoint endpoint; /* must be first */
    struct list_link link;    /* in its transport's endpoints */
    struct http_pool *pool;
    const struct transport_hooks *hooks;
    unsigned resolving; /* calls that resolve its host now */
    bool cert_demanded; /* its server asked for a client certificate, and there is none */
};

struct http_transport {         /* Owned by its maker; http_close. */
    struct transport transport; /* must be first */
    struct loop *loop;
    CURLM *multi;
    char *proxy;
    struct loop_timer *timer; /* libcurl's */
    struct loop_timer *trimmer;
    struct http_sockets *sockets;
    struct list endpoints, pools; /* owned */
    struct list waiting;          /* calls that wait for a name */
    struct list leaving;          /* calls whose requests this step of libcurl writes */
    struct list failed;           /* calls of which this is reported next */
    size_t running;               /* calls under way, waiting ones included */
    size_t resolving;
    bool name_found; /* a lookup ended, so waiting calls may go on */
};

static struct http_transport *transport_of(const struct http_call *call)
{
    return call->pool->transport;
}

static struct http_endpoint *endpoint_of(const struct http_call *call)
{
    return (struct http_endpoint *)call->attempt.endpoint;
}

static const struct transport_hooks *hooks_of(const struct http_call *call)
{
    return endpoint_of(call)->hooks;
}

/* ---- name lookups: see the header ---- */

/* True if no further lookup may begin for E now. */
static bool name_must_wait(const struct http_endpoint *e)
{
    return e->resolving >= (e->pool->options.many_hosts ? RESOLVING_HOSTS : 1) ||
           e->pool->transport->resolving >= RESOLVING_MAX;
}

static void name_begin(struct http_call *call)
{
    call->is_resolving = true;
    endpoint_of(call)->resolving++;
    transport_of(call)->resolving++;
}

/* CALL's lookup has ended, if it had one. */
static void name_end(struct http_call *call)
{
    if (!call->is_resolving)
        return;
    call->is_resolving = false;
    endpoint_of(call)->resolving--;
    transport_of(call)->resolving--;
    transport_of(call)->name_found = true;
}

static void name_wait(struct http_call *call)
{
    list_add_last(&transport_of(call)->waiting, &call->link);
}

/* ---- what libcurl asks while a call is under way ---- */

/* libcurl calls this only if the name is not in its cache. */
static int call_on_resolve(void *state, void *reserved, void *ctx)
{
    struct http_call *call = ctx;
    (void)state;
    (void)reserved;
    if (call->is_resolving)
        return 0;
    if (name_must_wait(endpoint_of(call))) {
        call->must_wait = true;
        return 1;
    }
    name_begin(call);
    return 0;
}

static curl_socket_t call_on_open(void *ctx, curlsocktype purpose, struct curl_sockaddr *to)
{
    struct http_call *call = ctx;
    struct addr a;
    (void)purpose;
    name_end(call);
    addr_from_sockaddr(&to->addr, &a);
    if (!hooks_of(call)->may_connect(call->attempt.ctx, &a)) {
        call->blocked++;
        return CURL_SOCKET_BAD;
    }
    int fd = http_sockets_open(transport_of(call)->sockets, to->family, to->socktype, to->protocol);
    if (fd < 0) {
        call->local_error = errno != EAFNOSUPPORT;
        return CURL_SOCKET_BAD;
    }
    call->opened++;
    return fd;
}

/* The connection may outlive the call that opened it, so CTX is the transport. */
static int http_on_close(void *ctx, curl_socket_t fd)
{
    struct http_transport *t = ctx;
    return http_sockets_close(t->sockets, fd);
}

static bool call_peer_is_allowed(struct http_call *call, const char *ip)
{
    struct cidr peer;
    if (call->opened) /* this call connected, and call_on_open asked */
        return true;
    return ip && cidr_parse(slice_str(ip), &peer, NULL) == OK &&
           hooks_of(call)->may_connect(call->attempt.ctx, &peer.base);
}

/* libcurl says when it is about to write a request, and not when it has. It works on one call after the other: it has
 * written the last request when it is about to write the next, or when the step is over. */
static void tell_left(struct http_transport *t)
{
    for (struct http_call *call; (call = LIST_TAKE_FIRST(&t->leaving, struct http_call, link));)
        if (hooks_of(call)->on_left)
            hooks_of(call)->on_left(call->attempt.ctx);
}

static int call_on_prerequest(void *ctx, char *peer_ip, char *own_ip, int peer_port, int own_port)
{
    struct http_call *call = ctx;
    (void)own_ip;
    (void)peer_port;
    (void)own_port;
    tell_left(transport_of(call));
    if (call->passes++) /* libcurl would send the request again */
        return CURL_PREREQFUNC_ABORT;
    name_end(call);
    call->refusal = call_peer_is_allowed(call, peer_ip)
                        ? hooks_of(call)->may_send(call->attempt.ctx)
                        : END_BLOCKED;
    if (call->refusal != END_NONE)
        return CURL_PREREQFUNC_ABORT;
    list_add_last(&transport_of(call)->leaving, &call->link);
    return CURL_PREREQFUNC_OK;
}

/* Is the status a 2xx whose whole body is wanted? */
static bool call_wants_body(const struct http_call *call)
{
    return call->pool->options.body_max > 0 && call->response.status / 100 == 2;
}

/* Taking fewer bytes than offered ends the transfer. */
static size_t call_on_header(char *ptr, size_t size, size_t n, void *ctx)
{
    struct http_call *call = ctx;
    return response_add_line(&call->response, slice_make(ptr, size * n)) ? size * n : 0;
}

static size_t call_on_body(char *ptr, size_t size, size_t n, void *ctx)
{
    struct http_call *call = ctx;
    struct slice piece = slice_make(ptr, size * n);
    if (!call_wants_body(call))
        return response_add_body(&call->response, piece) ? piece.len : 0;
    response_add_body(&call->response, piece); /* its limit does not apply: body_max does */
    buf_add_slice(&call->body, piece);
    return call->body.failed ? 0 : piece.len;
}

/* CTX is OpenSSL's. The connection may outlive the call, so the note is the endpoint's. */
static CURLcode call_on_tls(CURL *easy, void *ctx, void *state)
{
    struct http_call *call = state;
    (void)easy;
    certificates_note_demand(ctx, &endpoint_of(call)->cert_demanded);
    return CURLE_OK;
}

/* ---- libcurl's options ---- */

/* In functions with `e` and `rc`: stops at the first that fails. */
#define SET(option, value) rc = rc ? rc : curl_easy_setopt(e, option, value)

static CURLcode call_set_callbacks(struct http_call *call)
{
    CURL *e = call->easy;
    CURLcode rc = CURLE_OK;
    SET(CURLOPT_PRIVATE, call);
    SET(CURLOPT_ERRORBUFFER, call->text);
    SET(CURLOPT_SSL_CTX_FUNCTION, call_on_tls);
    SET(CURLOPT_SSL_CTX_DATA, call);
    SET(CURLOPT_RESOLVER_START_FUNCTION, call_on_resolve);
    SET(CURLOPT_RESOLVER_START_DATA, call);
    SET(CURLOPT_OPENSOCKETFUNCTION, call_on_open);
    SET(CURLOPT_OPENSOCKETDATA, call);
    SET(CURLOPT_CLOSESOCKETFUNCTION, http_on_close);
    SET(CURLOPT_CLOSESOCKETDATA, transport_of(call));
    SET(CURLOPT_PREREQFUNCTION, call_on_prerequest);
    SET(CURLOPT_PREREQDATA, call);
    SET(CURLOPT_HEADERFUNCTION, call_on_header);
    SET(CURLOPT_HEADERDATA, call);
    SET(CURLOPT_WRITEFUNCTION, call_on_body);
    SET(CURLOPT_WRITEDATA, call);
    return rc;
}

static struct curl_blob blob_over(const char *text)
{
    return (struct curl_blob){.data = (char *)text, .len = strlen(text), .flags = CURL_BLOB_NOCOPY};
}

/* Sets the trust in the server's certificate, and our own certificate. Connections are shared only by calls for
 * which all of this is equal. */
static CURLcode call_set_tls(struct http_call *call)
{
    const struct http_pool *p = call->pool;
    CURL *e = call->easy;
    CURLcode rc = CURLE_OK;
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_SSL_VERIFYPEER, p->options.verify_tls ? 1L : 0L);
    SET(CURLOPT_SSL_VERIFYHOST, p->options.verify_tls ? 2L : 0L);
    SET(CURLOPT_CA_CACHE_TIMEOUT, (long)CA_CACHE_S);
    if (p->ca_file) {
        SET(CURLOPT_CAINFO, p->ca_file);
        SET(CURLOPT_CAPATH, NULL);
    }
    if (p->crl_file)
        SET(CURLOPT_CRLFILE, p->crl_file);
    if (p->identity.cert) {
        struct curl_blob cert = blob_over(p->identity.cert), key = blob_over(p->identity.key);
        SET(CURLOPT_SSLCERT_BLOB, &cert);
        SET(CURLOPT_SSLKEY_BLOB, &key);
        SET(CURLOPT_KEYPASSWD, ""); /* else OpenSSL asks on the terminal */
    }
    return rc;
}

/* Sets what is the same for all calls of a pool. */
static bool call_set_fixed(struct http_call *call)
{
    const struct http_pool *p = call->pool;
    const char *proxy = p->transport->proxy;
    CURL *e = call->easy;
    CURLcode rc = call_set_callbacks(call);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L); /* else a hanging lookup blocks the loop when its call ends */
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_PATH_AS_IS, 1L);
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_PROXY, proxy ? proxy : "");
    SET(CURLOPT_NOPROXY, proxy ? "" : "*");
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET(CURLOPT_TCP_NODELAY, 1L);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_MAXAGE_CONN, (long)CONNECTION_IDLE_S);
    SET(CURLOPT_MAXLIFETIME_CONN, (long)CONNECTION_LIFE_S);
    SET(CURLOPT_DNS_CACHE_TIMEOUT, (long)DNS_CACHE_S);
    SET(CURLOPT_BUFFERSIZE, (long)RECEIVE_BUFFER);
    SET(CURLOPT_UPLOAD_BUFFERSIZE, (long)UPLOAD_BUFFER);
    SET(CURLOPT_TIMEOUT_MS, (long)p->options.timeout_ms);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)p->options.connect_timeout_ms);
    rc = rc ? rc : call_set_tls(call);
    if (p->options.sends_body)
        SET(CURLOPT_POST, 1L);
    else
        SET(CURLOPT_HTTPGET, 1L);
    return rc == CURLE_OK;
}

/* ---- calls and their pools ---- */

static void http_call_free(struct http_call *call)
{
    if (call->easy)
        curl_easy_cleanup(call->easy);
    buf_clear(&call->body);
    curl_request_clear(&call->request);
    free(call);
}

static struct http_call *http_call_new(struct http_pool *p)
{
    struct http_call *call = NEW(struct http_call);
    call->pool = p;
    buf_init(&call->body, p->options.body_max);
    call->easy = curl_easy_init();
    if (call->easy && call_set_fixed(call))
        return call;
    http_call_free(call);
    return NULL;
}

/* Forgets the last request, or the first try of this one. */
static void call_reset(struct http_call *call)
{
    call->passes = 0;
    call->refusal = END_NONE;
    call->opened = call->blocked = 0;
    call->local_error = call->must_wait = false;
    call->text[0] = '\0';
    response_reset(&call->response);
    buf_clear(&call->body);
}

static struct http_call *http_pool_take(struct http_pool *p)
{
    p->used = true;
    struct http_call *call = POOL_TAKE(&p->idle, struct http_call, link);
    return call ? call : http_call_new(p);
}

static void http_pool_give_back(struct http_call *call)
{
    struct http_transport *t = transport_of(call);
    t->running--;
    if (!pool_put(&call->pool->idle, &call->link))
        http_call_free(call);
    else if (!loop_timer_armed(t->trimmer))
        loop_timer_arm(t->trimmer, TRIM_US);
}

static void http_pool_free_idle(struct http_pool *p)
{
    for (struct http_call *call; (call = POOL_TAKE(&p->idle, struct http_call, link));)
        http_call_free(call);
}

/* Its calls were freed. */
static void http_pool_free(struct http_pool *p)
{
    free(p->ca_file);
    free(p->crl_file);
    client_identity_clear(&p->identity);
    free(p);
}

static void http_trim(void *ctx)
{
    struct http_transport *t = ctx;
    bool left = false, freed = false;
    LIST_EACH (at, &t->pools) {
        struct http_pool *p = LIST_ITEM(at, struct http_pool, link);
        freed = freed || (!p->used && p->idle.count);
        if (!p->used)
            http_pool_free_idle(p);
        p->used = false;
        left = left || p->idle.count;
    }
    if (freed)
        alloc_give_back();
    if (left)
        loop_timer_arm(t->trimmer, TRIM_US);
}

/* ---- how a call ends ---- */

static struct curl_facts call_facts(const struct http_call *call, CURLcode rc)
{
    struct curl_facts f = {.code = rc,
                           .has_proxy = transport_of(call)->proxy != NULL,
                           .is_resolving = call->is_resolving,
                           .cert_demanded = endpoint_of(call)->cert_demanded,
                           .text = call->text};
    if (rc == CURLE_COULDNT_RESOLVE_HOST)
        f.lookup_failed = lookup_failed_for_now(curl_request_host(&call->request));
    curl_easy_getinfo(call->easy, CURLINFO_OS_ERRNO, &f.os_errno);
    curl_easy_getinfo(call->easy, CURLINFO_SSL_VERIFYRESULT, &f.verify_result);
    curl_easy_getinfo(call->easy, CURLINFO_PROXY_SSL_VERIFYRESULT, &f.proxy_verify_result);
    curl_easy_getinfo(call->easy, CURLINFO_HTTP_CONNECTCODE, &f.proxy_status);
    return f;
}

static enum attempt_end end_of_call(const struct http_call *call, CURLcode rc)
{
    if (call->response.headers_done)
        return END_ANSWERED;
    if (call->passes && call->refusal != END_NONE)
        return call->refusal;
    if (call->passes > 1)
        return END_UNKNOWN;
    if (!call->passes && call->local_error)
        return END_LOCAL;
    if (!call->passes && call->blocked && !call->opened)
        return END_BLOCKED;
    struct curl_facts f = call_facts(call, rc);
    return call->passes ? curl_fault_after(&f) : curl_fault_before(&f);
}

/* The message of libcurl about END. The text may quote what the server sent, so bytes that are not printable ASCII
 * become '?'. */
static struct slice call_detail(struct http_call *call, enum attempt_end end)
{
    bool is_refused = call->refusal != END_NONE || end == END_BLOCKED || end == END_UNKNOWN;
    if (end == END_ANSWERED || is_refused)
        return slice_make("", 0);
    size_t len = strnlen(call->text, ATTEMPT_DETAIL_MAX);
    for (size_t i = 0; i < len; i++)
        if (call->text[i] < 0x20 || call->text[i] > 0x7e)
            call->text[i] = '?';
    return slice_make(call->text, len);
}

static void call_report(struct http_call *call, enum attempt_end end, bool is_whole)
{
    struct slice wait = response_retry_after(&call->response);
    struct attempt_result r = {
        .end = end,
        .status = call->response.status,
        .retry_after_ms = wait.len ? retry_after_ms(wait, clock_wall_ms()) : -1,
        .duration_ms = (clock_mono_us() - call->started + 500) / 1000,
        .detail = call_detail(call, end),
        .response = response_kept(&call->response),
        .content_type = response_content_type(&call->response),
        .content_encoding = response_content_encoding(&call->response),
        .body = call_wants_body(call) ? &call->body : NULL,
        .is_whole = is_whole,
        .too_large = call->body.failed,
    };
    hooks_of(call)->on_done(call->attempt.ctx, &r);
    buf_clear(&call->body); /* an idle call does not keep it */
    http_pool_give_back(call);
}

/* ---- after each step of libcurl: work that libcurl does not allow in its callbacks ---- */

static void fail_all(struct http_transport *t, enum attempt_end end)
{
    for (struct http_call *call; (call = LIST_TAKE_FIRST(&t->failed, struct http_call, link));)
        call_report(call, end, false);
}

static void http_restart_waiting(struct http_transport *t)
{
    LIST_EACH (at, &t->waiting) {
        struct http_call *call = LIST_ITEM(at, struct http_call, link);
        if (name_must_wait(endpoint_of(call)))
            continue;
        list_remove(at);
        call_reset(call);
        if (curl_multi_add_handle(t->multi, call->easy) != CURLM_OK)
            list_add_last(&t->failed, at);
    }
    fail_all(t, END_LOCAL);
}

/* The lookup of E's host failed. The other calls waited for the same lookup, so they fail too. */
static void http_fail_waiting(struct http_transport *t, struct http_endpoint *e,
                              enum attempt_end end)
{
    LIST_EACH (at, &t->waiting) {
        if (endpoint_of(LIST_ITEM(at, struct http_call, link)) != e)
            continue;
        list_remove(at);
        list_add_last(&t->failed, at);
    }
    fail_all(t, end);
}

static void http_finish(struct http_call *call, CURLcode rc)
{
    struct http_transport *t = transport_of(call);
    struct http_endpoint *e = endpoint_of(call);
    curl_multi_remove_handle(t->multi, call->easy);
    if (call->must_wait && !call->passes) {
        name_wait(call);
        return;
    }
    enum attempt_end end = end_of_call(call, rc);
    bool lookup_failed = call->is_resolving;
    name_end(call);
    call_report(call, end, rc == CURLE_OK);
    if (lookup_failed && !e->pool->options.many_hosts)
        http_fail_waiting(t, e, end);
}

static void log_connection(CURL *easy)
{
    long opened = 0;
    curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &opened);
    LOG_EVENT(LL_DEBUG, "attempt.connection", LI("opened", opened), LT("reused", opened == 0));
}

static void http_after_step(struct http_transport *t)
{
    int left;
    CURLMsg *msg;
    tell_left(t);
    while ((msg = curl_multi_info_read(t->multi, &left))) {
        if (msg->msg != CURLMSG_DONE)
            continue;
        struct http_call *call = NULL;
        CURLcode rc = msg->data.result; /* MSG is gone once the handle is removed */
        curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &call);
        if (log_enabled(LL_DEBUG))
            log_connection(msg->easy_handle);
        http_finish(call, rc);
    }
    if (t->name_found) {
        t->name_found = false;
        http_restart_waiting(t);
    }
}

/* ---- libcurl and the loop ---- */

static void http_on_socket(void *ctx, int fd, bool readable, bool writable)
{
    struct http_transport *t = ctx;
    int left;
    int bits = (readable ? CURL_CSELECT_IN : 0) | (writable ? CURL_CSELECT_OUT : 0);
    curl_multi_socket_action(t->multi, fd, bits, &left);
    http_after_step(t);
}

static void http_on_timer(void *ctx)
{
    struct http_transport *t = ctx;
    int left;
    curl_multi_socket_action(t->multi, CURL_SOCKET_TIMEOUT, 0, &left);
    http_after_step(t);
}

static int http_want_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
    struct http_transport *t = ctx;
    (void)easy;
    (void)socket_ctx;
    bool remove = what == CURL_POLL_REMOVE; /* a value of its own, not a bit */
    http_sockets_want(t->sockets, fd, !remove && (what & CURL_POLL_IN),
                      !remove && (what & CURL_POLL_OUT));
    return 0;
}

static int http_want_timer(CURLM *multi, long ms, void *ctx)
{
    struct http_transport *t = ctx;
    (void)multi;
    if (ms < 0)
        loop_timer_cancel(t->timer);
    else
        loop_timer_arm(t->timer, (int64_t)ms * 1000);
    return 0;
}

/* ---- the transport's four functions ---- */

static bool is_same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static char *copy_text(const char *text)
{
    return text ? xstrdup(text) : NULL;
}

static bool http_pool_serves(const struct http_pool *p, const struct endpoint_options *o)
{
    return p->options.sends_body == o->sends_body && p->options.many_hosts == o->many_hosts &&
           p->options.timeout_ms == o->timeout_ms &&
           p->options.connect_timeout_ms == o->connect_timeout_ms &&
           p->options.verify_tls == o->verify_tls && p->options.body_max == o->body_max &&
           is_same_text(p->ca_file, o->ca_file) && is_same_text(p->crl_file, o->crl_file) &&
           is_same_text(p->identity.cert, o->client_cert) &&
           is_same_text(p->identity.key, o->client_key);
}

static struct http_pool *http_pool_for(struct http_transport *t,
                                       const struct endpoint_options *options)
{
    LIST_EACH (at, &t->pools)
        if (http_pool_serves(LIST_ITEM(at, struct http_pool, link), options))
            return LIST_ITEM(at, struct http_pool, link);
    struct http_pool *p = NEW(struct http_pool);
    p->transport = t;
    p->options = *options;
    p->ca_file = copy_text(options->ca_file);
    p->crl_file = copy_text(options->crl_file);
    p->identity =
        (struct client_identity){copy_text(options->client_cert), copy_text(options->client_key)};
    pool_init(&p->idle, IDLE_CALLS_MAX);
    list_add_last(&t->pools, &p->link);
    return p;
}

static struct endpoint *http_open(struct transport *transport,
                                  const struct endpoint_options *options)
{
    struct http_transport *t = (struct http_transport *)transport;
    struct http_endpoint *e = NEW(struct http_endpoint);
    e->endpoint.transport = transport;
    e->hooks = options->hooks;
    e->pool = http_pool_for(t, options);
    list_add_last(&t->endpoints, &e->link);
    return &e->endpoint;
}

static struct attempt *http_send(struct endpoint *endpoint, const struct attempt_request *q,
                                 void *ctx)
{
    struct http_transport *t = (struct http_transport *)endpoint->transport;
    struct http_call *call = http_pool_take(((struct http_endpoint *)endpoint)->pool);
    if (!call)
        return NULL;
    t->running++;
    call_reset(call);
    call->attempt = (struct attempt){.endpoint = endpoint, .ctx = ctx};
    call->started = clock_mono_us();
    if (!curl_request_set(&call->request, call->easy, q, call->pool->options.sends_body) ||
        curl_multi_add_handle(t->multi, call->easy) != CURLM_OK) {
        http_pool_give_back(call);
        return NULL;
    }
    return &call->attempt;
}

static void http_cancel(struct attempt *attempt)
{
    struct http_call *call = (struct http_call *)attempt;
    struct http_transport *t = transport_of(call);
    if (list_is_linked(&call->link)) { /* it waits for a name */
        list_remove(&call->link);
        http_pool_give_back(call);
        return;
    }
    curl_multi_remove_handle(t->multi, call->easy);
    name_end(call);
    http_pool_give_back(call);
    if (t->name_found) /* the calls that waited for its lookup go on */
        loop_timer_arm(t->timer, 0);
}

static void http_close(struct transport *transport)
{
    struct http_transport *t = (struct http_transport *)transport;
    assert(t->running == 0);
    LIST_EACH (at, &t->pools)
        http_pool_free_idle(LIST_ITEM(at, struct http_pool, link));
    if (t->multi)
        curl_multi_cleanup(t->multi); /* connections point to endpoints */
    LIST_EACH (at, &t->endpoints)
        free(LIST_ITEM(at, struct http_endpoint, link));
    LIST_EACH (at, &t->pools)
        http_pool_free(LIST_ITEM(at, struct http_pool, link));
    http_sockets_free(t->sockets);
    loop_timer_free(t->timer);
    loop_timer_free(t->trimmer);
    free(t->proxy);
    free(t);
    curl_global_cleanup();
}

struct transport *http_transport_new(struct loop *l, const struct http_transport_options *options)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) /* counted: one cleanup for each */
        return NULL;
    struct http_transport *t = NEW(struct http_transport);
    t->transport = (struct transport){http_open, http_send, http_cancel, http_close};
    t->loop = l;
    t->proxy = options->proxy ? xstrdup(options->proxy) : NULL;
    list_init(&t->endpoints);
    list_init(&t->pools);
    list_init(&t->waiting);
    list_init(&t->leaving);
    list_init(&t->failed);
    t->sockets = http_sockets_new(l, http_on_socket, t);
    t->timer = loop_timer_new(l, http_on_timer, t);
    t->trimmer = loop_timer_new(l, http_trim, t);
    t->multi = curl_multi_init();
    if (!t->multi) {
        http_close(&t->transport);
        return NULL;
    }
    curl_multi_setopt(t->multi, CURLMOPT_SOCKETFUNCTION, http_want_socket);
    curl_multi_setopt(t->multi, CURLMOPT_SOCKETDATA, t);
    curl_multi_setopt(t->multi, CURLMOPT_TIMERFUNCTION, http_want_timer);
    curl_multi_setopt(t->multi, CURLMOPT_TIMERDATA, t);
    curl_multi_setopt(t->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    curl_multi_setopt(t->multi, CURLMOPT_MAXCONNECTS, (long)options->connections_max);
    return &t->transport;
}
