#include "dispatcher/transport/http_call.h"

#include "common/base/alloc.h"

#include <errno.h>
#include <stdlib.h>

#define CONNECTION_IDLE_S 30  /* older connections are not used again */
#define CONNECTION_LIFE_S 300 /* nor these, so that changed addresses are noticed */
#define DNS_CACHE_S 60
#define CA_CACHE_S 300
#define RECEIVE_BUFFER 8192
#define UPLOAD_BUFFER 65536

/* ---- name lookups: one a host, RESOLVING_MAX in all ---- */

bool http_call_must_wait(const struct http_profile *p)
{
    return p->resolving >= (p->pool->options.many_hosts ? RESOLVING_HOSTS : 1) ||
           p->client->resolving >= RESOLVING_MAX;
}

void http_call_resolved(struct http_call *call)
{
    if (!call->is_resolving)
        return;
    struct http_client *c = call->profile->client;
    call->is_resolving = false;
    call->profile->resolving--;
    c->resolving--;
    c->name_found = true;
}

/* Called by libcurl only where the name is not in its cache. */
static int on_resolve(void *state, void *reserved, void *ctx)
{
    struct http_call *call = ctx;
    struct http_client *c = call->profile->client;
    (void)state;
    (void)reserved;
    if (call->is_resolving)
        return 0;
    if (http_call_must_wait(call->profile)) {
        call->must_wait = true;
        return 1;
    }
    call->is_resolving = true;
    call->profile->resolving++;
    c->resolving++;
    return 0;
}

/* ---- what libcurl asks while a call is under way ---- */

static curl_socket_t on_open(void *ctx, curlsocktype purpose, struct curl_sockaddr *to)
{
    struct http_call *call = ctx;
    struct http_client *c = call->profile->client;
    struct addr a;
    (void)purpose;
    http_call_resolved(call);
    addr_from_sockaddr(&to->addr, &a);
    if (!c->hooks.may_connect(call->ctx, &a)) {
        call->blocked++;
        return CURL_SOCKET_BAD;
    }
    int fd = http_sockets_open(c->sockets, to->family, to->socktype, to->protocol);
    if (fd < 0) {
        call->local_error = errno != EAFNOSUPPORT;
        return CURL_SOCKET_BAD;
    }
    call->opened++;
    return fd;
}

/* The connection may outlive the call that opened it, so CTX is the client. */
static int on_close(void *ctx, curl_socket_t fd)
{
    struct http_client *c = ctx;
    return http_sockets_close(c->sockets, fd);
}

static bool peer_is_allowed(struct http_call *call, const char *ip)
{
    struct cidr peer;
    if (call->opened) /* connected by this call: judged in on_open */
        return true;
    return ip && cidr_parse(slice_str(ip), &peer, NULL) == OK &&
           call->profile->client->hooks.may_connect(call->ctx, &peer.base);
}

static int on_prerequest(void *ctx, char *peer_ip, char *own_ip, int peer_port, int own_port)
{
    struct http_call *call = ctx;
    (void)own_ip;
    (void)peer_port;
    (void)own_port;
    if (call->passes++) /* libcurl would send the request again */
        return CURL_PREREQFUNC_ABORT;
    http_call_resolved(call);
    call->refusal = peer_is_allowed(call, peer_ip)
                        ? call->profile->client->hooks.may_send(call->ctx)
                        : END_BLOCKED;
    return call->refusal == END_ANSWERED ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

bool http_call_wants_body(const struct http_call *call)
{
    return call->pool->options.body_max > 0 && call->response.status / 100 == 2;
}

/* Taking fewer bytes than offered ends the transfer. */
static size_t on_header(char *ptr, size_t size, size_t n, void *ctx)
{
    struct http_call *call = ctx;
    return response_add_line(&call->response, slice_make(ptr, size * n)) ? size * n : 0;
}

static size_t on_body(char *ptr, size_t size, size_t n, void *ctx)
{
    struct http_call *call = ctx;
    struct slice piece = slice_make(ptr, size * n);
    if (!http_call_wants_body(call))
        return response_add_body(&call->response, piece) ? piece.len : 0;
    response_add_body(&call->response, piece); /* its limit is not ours */
    buf_add_slice(&call->body, piece);
    return call->body.failed ? 0 : piece.len;
}

/* ---- options ---- */

/* In functions with `e` and `rc`: stops at the first that fails. */
#define SET(option, value) rc = rc ? rc : curl_easy_setopt(e, option, value)

/* What stays the same for all calls of a pool. */
static bool set_fixed(struct http_call *call)
{
    const struct http_pool *p = call->pool;
    CURL *e = call->easy;
    CURLcode rc = CURLE_OK;
    SET(CURLOPT_PRIVATE, call);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L); /* else a hanging lookup blocks the loop when its call ends */
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_PATH_AS_IS, 1L);
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_PROXY, p->client->proxy ? p->client->proxy : "");
    SET(CURLOPT_NOPROXY, p->client->proxy ? "" : "*");
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
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_SSL_VERIFYPEER, p->options.verify_tls ? 1L : 0L);
    SET(CURLOPT_SSL_VERIFYHOST, p->options.verify_tls ? 2L : 0L);
    SET(CURLOPT_CA_CACHE_TIMEOUT, (long)CA_CACHE_S);
    if (p->ca_file) {
        SET(CURLOPT_CAINFO, p->ca_file);
        SET(CURLOPT_CAPATH, NULL);
    }
    SET(CURLOPT_RESOLVER_START_FUNCTION, on_resolve);
    SET(CURLOPT_RESOLVER_START_DATA, call);
    SET(CURLOPT_OPENSOCKETFUNCTION, on_open);
    SET(CURLOPT_OPENSOCKETDATA, call);
    SET(CURLOPT_CLOSESOCKETFUNCTION, on_close);
    SET(CURLOPT_CLOSESOCKETDATA, p->client);
    SET(CURLOPT_PREREQFUNCTION, on_prerequest);
    SET(CURLOPT_PREREQDATA, call);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, call);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, call);
    if (p->options.is_post)
        SET(CURLOPT_POST, 1L);
    else
        SET(CURLOPT_HTTPGET, 1L);
    return rc == CURLE_OK;
}

void http_call_free(struct http_call *call)
{
    if (call->easy)
        curl_easy_cleanup(call->easy);
    buf_clear(&call->body);
    free(call->lines);
    free(call);
}

struct http_call *http_call_new(struct http_pool *p)
{
    struct http_call *call = NEW(struct http_call);
    call->pool = p;
    buf_init(&call->body, p->options.body_max);
    call->easy = curl_easy_init();
    if (call->easy && set_fixed(call))
        return call;
    http_call_free(call);
    return NULL;
}

void http_call_reset(struct http_call *call)
{
    call->passes = 0;
    call->refusal = END_ANSWERED;
    call->opened = call->blocked = 0;
    call->local_error = call->must_wait = false;
    response_reset(&call->response);
    buf_clear(&call->body);
}

static struct curl_slist *line_at(struct http_call *call, size_t i)
{
    if (i >= call->lines_cap) {
        call->lines_cap = call->lines_cap ? call->lines_cap * 2 : 16;
        call->lines = xrealloc(call->lines, call->lines_cap, sizeof(*call->lines));
    }
    return &call->lines[i];
}

/* A list over the caller's text, without copies. libcurl reads "Name:" as "leave Name out" and
 * "Name;" as "Name with an empty value". */
static struct curl_slist *make_lines(struct http_call *call, char *text, size_t len)
{
    static char no_expect[] = "Expect:";
    size_t count = 0;
    char *end = text + len;
    while (text < end) {
        char *eol = memchr(text, '\r', (size_t)(end - text));
        if (!eol)
            break;
        *eol = '\0';
        char *colon = memchr(text, ':', (size_t)(eol - text));
        if (colon && colon[1 + strspn(colon + 1, " \t")] == '\0') {
            colon[0] = ';';
            colon[1] = '\0';
        }
        line_at(call, count++)->data = text;
        text = eol + 2;
    }
    line_at(call, count++)->data = no_expect;
    for (size_t i = 0; i < count; i++)
        call->lines[i].next = i + 1 < count ? &call->lines[i + 1] : NULL;
    return call->lines;
}

bool http_call_prepare(struct http_call *call, const struct http_request_parts *parts)
{
    CURL *e = call->easy;
    CURLcode rc = CURLE_OK;
    SET(CURLOPT_URL, parts->url);
    SET(CURLOPT_HTTPHEADER, make_lines(call, parts->headers, parts->headers_len));
    if (call->pool->options.is_post) {
        SET(CURLOPT_POSTFIELDS, parts->body.len ? parts->body.ptr : "");
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)parts->body.len);
    }
    return rc == CURLE_OK;
}

/* ---- ends ---- */

static enum attempt_end end_before_sending(const struct http_call *call, CURLcode rc)
{
    if (call->local_error)
        return END_LOCAL;
    if (call->blocked && !call->opened)
        return END_BLOCKED;
    switch (rc) {
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
        return END_BAD_URL;
    case CURLE_OPERATION_TIMEDOUT:
        return call->is_resolving ? END_DNS : END_CONNECT_TIMEOUT;
    case CURLE_COULDNT_RESOLVE_HOST:
        return END_DNS;
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_PROXY:
        return END_PROXY;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CLIENTCERT:
        return END_TLS;
    case CURLE_OUT_OF_MEMORY:
    case CURLE_FAILED_INIT:
    case CURLE_BAD_FUNCTION_ARGUMENT:
        return END_LOCAL;
    default:
        return END_CONNECT;
    }
}

enum attempt_end http_call_end(const struct http_call *call, CURLcode rc)
{
    if (call->response.headers_done)
        return END_ANSWERED;
    if (!call->passes)
        return end_before_sending(call, rc);
    if (call->refusal != END_ANSWERED)
        return call->refusal;
    if (call->passes > 1)
        return END_UNKNOWN;
    switch (rc) {
    case CURLE_OK: /* a final 1xx, such as an unasked 101 */
        return END_BAD_RESPONSE;
    case CURLE_OPERATION_TIMEDOUT:
        return END_TIMEOUT;
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_PARTIAL_FILE:
        return END_CLOSED;
    default:
        return END_BAD_RESPONSE;
    }
}
