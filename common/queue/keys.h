/* keys - the names of keys in Redis, made and taken apart.   [pure]
 *
 * All keys of a partition begin with its base, `<prefix>:{<tag>}:`. The tag in braces puts them into one hash slot,
 * so that a script touches one slot only. docs/internals/queue.md lists the keys. Each function appends one name to OUT.
 */
#ifndef COMMON_QUEUE_KEYS_H
#define COMMON_QUEUE_KEYS_H

#include "common/base/buf.h"
#include "common/base/slice.h"

/* The base of the partition with the hash tag TAG (slots_spread). The other functions take it as BASE. */
void keys_base(struct buf *out, const char *prefix, unsigned tag);
void keys_lanes(struct buf *out, struct slice base);
/* The hash of the partitions that an operator holds. BASE: of partition 0. */
void keys_held(struct buf *out, struct slice base);
void keys_confirm(struct buf *out, struct slice base);
/* A key that never exists (shard_private.h). */
void keys_never(struct buf *out, struct slice base);
void keys_wake(struct buf *out, struct slice base);
/* The channel of a dispatcher's lifeline. */
void keys_present(struct buf *out, struct slice base, const char *instance);
/* The channel on which programs publish what happens, and the key that is there while somebody listens. Of partition 0. */
void keys_tail(struct buf *out, struct slice base);
void keys_tailing(struct buf *out, struct slice base);
void keys_settings(struct buf *out, struct slice base);
/* The settings of ACCOUNT. */
void keys_account_settings(struct buf *out, struct slice base, struct slice account);
void keys_event(struct buf *out, struct slice base, struct slice id);
/* The record of a large event that put.lua has not stored yet. No other event may have the NAME. */
void keys_staged(struct buf *out, struct slice base, struct slice name);
void keys_delivery(struct buf *out, struct slice base, struct slice id);
/* The event id of a task: "@<account>/<id>", so that the ids of accounts are name spaces of their own. The id is encoded (id_add_key), so that
 * the first `/` ends the account. */
void keys_task(struct buf *out, struct slice account, struct slice id);
/* The id in such an event id; any other is its own. */
struct slice keys_task_id(struct slice event);
/* The account whose task has the event id EVENT, or empty: it is no task's. */
struct slice keys_task_account(struct slice event);
/* True if EVENT is the event id of a task of ACCOUNT. */
bool keys_is_task_of(struct slice event, struct slice account);
/* The event id that an operator means by NAME: "@<account>/<id>" is an account's task, else "<id>" or "<id>~<n>". The id is not
 * encoded. */
void keys_named_event(struct buf *out, struct slice name);
/* The lock of reconciliation with the provider of SOURCE. */
void keys_reconcile(struct buf *out, struct slice base, struct slice source);
/* The failures of one KIND ("postback", "pingback"). ACCOUNT is empty for tasks of no account. */
void keys_errors(struct buf *out, struct slice base, struct slice account, const char *kind);

/* Splits a delivery id "<event id>:<destination>" at its last colon. False if there is none. */
bool keys_split_delivery(struct slice delivery, struct slice *event, struct slice *destination);

#endif
