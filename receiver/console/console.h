/* console - the operators' API below /api: what the queue holds, and the acts of operators.
 * [on common/ops, common/queue]
 *
 * The life of a call: the route's handler (console.c has the table) reads the query or the body with the functions of
 * console_private.h, asks the queue, and ends the call once with console_answer or console_error. Looking changes nothing.
 */
#ifndef RECEIVER_CONSOLE_H
#define RECEIVER_CONSOLE_H

struct addr;
struct config;
struct console;
struct loop;
struct ops;
struct shards;

/* SHARDS is borrowed; free it before the console, so that what is pending ends. CONF is referenced. */
struct console *console_new(struct loop *l, struct shards *shards, struct config *conf);
/* How a call hands FD, a connected socket, to the ingest, as if PEER had connected. */
void console_set_ingest(struct console *k,
                        void (*ingest)(void *ctx, int fd, const struct addr *peer), void *ctx);
/* ADDR (borrowed) is where the ingest listens, with the port that was bound. */
void console_set_ingest_addr(struct console *k, const char *addr);
void console_free(struct console *k); /* NULL is fine */
void console_set_config(struct console *k, struct config *conf);
/* Adds the routes to O. */
void console_add_routes(struct console *k, struct ops *o);

#endif
