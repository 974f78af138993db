/* shares - how many slots and bytes of this dispatcher each destination or account may hold.   [pure]
 *
 * A holder is a lane, so an account is one holder. Destinations that share a lane are a holder each. The essay in shares.c
 * explains the rule.
 */
#ifndef DISPATCHER_SHARES_H
#define DISPATCHER_SHARES_H

#include "common/base/list.h"
#include "common/base/map.h"

#include <stdint.h>

struct claim_rooms;
struct config;
struct destination;

struct holder { /* Owned by its shares. */
    char *name, *lane;
    bool is_lane; /* NAME is a lane, else a destination */
    unsigned partition;
    size_t slots;    /* deliveries that are claimed and not settled */
    size_t bytes;    /* of their records, and of what was made for their requests */
    size_t needs;    /* bytes of a delivery that found no room; 0 if the last one found room */
    int64_t mean_ms; /* duration of the last attempts; newer ones weigh more. -1: none yet */
    struct list_link busy;  /* while it has slots */
    struct list_link quick; /* while it is quick; the one used last is first */
    struct list_link needy; /* while it needs something */
};

struct shares { /* Owned by the engine; shares_init, shares_clear. Must not be moved. */
    struct map lanes, destinations; /* name -> holder */
    struct list busy, quick, needy;
    size_t busy_count;
    size_t slots_max, bytes_max;
    size_t slots, bytes; /* held by all */
};

void shares_init(struct shares *s);
/* No holder may have slots. */
void shares_clear(struct shares *s);
void shares_set_limits(struct shares *s, size_t slots_max, size_t bytes_max);
/* Forgets idle holders that CONF does not have. */
void shares_forget(struct shares *s, const struct config *conf);

/* The holder of deliveries to D. It stays at least while it has slots. */
struct holder *shares_holder(struct shares *s, const struct destination *d);
/* H claimed a delivery. */
void shares_take(struct shares *s, struct holder *h);
/* A delivery of H is settled, and held BYTES. */
void shares_give_back(struct shares *s, struct holder *h, size_t bytes);
/* A delivery of H holds so many bytes more, or less. */
void shares_hold(struct shares *s, struct holder *h, size_t bytes);
void shares_drop(struct shares *s, struct holder *h, size_t bytes);
/* May a delivery of H, which has its slot and holds HELD bytes, hold MORE? If not, the holder gets no claims until both fit. */
bool shares_fit(struct shares *s, struct holder *h, size_t held, size_t more);
/* An attempt of H ended after DURATION_MS, or runs for so long already. */
void shares_note(struct shares *s, struct holder *h, int64_t duration_ms);
/* Are there fewer slots free than one claim may ask for (WANT), or fewer than the reserve? */
bool shares_are_tight(const struct shares *s, size_t want);

/* Says of which holders of PARTITION the next claim may take how many, if it asks for WANT. */
void shares_list(struct shares *s, unsigned partition, size_t want, struct claim_rooms *out);

#endif
