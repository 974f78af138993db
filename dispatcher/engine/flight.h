/* flight - one claimed delivery in the engine's hands, and the list of all of them.
 *
 * A finished flight is used again together with its request's memory: in steady operation an attempt allocates
 * nothing here. deliver.c says how a flight goes from one state to the next.
 */
#ifndef DISPATCHER_FLIGHT_H
#define DISPATCHER_FLIGHT_H

#include "common/base/pool.h"
#include "dispatcher/engine/request.h"

struct attempt;
struct deliver;
struct delivery;
struct fetch;
struct holder;
struct loop_timer;
struct stamped;
struct target;

enum flight_state {
    FLIGHT_CLAIMED,
    FLIGHT_HELD,    /* until its lane may be sent on */
    FLIGHT_WAITING, /* for its turn at its destination */
    FLIGHT_RUNNING, /* counted in its target's running attempts */
    FLIGHT_MAKING,  /* running, and its request waits for the thread or is made there */
    FLIGHT_SENT,    /* running, and the request has left */
};

struct flight { /* Owned by its list: in use, or spare. */
    struct list_link link;
    struct deliver *engine;
    struct delivery *delivery; /* owned until it is settled */
    struct target *target;     /* NULL before the start */
    struct attempt *attempt;   /* NULL unless the transport has it */
    struct fetch *fetch; /* if the event was only announced and its result is fetched, else NULL */
    struct stamped *stamped; /* of a task whose account had settings of its own, else NULL */
    struct loop_timer *hold; /* made when first needed, kept */
    struct request request;
    struct holder *holder;        /* whose share it takes; NULL before it has a target */
    size_t held;                  /* bytes counted in its holder's share */
    size_t made;                  /* so many of them for the request */
    bool is_large;                /* its body inflates to more than it usually would */
    enum request_verdict verdict; /* of the thread that made its request */
    enum flight_state state;
    struct list_link turn; /* in its target's turns while it waits, or in the engine's `making` */
    mono_us started;       /* when it began to run */
    int64_t wait_ms;       /* of a release that may_send asked for */
};

struct flights { /* Owned by the engine; flights_init, flights_clear. Must not be moved. */
    struct list list;
    struct pool spare;
    size_t count;
};

void flights_init(struct flights *l);
/* Frees the spare ones. None may be in use. */
void flights_clear(struct flights *l);
/* A flight for D, at the front of the list. */
struct flight *flight_begin(struct flights *l, struct delivery *d);
/* Takes F out of the list and returns its delivery, which is the caller's now. F's request stays until flight_end. */
struct delivery *flight_leave(struct flights *l, struct flight *f);
/* After flight_leave: F may be used again. */
void flight_end(struct flights *l, struct flight *f);

#endif
