/* ingest - takes webhooks from HTTP, judges them and puts their events into the queue.   [edge: HTTP, the queue]
 *
 * The cheapest checks, which trust the sender least, come first:
 *
 *   head      route, method, address, length, admission, the scheme's headers, encoding
 *   body      body_reader keeps it, inflates it, computes its MAC and checks its JSON as it streams in. Bodies that inflate to
 *             a lot take turns (slow_work)
 *   end       signature, then gzip, then JSON, then id and tag (judge)
 *   queue     queue_put; its callback answers
 *
 * Only an event that is answered 200 is queued. There is one ingest per thread, and all its calls run on that thread's loop.
 */
#ifndef RECEIVER_INGEST_H
#define RECEIVER_INGEST_H

#include <stddef.h>

struct config;
struct http_handler;
struct ingest;
struct loop;
struct metrics;
struct queue_put;
struct shards;
struct tail;

/* All but CONF (referenced) is borrowed and must outlive it. */
struct ingest *ingest_new(struct loop *l, struct shards *shards, struct queue_put *put,
                          struct tail *tail, struct metrics *metrics, struct config *conf);
/* Free the HTTP server and the queue first, so that no request is left. */
void ingest_free(struct ingest *in);
/* CONF is for requests that begin from now on. */
void ingest_set_config(struct ingest *in, struct config *conf);
/* The callbacks for http_server_open. */
/* The number of events that Redis has not answered yet. From any thread. */
size_t ingest_waiting(const struct ingest *in);
struct http_handler ingest_handler(struct ingest *in);

#endif
