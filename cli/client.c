#include "cli/client.h"

#include "common/base/alloc.h"
#include "common/base/clock.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ANSWER_MAX ((size_t)1 << 30)
#define CONNECT_MS 5000L
#define CALL_MS 60000L
#define PATIENCE 30 /* repeats of a call that the receiver refuses with 429 */
#define WAIT_MOST_S 60
#define TURN_MS 1000
#define URL_BYTES ((size_t)1 << 20)
#define SILENCE_S 45L /* of an answer that does not end; a tail says something every 15 s */

struct client {
    CURLM *multi;
    char *url, *login;
};

struct client_transfer {
    struct client *client;
    struct client_request request;
    struct client_answer answer;
    CURL *easy;
    struct curl_slist *lines;
    int64_t began; /* us */
    bool is_ended; /* by `piece` */
    char why[CURL_ERROR_SIZE];
};

struct client *client_new(const char *url, const char *login)
{
    struct client *c = NEW(struct client);
    size_t len = strlen(url);
    while (len > 0 && url[len - 1] == '/')
        len--;
    c->url = xslicedup(slice_make(url, len));
    c->login = xstrdup(login);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    c->multi = curl_multi_init();
    return c;
}

void client_free(struct client *c)
{
    if (!c)
        return;
    curl_multi_cleanup(c->multi);
    curl_global_cleanup();
    free(c->url);
    free(c->login);
    free(c);
}

const char *client_url(const struct client *c)
{
    return c->url;
}

void client_answer_clear(struct client_answer *a)
{
    buf_clear(&a->body);
}

/* --- setting up --- */

static size_t on_bytes(char *data, size_t size, size_t count, void *ctx)
{
    struct client_transfer *t = ctx;
    struct slice piece = slice_make(data, size * count);
    long status = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    if (t->request.piece && status == 200) {
        t->is_ended = !t->request.piece(t->request.ctx, piece);
        return t->is_ended ? 0 : piece.len;
    }
    if (t->request.answer_max)
        buf_add_slice(&t->answer.body, piece);
    return t->answer.body.failed ? 0 : piece.len;
}

static void set_protocols(CURL *easy)
{
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

/* libcurl takes "Name;" for a header without a value: "Name:" would leave the header out. */
static void add_line(struct client_transfer *t, struct slice line)
{
    struct slice value = line, name = slice_cut(&value, ':');
    value = slice_trim(value);
    char *text = xslicedup(line);
    if (!value.len) {
        text[name.len] = ';';
        text[name.len + 1] = '\0';
    }
    t->lines = curl_slist_append(t->lines, text);
    free(text);
}

static void set_headers(struct client_transfer *t)
{
    struct slice rest = t->request.headers;
    t->lines = curl_slist_append(NULL, "Expect:");
    while (rest.len) {
        struct slice line = slice_cut(&rest, '\r'); /* "Name: value\r\n" */
        rest = slice_skip(rest, 1);
        if (line.len && memchr(line.ptr, ':', line.len))
            add_line(t, line);
    }
    curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->lines);
}

static void set_up(struct client_transfer *t)
{
    const struct client_request *r = &t->request;
    curl_easy_setopt(t->easy, CURLOPT_URL, r->url);
    curl_easy_setopt(t->easy, CURLOPT_PATH_AS_IS, 1L); /* an id may be ".." */
    curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
    curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->why);
    curl_easy_setopt(t->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
    set_protocols(t->easy);
    set_headers(t);
    if (r->login) {
        curl_easy_setopt(t->easy, CURLOPT_USERPWD, r->login);
        curl_easy_setopt(t->easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
    }
    if (r->body) {
        curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body->len);
        curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, r->body->len ? r->body->ptr : "");
    }
    if (r->timeout_ms) {
        curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, r->timeout_ms);
    } else {
        curl_easy_setopt(t->easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
        curl_easy_setopt(t->easy, CURLOPT_LOW_SPEED_TIME, SILENCE_S);
    }
    if (r->is_direct)
        curl_easy_setopt(t->easy, CURLOPT_PROXY, "");
    const char *ca = getenv("HOOKPACE_CA_FILE");
    if (ca)
        curl_easy_setopt(t->easy, CURLOPT_CAINFO, ca);
}

struct client_transfer *client_begin(struct client *c, const struct client_request *r)
{
    struct client_transfer *t = NEW(struct client_transfer);
    t->client = c;
    t->request = *r;
    t->began = clock_mono_us();
    t->easy = curl_easy_init();
    buf_init(&t->answer.body, r->answer_max);
    set_up(t);
    CURLMcode rc = curl_multi_add_handle(c->multi, t->easy);
    assert(rc == CURLM_OK);
    return t;
}

struct client_transfer *client_begin_call(struct client *c, const struct client_request *r)
{
    struct client_request call = *r;
    struct buf url;
    buf_init(&url, URL_BYTES);
    buf_add_str(&url, c->url);
    buf_add_str(&url, r->url);
    call.url = url.ptr; /* libcurl copies it */
    call.login = c->login;
    struct client_transfer *t = client_begin(c, &call);
    buf_clear(&url);
    return t;
}

/* --- the end --- */

void client_cancel(struct client_transfer *t)
{
    if (!t)
        return;
    curl_multi_remove_handle(t->client->multi, t->easy);
    curl_easy_cleanup(t->easy);
    curl_slist_free_all(t->lines);
    client_answer_clear(&t->answer);
    free(t);
}

static const char *word_of(const struct client_transfer *t, CURLcode rc)
{
    long os = 0;
    curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &os);
    switch (rc) {
    case CURLE_COULDNT_RESOLVE_HOST:
        return "dns_failed";
    case CURLE_COULDNT_CONNECT:
        return os == ECONNREFUSED || os == 0 ? "connect_refused" : "connect_unreachable";
    case CURLE_OPERATION_TIMEDOUT:
        return "timeout";
    case CURLE_PEER_FAILED_VERIFICATION:
        return "tls_untrusted";
    case CURLE_WRITE_ERROR:
        return "too_large";
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return "bad_response";
    default:
        return "closed";
    }
}

static long wait_of(const struct client_transfer *t)
{
    curl_off_t seconds = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &seconds);
    return seconds > 0 && seconds < WAIT_MOST_S ? (long)seconds : 1;
}

static void end(struct client_transfer *t, CURLcode rc)
{
    struct client_end e = {.answer = &t->answer, .ms = (clock_mono_us() - t->began) / 1000};
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &t->answer.status);
    t->answer.wait_s = wait_of(t);
    if (rc != CURLE_OK && !t->is_ended) {
        e.rc = ERR_UNAVAIL;
        e.word = word_of(t, rc);
        e.why = t->why[0] ? t->why : curl_easy_strerror(rc);
    }
    t->request.done(t->request.ctx, &e);
    client_cancel(t);
}

void client_turn(struct client *c, int wake, int64_t ms)
{
    struct curl_waitfd file = {.fd = wake, .events = CURL_WAIT_POLLIN};
    int running, left;
    CURLMsg *said;
    curl_multi_poll(c->multi, &file, wake >= 0, (int)ms, NULL);
    curl_multi_perform(c->multi, &running);
    while ((said = curl_multi_info_read(c->multi, &left))) {
        char *t = NULL;
        CURLcode rc = said->data.result;
        curl_easy_getinfo(said->easy_handle, CURLINFO_PRIVATE, &t);
        end((struct client_transfer *)(void *)t, rc);
    }
}

/* --- one call --- */

struct call {
    const struct client *client;
    struct client_answer *out;
    struct error *error;
    enum err rc;
    bool is_over;
};

static void call_on_done(void *ctx, const struct client_end *end)
{
    struct call *call = ctx;
    call->is_over = true;
    *call->out = *end->answer;
    buf_init(&end->answer->body, 0);
    if (end->rc != OK)
        call->rc = fail(call->error, end->rc, "%s: %s", call->client->url, end->why);
}

static enum err wait_for(struct client *c, struct client_request *r, struct client_answer *out,
                         struct error *e)
{
    struct call call = {.client = c, .out = out, .error = e};
    r->done = call_on_done;
    r->ctx = &call;
    r->answer_max = ANSWER_MAX;
    client_begin_call(c, r);
    while (!call.is_over)
        client_turn(c, -1, TURN_MS);
    return call.rc;
}

/* A command that needs thousands of calls waits, rather than to stop in the middle of its work. */
static void wait_as_told(const struct client_answer *a)
{
    struct timespec pause = {.tv_sec = a->wait_s};
    nanosleep(&pause, NULL);
}

enum err client_call(struct client *c, const char *path, const struct slice *body,
                     struct client_answer *out, struct error *e)
{
    struct client_request r = {.url = path, .body = body, .timeout_ms = CALL_MS};
    if (body)
        r.headers = SLICE_LIT("Content-Type: application/json\r\n");
    for (int i = 0;; i++) {
        enum err rc = wait_for(c, &r, out, e);
        if (rc != OK || out->status != CLIENT_TOO_MANY_CALLS || i == PATIENCE)
            return rc;
        wait_as_told(out);
        client_answer_clear(out);
    }
}

enum err client_stream(struct client *c, const char *path, bool (*piece)(void *ctx, struct slice s),
                       struct client_answer *out, struct error *e)
{
    struct client_request r = {.url = path, .piece = piece};
    return wait_for(c, &r, out, e);
}
