/* listener - healthz, readyz and metrics on dispatcher.listen.   [wiring]
 */
#ifndef DISPATCHER_LISTENER_H
#define DISPATCHER_LISTENER_H

#include "common/base/err.h"

#include <stdbool.h>

struct config;
struct listener;
struct loop;
struct metrics;
struct shards;

/* Listens and logs `listening`. All but CONF (referenced) are borrowed. */
enum err listener_open(struct loop *l, struct config *conf, struct shards *shards,
                       struct metrics *metrics, struct listener **out, struct error *e) MUST_CHECK;
void listener_close(struct listener *s);
void listener_set_config(struct listener *s, struct config *conf);
/* While draining, readyz says 503. */
void listener_set_draining(struct listener *s);

#endif
