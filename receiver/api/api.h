/* api - the task API on the operators' listener: /v3, shaped like DataForSEO's.   [on common/ops/ops]
 *
 * One route takes everything at and below /v3; which call a path names is the API's own matter (api_path.h). Every request
 * needs a login and is answered with an envelope (common/webhook/envelope.h). docs/reference/api.md has the calls.
 */
#ifndef RECEIVER_API_H
#define RECEIVER_API_H

struct api;
struct config;
struct loop;
struct ops;
struct shards;

/* SHARDS is borrowed. It must be freed before the API: that ends the calls that wait for Redis. */
struct api *api_new(struct loop *l, struct shards *shards, struct config *conf);
void api_free(struct api *a);
void api_set_config(struct api *a, struct config *conf);
/* Adds the route to O, which must be closed before the API is freed. */
void api_add_routes(struct api *a, struct ops *o);

#endif
