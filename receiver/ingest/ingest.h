/* ingest - the listener that webhooks come in at.   [edge: HTTP on one side, the queue on the
 * other]
 *
 * Order of work, cheapest and least trusting first:
 *
 *   headers   route, method, address, length, admission, the scheme's headers, encoding
 *   body      as it streams in (intake.h): kept, inflated under its ceiling, MAC, JSON; what inflates to
 *             much takes turns with its like (chores.h)
 *   end       signature, then gzip, then JSON, then id and tag (judge.h)
 *   queue     queue_put; the answer is given in its callback
 *
 * Nothing is queued for any answer but 200. One per thread; all its calls are on that thread's
 * loop.
 */
#ifndef RECEIVER_INGEST_H
#define RECEIVER_INGEST_H

struct config;
struct http_handler;
struct ingest;
struct loop;
struct metrics;
struct queue_put;
struct shards;

/* All but CONF (referenced) is borrowed and must outlive it. */
struct ingest *ingest_new(struct loop *l, struct shards *shards, struct queue_put *put,
                          struct metrics *metrics, struct config *conf);
/* After the HTTP server and the queue were freed: no request is left. */
void ingest_free(struct ingest *in);
/* For requests that begin from now on. */
void ingest_set_config(struct ingest *in, struct config *conf);
/* The callbacks for http_server_open. */
struct http_handler ingest_handler(struct ingest *in);

#endif
