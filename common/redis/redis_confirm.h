/* redis_confirm - holds back the answers of calls until replicas have what the calls wrote.   [edge: hiredis]
 *
 * redis_confirm.c has the essay.
 */
#ifndef COMMON_REDIS_REDIS_CONFIRM_H
#define COMMON_REDIS_REDIS_CONFIRM_H

#include "common/base/buf.h"
#include "common/base/list.h"
#include "common/redis/redis.h"

struct pending;

struct redis_confirm { /* of one connection */
    struct list held;  /* answers that wait for replicas, oldest first */
    struct buf key;    /* what the next WAIT writes before it asks */
    /* The key whose slot moves; empty: none. While a WAIT is on its way: its key. */
    struct buf refused;
    unsigned moves;     /* keys that were refused since the last answer */
    bool has_moved;     /* the slot of this WAIT's key moves */
    bool is_due;        /* calls need a WAIT that was not sent yet */
    bool is_asking;     /* a WAIT is on its way */
    bool has_written;   /* the write before this WAIT succeeded */
    bool is_behind;     /* the last WAIT was not answered by enough replicas */
    char shortage[160]; /* too few replicas are connected, as a sentence; or empty */
};

void redis_confirm_init(struct redis_confirm *c);
void redis_confirm_clear(struct redis_confirm *c);
/* Does a sentinel move the master to another server? The new master may lack all that R's server takes from then on. */
bool redis_is_leaving(const struct redis *r);
/* May a call that is acknowledged be sent now? */
bool redis_confirm_admits(const struct redis *r);
/* Such a call is being queued. KEY: redis_call.confirm_key. */
void redis_confirm_note(struct redis *r, struct slice key);
/* Queues the WAIT that is due. Call it when the commands of a turn are queued. */
void redis_confirm_ask(struct redis *r);
/* Keeps REPLY, the answer to the call ITEM, and owns it from here on. */
void redis_confirm_hold(struct redis *r, const struct pending *item, struct redis_reply *reply);
/* The server's facts are new: are there enough replicas? */
void redis_confirm_judge(struct redis *r);
/* The connection was lost: nobody knows about what was held. */
void redis_confirm_fail(struct redis *r);

#endif
