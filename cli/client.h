/* client - HTTP requests: calls of the receiver's operators' API, and requests to a server of the user's.   [edge: libcurl] */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/slice.h"

#include <stdint.h>

struct client;
struct client_transfer;

/* URL: "http://127.0.0.1:8081". LOGIN: "name:password". Both are copied. */
struct client *client_new(const char *url, const char *login);
/* C has no transfers any more. NULL is fine. */
void client_free(struct client *c);

struct client_answer { /* client_answer_clear frees it */
    long status;
    long wait_s; /* what Retry-After says, at least 1 and at most 60; of a 429 */
    struct buf body;
};
void client_answer_clear(struct client_answer *a);

#define CLIENT_TOO_MANY_CALLS 429

/* Makes one call and waits for its answer. Repeats a call that the receiver refuses with 429, up to 30 times. PATH begins
 * with "/api/" and may have a query. BODY is the JSON to post, or NULL for a GET.
 * ERR_UNAVAIL: there is no answer; E says why. Any status is OK. */
enum err client_call(struct client *c, const char *path, const struct slice *body,
                     struct client_answer *out, struct error *e) MUST_CHECK;
/* Makes a GET whose answer is long, and waits for its end. PIECE gets the bytes as they come; CTX is of no use to it. It returns
 * false to end the call. */
enum err client_stream(struct client *c, const char *path, bool (*piece)(void *ctx, struct slice s),
                       struct client_answer *out, struct error *e) MUST_CHECK;
const char *client_url(const struct client *c);

/* --- several requests at a time --- */

struct client_end {         /* all borrowed for the callback */
    enum err rc;            /* OK, or ERR_UNAVAIL: there is no whole answer */
    const char *word, *why; /* then: an error word of docs/reference/delivery.md, and a sentence */
    struct client_answer *answer; /* the callback may take the body out of it */
    int64_t ms;                   /* since client_begin */
};

struct
    client_request { /* URL, LOGIN and HEADERS are borrowed for client_begin, the BODY until the request ends */
    const char *url;
    const char *login;        /* "name:password"; NULL: none */
    struct slice headers;     /* "Name: value\r\n" lines */
    const struct slice *body; /* to post; NULL for a GET */
    bool is_direct;           /* past the proxies that the environment names */
    long timeout_ms;          /* 0: the answer does not end, but 45 s without a byte end it */
    size_t answer_max;        /* bytes of the answer's body; 0: the body is thrown away */
    /* For an answer with the status 200: gets the body as it comes. Returns false to end the request, which then counts as OK. */
    bool (*piece)(void *ctx, struct slice s);
    void (*done)(void *ctx, const struct client_end *end); /* not called after client_cancel */
    void *ctx;
};

/* Not from within a `piece`: libcurl refuses it. */
struct client_transfer *client_begin(struct client *c, const struct client_request *r);
/* The same for a call: the URL of R is its path, as in client_call, and is copied. The login is C's. */
struct client_transfer *client_begin_call(struct client *c, const struct client_request *r);
/* Ends T at once. Not from within a `piece`. NULL is fine. */
void client_cancel(struct client_transfer *t);
/* Waits until a request goes on, until the file WAKE can be read (-1: no file), or for MS; then runs the callbacks. */
void client_turn(struct client *c, int wake, int64_t ms);

#endif
