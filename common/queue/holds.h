/* holds - which partitions an operator holds, so that no program works on them.   [on common/queue/shard]
 *
 * The hash `held` in partition 0 has a field for each partition that is held, under its number. A hold is for the time in
 * which the keys of a partition move to another Redis: a script that finds half of them would do half of its work. A
 * command that reads one key is safe then, so the programs read `held` without a script.
 */
#ifndef COMMON_QUEUE_HOLDS_H
#define COMMON_QUEUE_HOLDS_H

#include "common/base/err.h"

#include <stdbool.h>

struct holds;
struct loop;
struct shard;

/* Comes when PARTITION is held from now on, or not any more. */
typedef void (*holds_fn)(void *ctx, unsigned partition, bool is_held);

/* HOME is partition 0 of COUNT. It is borrowed. Nothing is asked before holds_ask. */
struct holds *holds_new(struct loop *l, struct shard *home, unsigned count, holds_fn fn, void *ctx);
/* Asks no more. Call it when the connection of HOME is closed. */
void holds_stop(struct holds *h);
/* After holds_stop. NULL is fine. */
void holds_free(struct holds *h);
/* Asks now, and from then on twice a second. While Redis does not answer, its last answer counts. */
void holds_ask(struct holds *h);
bool holds_has(const struct holds *h, unsigned partition);
/* Are all partitions held? */
bool holds_all(const struct holds *h);
/* A sentence with the partitions that are held, or NULL. Valid until the loop's next turn. */
const char *holds_told(const struct holds *h);

/* FN is called once, perhaps before the call returns: OK if Redis has noted it. */
typedef void (*hold_fn)(void *ctx, enum err rc);
/* Asks all programs to stop their work on PARTITION, or to go on. They do within two seconds. */
void holds_set(struct holds *h, unsigned partition, bool is_held, hold_fn fn, void *ctx);

#endif
