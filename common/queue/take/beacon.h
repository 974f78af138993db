/* beacon - is another process of this machine alive?   [edge: sockets]
 *
 * A process binds a socket to an abstract address that has its name. The kernel removes the address when the process
 * ends, and at no other time. Processes in another network namespace (other containers) do not see it.
 */
#ifndef COMMON_QUEUE_BEACON_H
#define COMMON_QUEUE_BEACON_H

#include "common/base/slice.h"

#include <stdbool.h>

/* Makes this process seen as INSTANCE. Returns the socket for beacon_close, or -1. */
int beacon_open(struct slice instance);
void beacon_close(int fd);
/* True if INSTANCE is alive here. False says nothing: it may be alive elsewhere. */
bool beacon_answers(struct slice instance);

#endif
