/* http_turns - how much of a turn of the loop each address gets.   [on common/net/loop]
 *
 * One turn shows the bytes of thousands of connections. If one address has very many that send requests without waiting, all
 * others would wait for an answer to each of them, several times for one request of their own. So an address gets TURN_STEPS
 * steps (heads and pieces of bodies) in a turn. A connection that comes later joins the end of its address' line. In the next turn
 * the first of each line go on, for LINE_STEPS steps: fewer, because what comes at once may be an honest burst, and a line that
 * stays is none.
 */
#ifndef COMMON_NET_HTTP_TURNS_H
#define COMMON_NET_HTTP_TURNS_H

#include "common/base/list.h"
#include "common/net/http_peers.h"

#define TURN_STEPS 128
#define LINE_STEPS 32

struct loop;
struct loop_timer;

struct turn_line { /* of the addresses of one slot */
    struct list waiting;
    struct list_link link; /* in `active`, while somebody waits */
    unsigned used, turn;   /* steps in that turn */
};

struct turns {
    struct turn_line lines[PEERS_SLOTS];
    struct list active;
    size_t active_count;
    struct loop_timer *timer;
    unsigned turn;
    bool is_going_on; /* those who waited have their turn */
    void (*go_on)(struct list_link *waiting);
};

/* GO_ON gets each connection that has waited, by its link, which is in no line any more. */
void turns_init(struct turns *t, struct loop *l, void (*go_on)(struct list_link *waiting));
void turns_clear(struct turns *t);
/* Takes a step for SLOT. False: its address has had its turn, or others of it wait already. */
bool turns_take(struct turns *t, unsigned slot);
/* Adds a connection of SLOT to the end of its line. It leaves by list_remove. */
void turns_wait(struct turns *t, unsigned slot, struct list_link *waiting);
/* Do connections of SLOT wait? Then each takes one request and joins the end again. */
bool turns_are_waited_for(const struct turns *t, unsigned slot);

#endif
