/* scripts.pml - what Redis holds for one lane, and the scripts that change it, each in one step.
 *
 * With FAILOVER a replica follows every step up to some moment, and takes the master's place at some later moment. What
 * happened between the two is lost.
 *
 * The inlines carry the names of common/queue/lua. Times are ticks, relative to now: ages grow and what is
 * left shrinks with each tick, so that no clock grows without end; and fences are renumbered, which only their
 * order and equality survive. So the model has finitely many states, and runs of any length are covered.
 *
 * Wider than the scripts, so that it covers more: claim may take any queued delivery whose moment has come (the
 * order of the list, requeues and `fifo` are not told apart here), and a retry is due when somebody looks. Left out:
 * concurrency, circuits, retention, a second lane (a lane's clock knows of no other), calls that claim or settle
 * several at once, what is counted and listed of tasks, and each dispatcher's own memory of its last send, which
 * the promise must not need. What is left out is tried on a real Redis by tests/queue, at random too.
 */
mtype = { absent, queued, inflight, retry, dead, done, release };

typedef delivery { /* delivery:<id>, and the keys in which its id stands */
    mtype state;
    byte listed;   /* how often in queue:<lane> */
    bit leased;    /* in `inflight` */
    bit deferred;  /* in `retry` */
    bit buried;    /* in dead:<destination> */
    byte attempts;
    byte fence;    /* of the last claim */
    byte sent_as;  /* `sent`: fence of the last claim whose request left */
    byte lease;    /* what is left of it */
};
delivery D[DELIVERIES];
byte fences;

/* lane:<lane> */
byte lane_sent = DELAY_MAX; /* ticks since the last send, DELAY_MAX: that long or longer */
byte lane_open;             /* claims whose request has not been reported to have left */
short lane_until;           /* until the last of their windows closes; negative: since */
byte lane_holder;
byte lane_stale;
byte lane_at = NEVER;       /* the lane's place in `lanes`: when it may next be looked at */

#ifdef FAILOVER
/* The replica. TOGETHER: it has what the master has; APART: it has what is here; MASTER: it has taken over. */
#define TOGETHER 0
#define APART 1
#define MASTER 2
byte replica = TOGETHER;
delivery R[DELIVERIES];
byte R_fences;
byte R_owner[DELIVERIES]; /* for the checks */
#ifdef PACED
byte R_sent;
byte R_open;
short R_until;
byte R_holder;
byte R_stale;
byte since_change = DELAY_MAX; /* ticks since another run of Redis has the queue, as `run` of `present` says it */
bit is_old[HANDS];             /* its claim is of the old master, and it has lost the connection */
#endif
#ifdef NO_WAIT
#define CONFIRMED(d) true
#else
#define CONFIRMED(d) (replica == APART -> R[d].state != absent : D[d].state != absent)
#endif
#define IN_REPLICA(d, f) (replica == APART && R[d].fence == f)
#else
#define CONFIRMED(d) true
#define IN_REPLICA(d, f) false
#endif

#ifdef MOVE
/* The slot moves to another server, one key after the other: the record of one delivery has gone, and the lists have not. */
byte gone = NOBODY; /* the delivery */
mtype gone_state;   /* what its record says, where it is */
#ifdef HELD
/* The server runs every script. An operator holds the partition around the move. */
bit held;
bit out[HANDS + DELIVERIES]; /* a call of this hand or sender is on its way: it was sent before the hold was known */
#define RUNS true
#elif defined(RUNS_HALF)
#define RUNS true
#else
#define RUNS (gone == NOBODY) /* else the server turns the script away, and it is sent again */
#endif
#define IS_GONE(d) (gone == d)
#else
#define RUNS true
#define IS_GONE(d) false
#endif
#ifdef HELD
#define SEND(who) d_step { !held -> out[who] = 1 }
#define ARRIVED(who) out[who] = 0
#else
#define ARRIVED(who) skip
#endif

/* What really happened, for the checks alone. */
bit acked[DELIVERIES];       /* the sender has its 200 */
byte owner[DELIVERIES];      /* the hand that claimed it last, from 1; 0: nobody has it */
bit over[DELIVERIES];
bit resent[DELIVERIES];      /* and not claimed since */
byte since_send = DELAY_MAX; /* ticks since a request left on the lane */

#if DELIVERIES == 1
#define DELAY_OF(d) DELAY_0
#else
#define DELAY_OF(d) (d == 0 -> DELAY_0 : DELAY_1)
#endif

/* --- lib_lane.lua --- */

#ifdef PACED
inline lane_lapse()
{
    if
    :: lane_open > 0 && lane_until <= 0 ->
        printf("     lane_lapse\n");
        if
        :: -lane_until < lane_sent -> lane_sent = -lane_until
        :: else
        fi;
        lane_open = 0;
        lane_holder = 0;
#ifndef NO_STALE
        lane_stale = fences
#endif
    :: else
    fi
}
#else
#define lane_lapse() skip
#endif

#define LANE_WHEN(delay) \
    (delay == 0 -> (lane_holder != 0 -> lane_until : 0) : (lane_open > 0 -> lane_until : delay - lane_sent))
#define LANE_READY(delay) (lane_open == 0 -> LANE_WHEN(delay) - EARLY : LANE_WHEN(delay))

#ifdef SCHEDULED
inline lane_look()
{
    at = NEVER;
    for (i : 0 .. DELIVERIES - 1) {
        if
        :: D[i].listed > 0 ->
            look = LANE_READY(DELAY_OF(i));
            if
            :: look < 0 -> look = 0
            :: else
            fi;
            if
            :: look < at -> at = look
            :: else
            fi
        :: else
        fi
    }
}

inline lane_schedule()
{
    if
    :: loaded -> lane_look(); lane_at = at
    :: else
    fi
}
#define lane_load() loaded = 1
#else
#define lane_schedule() skip
#define lane_load() skip
#endif

/* --- lib_delivery.lua --- */

inline unclaim(d, left)
{
    D[d].leased = 0;
    owner[d] = 0;
    lane_load();
#ifdef PACED
    D[d].lease = 0;
    if
    :: D[d].sent_as != D[d].fence && D[d].fence > lane_stale ->
        if
        :: lane_open > 0 -> lane_open--
        :: else
        fi;
        if
        :: left -> lane_sent = 0
        :: else
        fi
    :: else
    fi;
    if
    :: lane_holder == D[d].fence -> lane_holder = 0
    :: else
    fi
#endif
}

inline requeue(d)
{
    D[d].state = queued;
    D[d].listed++
}

inline finish(d, how)
{
    D[d].state = how;
    assert(!over[d]); /* what is over stays over */
    over[d] = 1;
    D[d].buried = (how == dead)
}

/* --- put.lua --- */

inline put(d)
{
    printf("     put %d\n", d);
    if
#ifdef STOPS_IN_THE_MIDDLE
    :: D[d].state == absent && gone != NOBODY -> D[d].state = queued /* the list is elsewhere: the script fails there */
#endif
    :: D[d].state == absent ->
        requeue(d);
#if defined(SCHEDULED) && !defined(LANE_NOT_ENTERED)
        lane_look();
        if
        :: at < lane_at -> lane_at = at
        :: else
        fi
#endif
    :: else /* a repeat: nothing changes */
    fi
}

/* --- claim.lua --- */

#ifdef LEASE_NEVER_ENDS
#define LEASE_OVER(d) false
#elif defined(SCHEDULED)
#define LEASE_OVER(d) (D[d].lease == 0)
#else /* when it likes, but not while the send window may be open: a lease is longer */
#define LEASE_OVER(d) (D[d].lease == 0 && ((chance >> d) & 1))
#endif

inline expire_leases()
{
    for (i : 0 .. DELIVERIES - 1) {
        if
        :: D[i].leased && LEASE_OVER(i) ->
            printf("%d    expire_leases: %d, fence %d\n", _pid, i, D[i].fence);
            unclaim(i, 1);
            if
            :: D[i].attempts >= ATTEMPTS -> finish(i, dead)
            :: else -> requeue(i)
            fi
        :: else
        fi
    }
}

inline queue_due_retries()
{
    for (i : 0 .. DELIVERIES - 1) {
        if
#ifndef RETRY_FORGOTTEN
        :: D[i].deferred ->
            D[i].deferred = 0;
            lane_load();
            requeue(i)
#endif
        :: else
        fi
    }
}

#ifdef SCHEDULED
#define LANE_DUE (lane_at == 0)
#else
#define LANE_DUE true /* looked at all the time */
#endif
#define MAY_CLAIM(d) (D[d].listed > 0 && LANE_READY(DELAY_OF(d)) <= 0)

/* Takes one that may go, the first from FIRST on, for hand _pid: got (NOBODY: nothing), its, wait. */
inline claim(first)
{
    expire_leases();
    queue_due_retries();
    lane_schedule();
    got[_pid] = NOBODY;
    if
    :: LANE_DUE ->
        lane_load();
        lane_lapse();
        for (i : 0 .. DELIVERIES - 1) {
            look = (first + i) % DELIVERIES;
            if
            :: got[_pid] == NOBODY && MAY_CLAIM(look) -> got[_pid] = look
            :: else
            fi
        }
    :: else
    fi;
    look = got[_pid];
    if
    :: look != NOBODY ->
        D[look].listed--;
        fences++;
        its[_pid] = fences;
        D[look].fence = fences;
        D[look].attempts++;
        D[look].state = inflight;
#ifndef POP_WITHOUT_INFLIGHT
        D[look].leased = 1;
#endif
#ifdef PACED
        D[look].lease = LEASE;
        if
        :: LANE_WHEN(DELAY_OF(look)) > 0 -> wait = LANE_WHEN(DELAY_OF(look))
        :: else -> wait = 0
        fi;
#ifdef PACE_AT_CLAIM
        wait = 0;
        lane_sent = 0;
#else
        lane_open++;
        if
        :: WINDOW > lane_until || lane_open == 1 -> lane_until = WINDOW
        :: else
        fi;
        if
        :: DELAY_OF(look) > 0 -> lane_holder = fences
        :: else
        fi;
#endif
#endif
        resent[look] = 0;
        printf("%d    claim: %d, fence %d, wait %d\n", _pid, look, fences, wait);
        assert(!over[look]);
        owner[look] = _pid + 1
    :: else
    fi;
    lane_schedule()
}

/* --- sent.lua --- AGO: how long ago the request left, as the dispatcher says. */

#ifdef REPORT_AFTER_LEASE
#define IS_CLAIM(d) (D[d].fence == its[_pid])
#else
#define IS_CLAIM(d) (D[d].fence == its[_pid] && D[d].state == inflight)
#endif
#ifdef PACE_AT_CLAIM
#define sent(d, ago) skip
#else
inline sent(d, ago)
{
    printf("%d    sent: %d, fence %d, %d ago\n", _pid, d, its[_pid], ago);
    lane_load();
    if
    :: IS_CLAIM(d) && D[d].sent_as != its[_pid] ->
        D[d].sent_as = its[_pid];
        if
        :: its[_pid] > lane_stale ->
            if
            :: ago < lane_sent -> lane_sent = ago
            :: else
            fi;
            if
            :: lane_open > 0 -> lane_open--
            :: else
            fi;
            if
            :: lane_holder == its[_pid] -> lane_holder = 0
            :: else
            fi
        :: else
        fi
    :: else
    fi;
    lane_schedule()
}
#endif

/* --- settle.lua --- */

#ifdef NO_FENCE
#define MAY_SETTLE(d) (D[d].state == inflight)
#else
#define MAY_SETTLE(d) (D[d].state == inflight && D[d].fence == its[_pid])
#endif

#ifdef RETOLD_ENDS_RESEND
#define MAY_END_WAITING true
#else
#define MAY_END_WAITING (its[_pid] != BEFORE)
#endif

/* A success that comes late ends what only waits; not one of before a resend, which asks for a request of its own. */
inline end_waiting(d)
{
    if
    :: D[d].state == retry && MAY_END_WAITING ->
        assert(!resent[d]);
        lane_load();
        D[d].deferred = 0;
        finish(d, done)
    :: D[d].state == queued && MAY_END_WAITING ->
        assert(!resent[d]);
        lane_load();
        D[d].listed--;
        finish(d, done)
    :: else
    fi
}

inline settle(d, verdict, left)
{
    printf("%d    settle: %d, fence %d, %e, left %d\n", _pid, d, its[_pid], verdict, left);
    if
    :: MAY_SETTLE(d) ->
        assert(owner[d] == _pid + 1); /* nobody ends a claim but who has it */
        unclaim(d, left);
        if
        :: verdict == retry ->
            D[d].state = retry;
            D[d].deferred = 1
        :: verdict == release ->
            D[d].attempts--;
            requeue(d)
        :: else -> finish(d, verdict)
        fi
    :: !MAY_SETTLE(d) && verdict == done -> end_waiting(d)
    :: else
    fi;
    lane_schedule()
}

/* --- resend.lua --- */

#ifdef RESENDS
inline resend(d)
{
    printf("     resend %d\n", d);
    D[d].buried = 0;
    D[d].attempts = 0;
    over[d] = 0;
    resent[d] = 1;
    requeue(d);
    for (i : 0 .. HANDS - 1) {
        if
        :: got[i] == d -> its[i] = BEFORE /* not over `since`, the last fence given out by now */
        :: else
        fi
    }
}
#endif

/* --- after each script --- */

/* Invariant 1: in exactly one place, and in the one that its state names. */
inline check_places()
{
    for (i : 0 .. DELIVERIES - 1) {
        if
        :: !IS_GONE(i) ->
            assert(D[i].listed == (D[i].state == queued));
            assert(D[i].leased == (D[i].state == inflight));
            assert(D[i].deferred == (D[i].state == retry));
            assert(D[i].buried == (D[i].state == dead));
            assert(!acked[i] || D[i].state != absent)
        :: else
        fi
    }
}

/* --- a slot that moves --- */

#ifdef MOVE
inline move_half(d)
{
    printf("     the record of %d moves\n", d);
    gone = d;
    gone_state = D[d].state;
    D[d].state = absent
}

inline move_rest()
{
    printf("     the slot has moved\n");
    assert(D[gone].state == absent); /* nobody has written a record beside the one that has moved */
    D[gone].state = gone_state;
    gone_state = absent;
    gone = NOBODY
}
#endif

#ifdef FAILOVER
#ifdef PACED
inline renumber_replica_lane()
{
    if
    :: R_holder > look -> R_holder--
    :: else
    fi;
    if
    :: R_stale >= look -> R_stale--
    :: else
    fi
}
#else
#define renumber_replica_lane() skip
#endif

/* No fence LOOK is there any more. */
inline renumber_replica()
{
    if
    :: replica == APART ->
        for (i : 0 .. DELIVERIES - 1) {
            if
            :: R[i].fence > look -> R[i].fence--
            :: else
            fi;
            if
            :: R[i].sent_as > look -> R[i].sent_as--
            :: else
            fi
        }
        if
        :: R_fences >= look -> R_fences--
        :: else
        fi;
        renumber_replica_lane()
    :: else
    fi
}
#else
#define renumber_replica() skip
#endif

/* Fences that nobody can compare with any more give their numbers back. */
inline renumber()
{
    for (i : 0 .. HANDS - 1) {
        if
        :: got[i] != NOBODY && its[i] != D[got[i]].fence && its[i] != BEFORE && its[i] <= fences &&
               !IN_REPLICA(got[i], its[i]) -> its[i] = FENCED
        :: else
        fi
    }
    for (i : 0 .. DELIVERIES - 1) {
        at = 0;
        for (look : 0 .. HANDS - 1) {
            if
            :: got[look] == i && its[look] == D[i].fence -> at = 1
            :: IN_REPLICA(i, D[i].fence) -> at = 1
            :: else
            fi
        }
        if
        :: at == 0 && D[i].state != inflight -> D[i].fence = 0
        :: else
        fi;
        if
        :: D[i].sent_as != D[i].fence -> D[i].sent_as = 0
        :: else
        fi
    }
    look = fences;
    do
    :: look == 0 -> break
    :: else ->
        at = 0;
        for (i : 0 .. DELIVERIES - 1) {
            if
            :: D[i].fence == look || IN_REPLICA(i, look) -> at = 1
            :: else
            fi
        }
        if
        :: at == 0 ->
            renumber_replica();
            for (i : 0 .. DELIVERIES - 1) {
                if
                :: D[i].fence > look -> D[i].fence--
                :: else
                fi;
                if
                :: D[i].sent_as > look -> D[i].sent_as--
                :: else
                fi
            }
            for (i : 0 .. HANDS - 1) {
                if
                :: its[i] < BEFORE && its[i] > look -> its[i]--
                :: else
                fi
            }
            if
            :: lane_holder > look -> lane_holder--
            :: else
            fi;
            if
            :: lane_stale >= look -> lane_stale--
            :: else
            fi;
            fences--
        :: else
        fi;
        look--
    od;
    at = 0; look = 0; i = 0; loaded = 0
}

inline script_ends()
{
    check_places();
    renumber()
}

/* --- failover --- */

#ifdef FAILOVER
inline copy_delivery(to, from)
{
    to.state = from.state;
    to.listed = from.listed;
    to.leased = from.leased;
    to.deferred = from.deferred;
    to.buried = from.buried;
    to.attempts = from.attempts;
    to.fence = from.fence;
    to.sent_as = from.sent_as;
    to.lease = from.lease
}

/* From here on the replica gets nothing more. */
inline part()
{
    printf("     the replica stays behind\n");
    replica = APART;
    for (i : 0 .. DELIVERIES - 1) {
        copy_delivery(R[i], D[i]);
        R_owner[i] = owner[i]
    }
    R_fences = fences;
#ifdef PACED
    R_sent = lane_sent;
    R_open = lane_open;
    R_until = lane_until;
    R_holder = lane_holder;
    R_stale = lane_stale;
#endif
    i = 0
}

/* The master is gone, with what the replica had not got. */
inline fail_over()
{
    printf("     FAILOVER\n");
    replica = MASTER;
    for (i : 0 .. DELIVERIES - 1) {
        copy_delivery(D[i], R[i]);
        owner[i] = R_owner[i];
        over[i] = (D[i].state == done || D[i].state == dead); /* what the replica does not know of is sent again */
        R[i].state = absent;
        R[i].listed = 0;
        R[i].leased = 0;
        R[i].deferred = 0;
        R[i].buried = 0;
        R[i].attempts = 0;
        R[i].fence = 0;
        R[i].sent_as = 0;
        R[i].lease = 0;
        R_owner[i] = 0
    }
#ifdef FENCES_AGAIN
    fences = R_fences;
#endif
    R_fences = 0; /* else limits.lua goes on above every fence that the old master gave out */
#ifdef PACED
    lane_sent = R_sent;
    lane_open = R_open;
    lane_until = R_until;
    lane_holder = R_holder;
    lane_stale = R_stale;
    R_sent = 0;
    R_open = 0;
    R_until = 0;
    R_holder = 0;
    R_stale = 0;
    since_change = 0;
    for (i : 0 .. HANDS - 1) {
        is_old[i] = (step[i] == ASKED || step[i] == CLAIMED)
    }
#endif
    i = 0
}
#endif
