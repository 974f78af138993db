/* admin_private - what the files of queue_admin share.   [wiring] */
#ifndef COMMON_QUEUE_ADMIN_PRIVATE_H
#define COMMON_QUEUE_ADMIN_PRIVATE_H

#include "common/base/map.h"
#include "common/queue/queue_admin.h"
#include "common/queue/shards_call.h"

#define ADMIN_ARGS_MAX ((size_t)16 << 20)

struct survey_row { /* a lane; owned by its survey */
    char *name;
    bool is_configured;
    bool is_in[LANE_STATES]; /* is it in the state? */
    double retry;            /* deliveries that wait for a retry or for their origin */
    /* of destinations that are not configured */
    double other_inflight;
    int64_t other_dead;
};

struct survey {      /* owned by the queue_admin */
    struct map rows; /* name -> struct survey_row */
    char **names;    /* of the rows, in their order */
    size_t count;
    struct queue_totals totals;
    struct partition_set missing; /* partitions that have not answered */
};

/* SURVEY is borrowed for the call. RC != OK (SURVEY NULL): Redis did not answer, or not in time. */
typedef void (*survey_fn)(void *ctx, enum err rc, const struct survey *survey);
struct waiter;

struct queue_admin {
    struct loop *loop;
    struct shards *shards; /* borrowed */
    struct config *conf;   /* referenced */
    struct redis_script look, search, dead, pause, check, survey, lanes;
    struct redis_script redo, drop;
    struct redis_script counted;
    struct survey *last_survey; /* or NULL */
    int64_t survey_at;          /* when it was made */
    struct waiter *waiters;     /* for the survey that is under way */
    struct waiter *served;      /* who will get the last one */
    bool is_surveying;
};

/* The partition of the delivery ID, by the lane of its destination; -1 if the destination is not configured, so that every
 * partition must be asked. */
int admin_partition_of(const struct queue_admin *q, struct slice id);

#define ADMIN_POSITION_MAX 64
/* Is S a place in a walk of search.lua or dead.lua? It has digits and the marks between numbers; no number is so long that Redis
 * would refuse it. It may be empty. */
bool admin_is_position(struct slice s);

/* Calls FN with a survey that is at most ten seconds old: once, never before this returns. At least one partition has
 * answered. */
void admin_survey(struct queue_admin *q, survey_fn fn, void *ctx);
/* The same for one who wants to know PARTITION only. The survey may be of this partition alone. It is not missing. */
void admin_survey_of(struct queue_admin *q, unsigned partition, survey_fn fn, void *ctx);
/* The next survey is a new one. */
void admin_survey_forget(struct queue_admin *q);
void admin_survey_free(struct survey *s); /* NULL is fine */

#endif
