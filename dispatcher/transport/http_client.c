#include "dispatcher/transport/http_client.h"

#include "common/base/alloc.h"
#include "common/net/loop.h"
#include "dispatcher/transport/http_call.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define IDLE_CALLS_MAX 256 /* of a pool, kept for reuse */
#define TRIM_US 15000000   /* a pool unused for so long gives its idle calls back */

static void after_action(struct http_client *c);

/* ---- libcurl's wishes to the loop ---- */

static void on_ready_socket(void *ctx, int fd, bool readable, bool writable)
{
    struct http_client *c = ctx;
    int left;
    int bits = (readable ? CURL_CSELECT_IN : 0) | (writable ? CURL_CSELECT_OUT : 0);
    curl_multi_socket_action(c->multi, fd, bits, &left);
    after_action(c);
}

static int on_socket_wish(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
    struct http_client *c = ctx;
    (void)easy;
    (void)socket_ctx;
    bool remove = what == CURL_POLL_REMOVE; /* a value of its own, not a bit */
    http_sockets_want(c->sockets, fd, !remove && (what & CURL_POLL_IN),
                      !remove && (what & CURL_POLL_OUT));
    return 0;
}

static int on_timer_wish(CURLM *multi, long ms, void *ctx)
{
    struct http_client *c = ctx;
    (void)multi;
    if (ms < 0)
        loop_timer_cancel(c->timer);
    else
        loop_timer_arm(c->timer, (int64_t)ms * 1000);
    return 0;
}

static void on_timer(void *ctx)
{
    struct http_client *c = ctx;
    int left;
    curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &left);
    after_action(c);
}

/* ---- calls ---- */

static struct http_call *call_take(struct http_profile *p)
{
    struct http_pool *pool = p->pool;
    pool->used = true;
    struct http_call *call = pool->idle;
    if (!call) {
        call = http_call_new(pool);
    } else {
        pool->idle = call->next;
        pool->idle_count--;
    }
    if (call)
        call->profile = p;
    return call;
}

static void call_give_back(struct http_call *call)
{
    struct http_pool *p = call->pool;
    p->client->running--;
    if (p->idle_count >= IDLE_CALLS_MAX) {
        http_call_free(call);
        return;
    }
    call->next = p->idle;
    p->idle = call;
    p->idle_count++;
    if (!loop_timer_armed(p->client->trimmer))
        loop_timer_arm(p->client->trimmer, TRIM_US);
}

struct http_call *http_send(struct http_profile *p, const struct http_request_parts *parts,
                            void *ctx)
{
    struct http_call *call = call_take(p);
    if (!call)
        return NULL;
    p->client->running++;
    http_call_reset(call);
    call->ctx = ctx;
    call->started = clock_mono_us();
    if (!http_call_prepare(call, parts) ||
        curl_multi_add_handle(p->client->multi, call->easy) != CURLM_OK) {
        call_give_back(call);
        return NULL;
    }
    return call;
}

static void report(struct http_call *call, enum attempt_end end, bool is_whole)
{
    struct http_result r = {
        .end = end,
        .status = call->response.status,
        .retry_after = response_retry_after(&call->response),
        .response = response_kept(&call->response),
        .duration_ms = (clock_mono_us() - call->started + 500) / 1000,
        .body = http_call_wants_body(call) ? &call->body : NULL,
        .is_whole = is_whole,
        .too_large = call->body.failed,
        .content_type = response_content_type(&call->response),
        .content_encoding = response_content_encoding(&call->response),
    };
    call->profile->client->hooks.on_done(call->ctx, &r);
    buf_clear(&call->body); /* not kept with an idle call */
    call_give_back(call);
}

static void wait_for_name(struct http_call *call)
{
    struct http_client *c = call->profile->client;
    call->next = NULL;
    *c->waiting_tail = call;
    c->waiting_tail = &call->next;
}

/* Takes the waiting calls of P (all with P NULL) out of the line and returns them as a list. */
static struct http_call *take_waiting(struct http_client *c, const struct http_profile *p)
{
    struct http_call *taken = NULL, **tail = &taken, **at = &c->waiting;
    while (*at) {
        struct http_call *call = *at;
        if (p && call->profile != p) {
            at = &call->next;
            continue;
        }
        *at = call->next;
        call->next = NULL;
        *tail = call;
        tail = &call->next;
    }
    c->waiting_tail = at;
    return taken;
}

/* The lookup of P's host failed: so it did for all who waited for it. */
static void fail_waiting(struct http_profile *p, enum attempt_end end)
{
    struct http_call *call = take_waiting(p->client, p);
    while (call) {
        struct http_call *next = call->next;
        report(call, end, false);
        call = next;
    }
}

static void restart_waiting(struct http_client *c)
{
    struct http_call *call = take_waiting(c, NULL);
    while (call) {
        struct http_call *next = call->next;
        if (http_call_must_wait(call->profile)) {
            wait_for_name(call);
        } else {
            http_call_reset(call);
            if (curl_multi_add_handle(c->multi, call->easy) != CURLM_OK)
                report(call, END_LOCAL, false);
        }
        call = next;
    }
}

static void finish(struct http_call *call, CURLcode rc)
{
    struct http_profile *p = call->profile;
    curl_multi_remove_handle(p->client->multi, call->easy);
    if (call->must_wait && !call->passes) {
        wait_for_name(call);
        return;
    }
    enum attempt_end end = http_call_end(call, rc);
    bool lookup_failed = call->is_resolving;
    http_call_resolved(call);
    report(call, end, rc == CURLE_OK);
    if (lookup_failed && !p->pool->options.many_hosts)
        fail_waiting(p, end);
}

/* Everything that may not be done from inside libcurl. */
static void after_action(struct http_client *c)
{
    int left;
    CURLMsg *msg;
    while ((msg = curl_multi_info_read(c->multi, &left))) {
        if (msg->msg != CURLMSG_DONE)
            continue;
        struct http_call *call = NULL;
        CURLcode rc = msg->data.result; /* MSG is gone once the handle is removed */
        curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &call);
        finish(call, rc);
    }
    if (c->name_found) {
        c->name_found = false;
        restart_waiting(c);
    }
}

void http_cancel(struct http_call *call)
{
    struct http_client *c = call->profile->client;
    for (struct http_call **at = &c->waiting; *at; at = &(*at)->next)
        if (*at == call) {
            *at = call->next;
            if (!*at)
                c->waiting_tail = at;
            call_give_back(call);
            return;
        }
    curl_multi_remove_handle(c->multi, call->easy);
    http_call_resolved(call);
    call_give_back(call);
    if (c->name_found) /* who waited for its lookup goes on */
        loop_timer_arm(c->timer, 0);
}

/* ---- client and profiles ---- */

static void free_idle(struct http_pool *p)
{
    while (p->idle) {
        struct http_call *call = p->idle;
        p->idle = call->next;
        http_call_free(call);
    }
    p->idle_count = 0;
}

static void trim(void *ctx)
{
    struct http_client *c = ctx;
    bool left = false, freed = false;
    for (struct http_pool *p = c->pools; p; p = p->next) {
        freed = freed || (!p->used && p->idle);
        if (!p->used)
            free_idle(p);
        p->used = false;
        left = left || p->idle;
    }
    if (freed)
        alloc_give_back();
    if (left)
        loop_timer_arm(c->trimmer, TRIM_US);
}

struct http_client *http_client_new(struct loop *l, const struct http_client_options *options,
                                    const struct http_hooks *hooks)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) /* counted: one cleanup for each */
        return NULL;
    struct http_client *c = NEW(struct http_client);
    c->loop = l;
    c->hooks = *hooks;
    c->proxy = options->proxy ? xstrdup(options->proxy) : NULL;
    c->waiting_tail = &c->waiting;
    c->sockets = http_sockets_new(l, on_ready_socket, c);
    c->timer = loop_timer_new(l, on_timer, c);
    c->trimmer = loop_timer_new(l, trim, c);
    c->multi = curl_multi_init();
    if (!c->multi) {
        http_client_free(c);
        return NULL;
    }
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, on_socket_wish);
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, on_timer_wish);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)options->connections_max);
    return c;
}

void http_client_free(struct http_client *c)
{
    if (!c)
        return;
    assert(c->running == 0);
    for (struct http_profile *p = c->profiles, *next; p; p = next) {
        next = p->next;
        free(p);
    }
    for (struct http_pool *p = c->pools, *next; p; p = next) {
        next = p->next;
        free_idle(p);
        free(p->ca_file);
        free(p);
    }
    if (c->multi)
        curl_multi_cleanup(c->multi);
    http_sockets_free(c->sockets);
    loop_timer_free(c->timer);
    loop_timer_free(c->trimmer);
    free(c->proxy);
    free(c);
    curl_global_cleanup();
}

static bool is_same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool serves(const struct http_pool *p, const struct http_profile_options *o)
{
    return p->options.is_post == o->is_post && p->options.many_hosts == o->many_hosts &&
           p->options.timeout_ms == o->timeout_ms &&
           p->options.connect_timeout_ms == o->connect_timeout_ms &&
           p->options.verify_tls == o->verify_tls && p->options.body_max == o->body_max &&
           is_same(p->ca_file, o->ca_file);
}

static struct http_pool *pool_for(struct http_client *c, const struct http_profile_options *options)
{
    for (struct http_pool *p = c->pools; p; p = p->next)
        if (serves(p, options))
            return p;
    struct http_pool *p = NEW(struct http_pool);
    p->client = c;
    p->options = *options;
    p->ca_file = options->ca_file ? xstrdup(options->ca_file) : NULL;
    p->options.ca_file = p->ca_file;
    p->next = c->pools;
    c->pools = p;
    return p;
}

struct http_profile *http_profile_new(struct http_client *c,
                                      const struct http_profile_options *options)
{
    struct http_profile *p = NEW(struct http_profile);
    p->client = c;
    p->pool = pool_for(c, options);
    p->next = c->profiles;
    c->profiles = p;
    return p;
}
