/* api - the task API on the admin listener: /v3, shaped like DataForSEO's.   [edge: HTTP]
 *
 * Takes part in an HTTP server's handler: requests that api_owns are its own from api_on_request on. Every one has to log
 * in; each is answered with an envelope (common/webhook/envelope.h). docs/api.md has the calls.
 */
#ifndef RECEIVER_API_H
#define RECEIVER_API_H

#include "common/base/slice.h"

struct api;
struct config;
struct http_request;
struct loop;
struct shards;

/* What the admin listener's handler keeps with a request begins with this. */
struct admin_ctx {
    bool is_api;
};

/* REDIS is borrowed and must be freed before the API, which ends what is pending. */
struct api *api_new(struct loop *l, struct shards *shards, struct config *conf);
void api_free(struct api *a);
void api_set_config(struct api *a, struct config *conf);

bool api_owns(struct slice raw_path);
void api_on_request(struct api *a, struct http_request *http);
void api_on_body(struct http_request *http, struct slice piece);
void api_on_complete(struct http_request *http);
void api_on_gone(struct http_request *http);

#endif
