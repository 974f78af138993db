/* notify - tells systemd what the process does: it has started, reloads its configuration, stops, or is alive.   [edge]
 *
 * This is the protocol of sd_notify(3): one datagram of NAME=value lines to the socket that $NOTIFY_SOCKET names. Without
 * that variable nothing is sent. libsystemd is not used. It would bring liblzma, libgcrypt and others into a process
 * that reads bytes from strangers. systemd's own manual recommends these few lines instead.
 *
 *     start ──▶ ready ──▶ (reloading ──▶ ready)* ──▶ stopping
 */
#ifndef COMMON_PROGRAM_NOTIFY_H
#define COMMON_PROGRAM_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct watchdog;

#define NOTIFY_REFUSED "The last reload was refused, and the configuration before it is in force"

/* The process serves. STATUS is a sentence for `systemctl status`. */
void notify_ready(const char *status);
/* Only the sentence changes. */
void notify_status(const char *status);
/* A reload begins. It ends with notify_ready. */
void notify_reloading(void);
/* The process stops, within US microseconds. systemd does not kill it before that time. */
void notify_stopping(int64_t us);

/* Sends a sign of life four times within $WATCHDOG_USEC, each time that IS_ALIVE(CTX) is true. Returns NULL if systemd asked
 * for none. Free it before the loop. */
struct watchdog *watchdog_new(struct loop *l, bool (*is_alive)(void *ctx), void *ctx);
/* NULL is fine. */
void watchdog_free(struct watchdog *w);

#endif
