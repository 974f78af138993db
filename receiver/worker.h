/* worker - one thread of the receiver: its loop, listener, shards and queue.   [wiring]
 */
#ifndef RECEIVER_WORKER_H
#define RECEIVER_WORKER_H

#include "common/base/err.h"
#include "common/net/http_server.h"

struct config;
struct metrics;
struct worker;

struct worker_setup { /* all borrowed, and must outlive the worker */
    const char *listen;
    struct config *conf;
    struct metrics *metrics;
    struct http_budget *budget;
    struct tls_server *tls; /* or NULL */
    /* Both are called on the worker's thread, so they use loop_post. on_ready: all shards have become ready; may come again.
     * on_drained: after worker_drain every request is answered. */
    void (*on_ready)(void *ctx);
    void (*on_drained)(void *ctx);
    void *ctx;
};

/* Opens everything. Nothing runs before worker_start. */
enum err worker_new(const struct worker_setup *setup, struct worker **out,
                    struct error *e) MUST_CHECK;
const char *worker_addr(const struct worker *w);
enum err worker_start(struct worker *w, struct error *e) MUST_CHECK;
/* From any thread: */
bool worker_is_ready(const struct worker *w);
/* The number of webhooks that wait for Redis. */
size_t worker_waiting(const struct worker *w);
void worker_set_config(struct worker *w, struct config *conf);
/* Calls FN(CTX) on the worker's thread, soon. */
void worker_call(struct worker *w, void (*fn)(void *ctx), void *ctx);
/* Takes FD, a socket whose other end is in this process, as if PEER had connected. */
void worker_take(struct worker *w, int fd, const struct addr *peer);
/* Still takes connections and requests, and closes each connection with its next answer. */
void worker_retire(struct worker *w);
/* Stops accepting and finishes what has begun; then calls on_drained. */
void worker_drain(struct worker *w);
/* Ends the thread and frees everything. */
void worker_free(struct worker *w);

#endif
