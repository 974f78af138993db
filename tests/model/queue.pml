/* queue.pml - the queue's protocol (docs/internals/queue.md) as a model for spin; tests/model/run checks it.
 *
 * A hand is one claim at a time in some dispatcher's care; a dispatcher that has several is several hands. Every
 * hand may take any time at every step (that is what a stopped process is) and may be killed at every step; a
 * lost connection loses a report or a reply, and may make a result be told twice.
 *
 * What is checked depends on how time is modelled:
 *   (neither)   each lease, window and wait ends when it likes: what holds, holds for every timing
 *   PACED       one clock for all, and delays: no request leaves too early
 *   SCHEDULED   PACED, with the set `lanes`; faults and late hands are finitely many: everything ends
 */
#ifdef SCHEDULED
#define PACED
#endif

#define NEVER 255
#define NOBODY 255
#define FENCED 254 /* in the place of a fence: one that another claim has replaced */
#define BEFORE 253 /* the same, of before a resend */
#ifdef PACED
#ifdef SCHEDULED
#define LEASE (WINDOW + ANSWER + 1)
#else
#define LEASE WINDOW
#endif
#else
#define DELAY_0 0
#define DELAY_1 0
#define DELAY_MAX 0
#define EARLY 0
#endif

/* Hands are the first processes, numbered from 0. */
byte got[HANDS] = NOBODY; /* the delivery that it has claimed */
byte its[HANDS];          /* under which fence */
#ifdef PACED
byte step[HANDS];
#define IDLE 0
#define ASKED 1 /* the claim is on its way, there or back */
#define CLAIMED 2
#define LEFT 3 /* the request has left */
byte age[HANDS];   /* ticks since the claim was asked for */
byte hold[HANDS];  /* ticks that the claim said to wait, counted from its arrival */
byte since[HANDS]; /* ticks since its request left */
#endif
#ifdef SCHEDULED
byte faults = FAULTS;
byte stalls = STALLS;
#define FAULT faults > 0 -> faults--
#else
#define FAULT true
#endif

#include "scripts.pml"

#ifdef PACED
#ifdef FAILOVER
#define forget_old() is_old[_pid] = 0
#else
#define forget_old() skip
#endif
#define forget_times() forget_old(); step[_pid] = IDLE; age[_pid] = 0; hold[_pid] = 0; since[_pid] = 0
#else
#define forget_times() skip
#endif

inline forget()
{
    forget_times();
    ARRIVED(_pid);
    got[_pid] = NOBODY;
    its[_pid] = 0;
    verdict = absent;
    wait = 0;
    chance = 0
}

#define KILLED d_step { FAULT; printf("%d    killed\n", _pid); forget(); renumber() }

#ifndef FAILOVER
#define MAY_STILL_SEND true
#elif defined(OLD_CLAIM)
#define MAY_STILL_SEND (since_change >= DELAY_OF(got[_pid]) || is_old[_pid])
#elif defined(NO_HOLD)
#define MAY_STILL_SEND (!is_old[_pid])
#else
#define MAY_STILL_SEND (since_change >= DELAY_OF(got[_pid]) && !is_old[_pid])
#endif

#ifdef PACED
#define WINDOW_OVER (age[_pid] >= WINDOW)
#ifdef NO_WINDOW
#define WINDOW_OPEN true
#else
#define WINDOW_OPEN (!WINDOW_OVER)
#endif
#define TOO_EARLY (age[_pid] + hold[_pid] >= WINDOW)
#endif

#define MAY_RUN_OUT(d) (D[d].leased && D[d].lease == 0)

active [HANDS] proctype dispatcher()
{
    byte wait, i, at, chance;
    short look;
    bit loaded; /* the lane, by this script */
    mtype verdict = absent;
end_idle:
    do
    ::
#ifdef PACED
        d_step {
            step[_pid] = ASKED; /* its window counts from here */
            printf("%d asks\n", _pid)
        };
#endif
#ifdef HELD
        SEND(_pid);
#endif
        atomic {
            RUNS;
            if /* which it looks at first, where that may make a difference */
            :: wait = 0
#if DELIVERIES > 1
            :: D[1].state != absent && !over[1] -> wait = 1
#endif
            fi;
#ifndef SCHEDULED
            if /* which leases have run out, of those that may have */
            :: chance = 0
            :: MAY_RUN_OUT(0) -> chance = 1
#if DELIVERIES > 1
            :: MAY_RUN_OUT(1) -> chance = 2
            :: MAY_RUN_OUT(0) && MAY_RUN_OUT(1) -> chance = 3
#endif
            fi;
#endif
            d_step {
                claim(wait);
                script_ends();
                ARRIVED(_pid);
                chance = 0;
#ifndef PACED
                wait = 0;
#endif
                if
                :: got[_pid] == NOBODY -> forget()
                :: else
                fi
            }
            if
            :: got[_pid] == NOBODY -> goto end_idle
            :: else
            fi
        };
#ifdef PACED
        if
        :: KILLED; goto end_idle /* or the reply is lost */
        :: d_step { /* the reply arrives */
                step[_pid] = CLAIMED;
#ifdef WINDOW_FROM_REPLY
                age[_pid] = 0;
#endif
                hold[_pid] = wait;
                wait = 0
            }
        fi;
        if
        :: KILLED; goto end_idle
        :: d_step { WINDOW_OVER || TOO_EARLY -> settle(got[_pid], release, 0); forget(); script_ends() }; goto end_idle
        :: d_step {
                WINDOW_OPEN && hold[_pid] == 0 && MAY_STILL_SEND ->
                printf("%d SENDS %d, %d since the last\n", _pid, got[_pid], since_send);
                assert(since_send >= DELAY_OF(got[_pid])); /* invariant 2, where the request leaves */
                since_send = 0;
                step[_pid] = LEFT;
                age[_pid] = 0
            }
        fi;
        do
        :: KILLED; goto end_idle
        :: d_step { /* it may also be lost, or not be asked for; a report that takes no time is the worst */
                verdict == absent ->
                sent(got[_pid], since[_pid]);
                script_ends();
                verdict = inflight /* reported */
            }
        :: d_step { settle(got[_pid], done, 1); forget(); script_ends() }; goto end_idle
        :: d_step { D[got[_pid]].attempts < ATTEMPTS -> settle(got[_pid], retry, 1); forget(); script_ends() };
            goto end_idle
        :: d_step { D[got[_pid]].attempts >= ATTEMPTS -> settle(got[_pid], dead, 1); forget(); script_ends() };
            goto end_idle
        od
#else
        if
        :: KILLED; goto end_idle
        :: verdict = release
        :: verdict = done /* the request leaves, or it does not: nobody in Redis knows */
        :: verdict = (D[got[_pid]].attempts < ATTEMPTS -> retry : dead)
        fi;
#ifdef HELD
        SEND(_pid);
#endif
        do
        :: KILLED; goto end_idle
        :: d_step { RUNS -> settle(got[_pid], verdict, 1); script_ends() } /* the answer is lost: it is told again */
        :: d_step { RUNS -> settle(got[_pid], verdict, 1); forget(); script_ends() }; goto end_idle
        od
#endif
    od
}

#ifdef FANOUT
#ifdef ANY_PARTITION
#define ACCEPTED (first || second)
#else
#define ACCEPTED (first && second)
#endif

/* put in one of the partitions: it may fail, and it may succeed without anybody being told. */
inline put_there(number, answered)
{
    if
    :: d_step { put(number); check_places(); i = 0; at = 0; look = 0; answered = 1 }
    :: d_step { put(number); check_places(); i = 0; at = 0; look = 0 }
    :: skip
    fi
}

/* One event for two destinations, which are in two partitions: 200 when both have it, else 503 and it is sent again. */
proctype sender()
{
    byte i, at;
    short look;
    bit first, second;
    do
    ::  put_there(0, first);
        put_there(1, second);
        if
        :: d_step { ACCEPTED -> acked[0] = 1; acked[1] = 1; check_places(); i = 0 }; break
        :: d_step { !ACCEPTED -> first = 0; second = 0 }
        fi
    od
}
#elif !defined(PACED) || defined(SCHEDULED)
/* The sender of an event with delivery NUMBER, who repeats until there is an answer; and the receiver. */
proctype sender(byte number)
{
    byte i, at;
    short look;
    do
#ifdef ACK_EARLY
    :: d_step { !acked[number] -> acked[number] = 1 }
    :: d_step { acked[number] -> put(number); check_places(); i = 0; at = 0; look = 0 }; break
    :: d_step { acked[number] -> check_places(); i = 0 }; break /* killed; the sender has its answer */
#else
    ::
#ifdef HELD
        SEND(HANDS + number);
#endif
        d_step { RUNS -> put(number); ARRIVED(HANDS + number); check_places(); i = 0; at = 0; look = 0 };
        if
        :: d_step { FAULT } /* killed before it answered */
        :: CONFIRMED(number) -> acked[number] = 1; break
        fi
#endif
    od
}
#endif

#ifdef RESENDS
/* Somebody who asks for what is over once more, once for each. */
proctype caller(byte number)
{
    byte i, at;
    short look;
    bit loaded;
    d_step {
        over[number] ->
        resend(number);
        check_places();
        renumber()
    }
}
#endif

#ifdef PACED
#define AGES(what, most) if :: what < most -> what++ :: else fi
#define RUNS_OUT(what) if :: what > 0 -> what-- :: else fi

#ifdef FAILOVER
/* What the replica holds grows old too. */
inline tick_replica()
{
    AGES(since_change, DELAY_MAX);
    if
    :: replica == APART ->
        AGES(R_sent, DELAY_MAX);
        if
        :: R_open > 0 && R_until > -DELAY_MAX -> R_until--
        :: else
        fi;
        for (i : 0 .. DELIVERIES - 1) {
            RUNS_OUT(R[i].lease)
        }
    :: else
    fi
}
#else
#define tick_replica() skip
#endif

inline tick()
{
    printf("tick\n");
    tick_replica();
    AGES(lane_sent, DELAY_MAX);
    AGES(since_send, DELAY_MAX);
    if
    :: lane_open == 0 -> lane_until = 0 /* not read before it is set */
    :: lane_open > 0 && lane_until > -DELAY_MAX -> lane_until--
    :: else
    fi;
    if
    :: lane_at != NEVER -> RUNS_OUT(lane_at)
    :: else
    fi;
    for (i : 0 .. DELIVERIES - 1) {
        RUNS_OUT(D[i].lease)
    }
    for (i : 0 .. HANDS - 1) {
        if
        :: step[i] == ASKED || step[i] == CLAIMED -> AGES(age[i], WINDOW)
        :: step[i] == LEFT -> AGES(since[i], DELAY_MAX)
        :: else
        fi;
        RUNS_OUT(hold[i])
    }
    i = 0
}

#ifdef SCHEDULED
/* Hand H would come too late if the clock went on now: that happens only finitely often. */
#define LATE(h) (step[h] == ASKED && age[h] + EARLY + 1 >= WINDOW || step[h] == CLAIMED && age[h] + 1 >= WINDOW || \
                 step[h] == LEFT && since[h] >= ANSWER)
#define SOMEBODY_LATE (LATE(0) || LATE(1))
#else
#define SOMEBODY_LATE false
#endif

proctype clock()
{
    byte i;
end_clock:
    do
    :: d_step { !SOMEBODY_LATE -> tick() }
#ifdef SCHEDULED
    :: d_step { SOMEBODY_LATE && stalls > 0 -> stalls--; tick() }
#endif
    od
}
#endif

#ifdef MOVE
/* Redis' own tool moves the slot, once. */
proctype mover()
{
    byte i;
#ifdef HELD
    held = 1;
#ifndef MOVED_AT_ONCE
    for (i : 0 .. HANDS + DELIVERIES - 1) { /* hookpace partition hold returns when no call can be on its way any more */
        !out[i]
    }
#endif
#endif
    if
    :: d_step { move_half(0) }
#if DELIVERIES > 1
    :: d_step { move_half(1) }
#endif
    fi;
    d_step { move_rest(); check_places(); i = 0 };
#ifdef HELD
    held = 0
#endif
}
#endif

#ifdef FAILOVER
proctype failover()
{
    byte i, at;
    short look;
    bit loaded;
    d_step { part() };
    d_step { fail_over(); check_places(); renumber() }
}
#endif

init
{
    byte i, at;
    short look;
    atomic {
        for (i : 0 .. DELIVERIES - 1) {
            D[i].state = absent;
#if defined(PACED) && !defined(SCHEDULED)
            put(i); /* when it comes does not matter here: it is taken when somebody likes */
#elif !defined(FANOUT)
            run sender(i);
#endif
#ifdef RESENDS
            run caller(i)
#endif
        }
        i = 0; at = 0; look = 0;
#ifdef FANOUT
        run sender();
#endif
#ifdef FAILOVER
        run failover();
#endif
#ifdef MOVE
        run mover();
#endif
#ifdef PACED
        run clock()
#endif
    }
}

#ifdef SCHEDULED
#define OVER(d) (acked[d] && (D[d].state == done || D[d].state == dead))
#if DELIVERIES == 1
ltl everything_ends { <> OVER(0) }
#else
ltl everything_ends { <> (OVER(0) && OVER(1)) }
#endif
#endif
