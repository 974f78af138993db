/* flight - one claimed delivery in the engine's hands, and the list of all of them.
 *
 * Flights are used again, with the memory of their requests: in steady operation an attempt allocates
 * nothing here.
 */
#ifndef DISPATCHER_FLIGHT_H
#define DISPATCHER_FLIGHT_H

#include "dispatcher/engine/request.h"

struct deliver;
struct delivery;
struct fetch;
struct http_call;
struct loop_timer;
struct target;

struct flight { /* Owned by its list: in use, or spare. */
    struct flight *next, *prev;
    struct deliver *engine;
    struct delivery *delivery; /* owned until it is settled */
    struct target *target;     /* NULL before the start */
    struct http_call *call;    /* NULL unless under way */
    struct fetch *fetch;       /* of a result that was only announced, else NULL */
    struct loop_timer *hold;   /* made when first needed, kept */
    struct request request;
    size_t fetched; /* bytes of the result, counted in the list's */
    bool was_sent;
    bool is_running;       /* counted in its target's attempts */
    bool is_waiting;       /* for its turn */
    struct flight *behind; /* the next one in the turns */
    int64_t wait_ms;       /* of a release that may_send asked for */
};

struct
    turns { /* flights of one target in the order in which they came; borrowed; must not be moved */
    struct flight *first, **last;
};

void turns_init(struct turns *t);
void turns_add(struct turns *t, struct flight *f);
/* Takes F, or the first (F == NULL), out; NULL if there is none. */
struct flight *turns_take(struct turns *t, struct flight *f);

struct flights { /* Owned by the engine; zeroed to begin with, flights_clear at the end. */
    struct flight *first, *spare;
    size_t count, spare_count;
    size_t bytes; /* of the deliveries' records and of what was fetched */
};

/* A flight for D, at the front of the list. */
struct flight *flight_begin(struct flights *l, struct delivery *d);
/* F has fetched so many bytes. */
void flight_fetched(struct flights *l, struct flight *f, size_t bytes);
/* Takes F out of the list; its delivery is the caller's again, its request stays until flight_end. */
struct delivery *flight_leave(struct flights *l, struct flight *f);
/* Behind flight_leave: F may be used again. */
void flight_end(struct flights *l, struct flight *f);
/* Frees the spare ones. None may be in use. */
void flights_clear(struct flights *l);

#endif
