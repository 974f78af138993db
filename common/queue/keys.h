/* keys - the names of everything in Redis.   [pure]
 *
 * All keys of a partition start `<prefix>:{<partition>}:`, so that they share one Redis hash slot
 * and a script touches one slot only. docs/queue.md lists them.
 */
#ifndef COMMON_QUEUE_KEYS_H
#define COMMON_QUEUE_KEYS_H

#include "common/base/buf.h"
#include "common/base/slice.h"

/* Appends "<prefix>:{<partition>}:". */
void keys_base(struct buf *out, const char *prefix, unsigned partition);
/* Splits a delivery id "<event id>:<destination>" at its last colon. False if there is none. */
bool keys_split_delivery(struct slice delivery, struct slice *event, struct slice *destination);

#endif
