#include "cli/client.h"

#include "common/base/alloc.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ANSWER_MAX ((size_t)1 << 30)
#define CONNECT_MS 5000L
#define CALL_MS 60000L
#define TOO_MANY_CALLS 429
#define PATIENCE 30 /* repeats of a call that the receiver refuses with this status */
#define WAIT_MOST_S 60
#define SILENCE_S 45L /* of a stream; a tail says something every 15 s */

struct client {
    CURL *easy;
    char *url, *login;
    char why[CURL_ERROR_SIZE];
};

struct streaming {
    bool (*piece)(void *ctx, struct slice s);
    void *ctx;
    CURL *easy;
    struct client_answer *out;
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
    c->easy = curl_easy_init();
    return c;
}

void client_free(struct client *c)
{
    if (!c)
        return;
    curl_easy_cleanup(c->easy);
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

static size_t on_bytes(char *data, size_t size, size_t count, void *ctx)
{
    struct streaming *s = ctx;
    struct slice piece = slice_make(data, size * count);
    long status = 0;
    curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status);
    if (s->piece && status == 200)
        return s->piece(s->ctx, piece) ? piece.len : 0;
    buf_add_slice(&s->out->body, piece);
    return s->out->body.failed ? 0 : piece.len;
}

static void set_protocols(CURL *easy)
{
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

static void set_up(struct client *c, const char *url, struct streaming *s)
{
    curl_easy_reset(c->easy);
    c->why[0] = '\0';
    curl_easy_setopt(c->easy, CURLOPT_URL, url);
    curl_easy_setopt(c->easy, CURLOPT_USERPWD, c->login);
    curl_easy_setopt(c->easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
    curl_easy_setopt(c->easy, CURLOPT_ERRORBUFFER, c->why);
    curl_easy_setopt(c->easy, CURLOPT_NOSIGNAL, 1L);
    set_protocols(c->easy);
    curl_easy_setopt(c->easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    curl_easy_setopt(c->easy, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(c->easy, CURLOPT_WRITEDATA, s);
    const char *ca = getenv("HOOKPACE_CA_FILE");
    if (ca)
        curl_easy_setopt(c->easy, CURLOPT_CAINFO, ca);
}

static enum err perform(struct client *c, const char *path, const struct slice *body,
                        struct streaming *s, struct error *e)
{
    struct buf url;
    struct curl_slist *lines = NULL;
    buf_init(&url, 1 << 20);
    buf_add_str(&url, c->url);
    buf_add_str(&url, path);
    s->out->status = 0;
    buf_init(&s->out->body, ANSWER_MAX);
    s->easy = c->easy;
    set_up(c, url.ptr, s);
    if (s->piece) {
        curl_easy_setopt(c->easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
        curl_easy_setopt(c->easy, CURLOPT_LOW_SPEED_TIME, SILENCE_S);
    } else {
        curl_easy_setopt(c->easy, CURLOPT_TIMEOUT_MS, CALL_MS);
    }
    if (body) {
        lines = curl_slist_append(lines, "Content-Type: application/json");
        curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, lines);
        curl_easy_setopt(c->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->len);
        curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS, body->len ? body->ptr : "");
    }
    CURLcode rc = curl_easy_perform(c->easy);
    curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &s->out->status);
    curl_slist_free_all(lines);
    buf_clear(&url);
    if (rc == CURLE_OK || (s->piece && rc == CURLE_WRITE_ERROR))
        return OK;
    return fail(e, ERR_UNAVAIL, "%s: %s", c->url, c->why[0] ? c->why : curl_easy_strerror(rc));
}

/* A command that needs thousands of calls waits, rather than to stop in the middle of its work. */
static void wait_as_told(struct client *c)
{
    curl_off_t seconds = 0;
    curl_easy_getinfo(c->easy, CURLINFO_RETRY_AFTER, &seconds);
    struct timespec pause = {.tv_sec = seconds > 0 && seconds < WAIT_MOST_S ? seconds : 1};
    nanosleep(&pause, NULL);
}

enum err client_call(struct client *c, const char *path, const struct slice *body,
                     struct client_answer *out, struct error *e)
{
    struct streaming s = {.out = out};
    for (int i = 0;; i++) {
        enum err rc = perform(c, path, body, &s, e);
        if (rc != OK || out->status != TOO_MANY_CALLS || i == PATIENCE)
            return rc;
        client_answer_clear(out);
        wait_as_told(c);
    }
}

enum err client_stream(struct client *c, const char *path, bool (*piece)(void *ctx, struct slice s),
                       void *ctx, struct client_answer *out, struct error *e)
{
    struct streaming s = {.piece = piece, .ctx = ctx, .out = out};
    return perform(c, path, NULL, &s, e);
}
