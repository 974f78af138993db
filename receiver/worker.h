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
    /* Called on the worker's thread: all shards are ready (each time that this becomes true), or all is answered
     * after worker_drain. Use loop_post. */
    void (*on_ready)(void *ctx);
    void (*on_drained)(void *ctx);
    void *ctx;
};

/* Opens everything; nothing runs yet. */
enum err worker_new(const struct worker_setup *setup, struct worker **out,
                    struct error *e) MUST_CHECK;
const char *worker_addr(const struct worker *w);
enum err worker_start(struct worker *w, struct error *e) MUST_CHECK;
/* From any thread: */
bool worker_is_ready(const struct worker *w);
void worker_set_config(struct worker *w, struct config *conf);
/* Stops accepting, then on_drained. */
void worker_drain(struct worker *w);
/* Ends the thread and frees all. */
void worker_free(struct worker *w);

#endif
