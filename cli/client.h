/* client - calls of the receiver's operators' API.   [edge: libcurl] */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/slice.h"

struct client;

/* URL: "http://127.0.0.1:8081". LOGIN: "name:password". Both are copied. */
struct client *client_new(const char *url, const char *login);
void client_free(struct client *c); /* NULL is fine */

struct client_answer { /* client_answer_clear frees it */
    long status;
    struct buf body;
};
void client_answer_clear(struct client_answer *a);

/* Makes one call. PATH begins with "/api/" and may have a query. BODY: JSON to post; NULL for a GET. ERR_UNAVAIL: there is no
 * answer; E says why. Any status is OK. */
enum err client_call(struct client *c, const char *path, const struct slice *body,
                     struct client_answer *out, struct error *e) MUST_CHECK;
/* Makes a GET whose answer does not end. PIECE gets the bytes as they come, and returns false to end the call. */
enum err client_stream(struct client *c, const char *path, bool (*piece)(void *ctx, struct slice s),
                       void *ctx, struct client_answer *out, struct error *e) MUST_CHECK;
const char *client_url(const struct client *c);

#endif
