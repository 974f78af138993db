/* redirect - what an answer says of where a call must go, and which slot a call has.   [pure]
 */
#ifndef COMMON_REDIS_CLUSTER_REDIRECT_H
#define COMMON_REDIS_CLUSTER_REDIRECT_H

#include "common/base/slice.h"

#include <stdbool.h>

struct redis_reply;

enum redirect_kind {
    REDIRECT_NONE,  /* the call ran, or failed for another reason */
    REDIRECT_MOVED, /* SLOT is at HOST and PORT */
    REDIRECT_ASK,   /* SLOT moves there, and the key may be there already */
    REDIRECT_AGAIN, /* some keys of the slot have moved, others have not */
    REDIRECT_DOWN,  /* nobody serves the slot */
};

struct
    redirect { /* HOST points into the reply; it is empty if it is that of the server that answered */
    enum redirect_kind kind;
    unsigned slot; /* of MOVED and ASK */
    struct slice host;
    unsigned port;
};

struct redirect redirect_read(const struct redis_reply *r);

/* Argument N (from 0) of the call in BYTES, as it was written to a server. Empty if it has none. */
struct slice redirect_argument(struct slice bytes, size_t n);
/* The slot of the call in BYTES by its first key. IS_SCRIPT: it is an EVALSHA. */
unsigned redirect_slot(struct slice bytes, bool is_script);

#endif
