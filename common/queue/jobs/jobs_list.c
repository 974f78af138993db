/* The list of jobs: the partitions' parts of a job become one. */
#include "common/base/alloc.h"
#include "common/config/partition.h"
#include "common/queue/jobs/jobs_private.h"

#include <stdlib.h>

#define ARGS_MAX ((size_t)1 << 16)

enum { F_VERB, F_STATE, F_DESTINATION, F_SOURCE, F_LANE, F_ACCOUNT, F_OVER, TEXTS };
enum { N_SINCE, N_UNTIL, N_BEGUN, N_ENDED, N_DONE, N_FAILED, NUMBERS };

struct known { /* a job, as far as the partitions have answered */
    char *id, *texts[TEXTS];
    int64_t numbers[NUMBERS], left;
    bool is_running, is_cancelled;
};

struct list_call {
    struct shards_call call; /* first */
    struct known *list;
    size_t count, cap, most;
    struct queue_jobs *q;
    jobs_fn fn;
    void *ctx;
};

static struct known *find_known(struct list_call *c, struct slice id)
{
    for (size_t i = 0; i < c->count; i++)
        if (slice_eq(id, slice_str(c->list[i].id)))
            return &c->list[i];
    if (c->count == c->cap)
        return NULL;
    c->list[c->count].id = xslicedup(id);
    return &c->list[c->count++];
}

/* The value of the field NAME of the hash R. */
static const struct redis_reply *field(const struct redis_reply *r, const char *name)
{
    for (size_t i = 0; i + 1 < redis_count(r); i += 2)
        if (slice_eq(redis_text(redis_at(r, i)), slice_str(name)))
            return redis_at(r, i + 1);
    return NULL;
}

/* Adds one partition's part: {id, number of deliveries left, hash}. */
static void known_add(struct known *k, int64_t left, const struct redis_reply *hash)
{
    static const char *const texts[TEXTS] = {"verb", "state",   "destination", "source",
                                             "lane", "account", "over"};
    static const char *const numbers[NUMBERS] = {"since", "until", "begun",
                                                 "ended", "done",  "failed"};
    for (size_t i = 0; i < TEXTS; i++)
        if (!k->texts[i])
            k->texts[i] = xslicedup(redis_text(field(hash, texts[i])));
    for (size_t i = 0; i < NUMBERS; i++) {
        int64_t n = redis_int(field(hash, numbers[i]));
        if (i == N_DONE || i == N_FAILED)
            k->numbers[i] += n;
        else if (n > k->numbers[i])
            k->numbers[i] = n;
    }
    struct slice over = redis_text(field(hash, "over"));
    k->is_running = k->is_running || slice_eq(over, SLICE_LIT("running"));
    k->is_cancelled = k->is_cancelled || slice_eq(over, SLICE_LIT("cancelled"));
    k->left += left;
}

static bool list_on_reply(struct shards_call *call, size_t partition, const struct redis_reply *r)
{
    struct list_call *c = (struct list_call *)call;
    (void)partition;
    if (redis_kind(r) != REDIS_LIST)
        return false;
    for (size_t i = 0; i < redis_count(r); i++) {
        const struct redis_reply *one = redis_at(r, i);
        struct known *k = find_known(c, redis_text(redis_at(one, 0)));
        if (k)
            known_add(k, redis_int(redis_at(one, 1)), redis_at(one, 2));
    }
    return true;
}

/* May a partition that has not answered still have work of K? */
static bool is_unsure(const struct list_call *c, const struct known *k)
{
    struct slice lane =
        jobs_lane(c->q, slice_str(k->texts[F_LANE]), slice_str(k->texts[F_DESTINATION]));
    if (lane.len)
        return partition_set_has(&c->call.missing, partition_of(lane, c->q->partitions));
    return !partition_set_is_empty(&c->call.missing);
}

static struct job_view view_of(const struct list_call *c, const struct known *k)
{
    const int64_t *n = k->numbers;
    bool may_run = k->is_running || is_unsure(c, k);
    return (struct job_view){.id = slice_str(k->id),
                             .verb = slice_str(k->texts[F_VERB]),
                             .state = slice_str(k->texts[F_STATE]),
                             .destination = slice_str(k->texts[F_DESTINATION]),
                             .source = slice_str(k->texts[F_SOURCE]),
                             .lane = slice_str(k->texts[F_LANE]),
                             .account = slice_str(k->texts[F_ACCOUNT]),
                             .since = n[N_SINCE],
                             .until = n[N_UNTIL],
                             .started_at = n[N_BEGUN],
                             .ended_at = may_run ? 0 : n[N_ENDED],
                             .progress = k->is_running     ? "running"
                                         : may_run         ? "unknown"
                                         : k->is_cancelled ? "cancelled"
                                                           : "done",
                             .done = n[N_DONE],
                             .failed = n[N_FAILED],
                             .total = n[N_DONE] + n[N_FAILED] + k->left};
}

/* Ids begin with the moment when they were made. */
static int newer(const void *a, const void *b)
{
    return strcmp(((const struct known *)b)->id, ((const struct known *)a)->id);
}

static void list_on_end(struct shards_call *call)
{
    struct list_call *c = (struct list_call *)call;
    struct job_view *views = xcalloc(c->count ? c->count : 1, sizeof *views);
    size_t count = c->count < c->most ? c->count : c->most;
    qsort(c->list, c->count, sizeof *c->list, newer);
    for (size_t i = 0; i < count; i++)
        views[i] = view_of(c, &c->list[i]);
    c->fn(c->ctx, call->rc, call->rc == OK ? views : NULL, call->rc == OK ? count : 0,
          &call->missing);
    for (size_t i = 0; i < c->count; i++) {
        free(c->list[i].id);
        for (size_t j = 0; j < TEXTS; j++)
            free(c->list[i].texts[j]);
    }
    free(views);
    free(c->list);
    free(c);
}

void queue_jobs_list(struct queue_jobs *q, struct slice id, size_t most, jobs_fn fn, void *ctx)
{
    struct list_call *c = NEW(struct list_call);
    struct args a;
    shards_call_begin(&c->call, q->loop, q->shards);
    c->call.on_reply = list_on_reply;
    c->call.on_end = list_on_end;
    c->call.may_miss = true;
    shards_call_hurry(&c->call);
    c->q = q;
    c->most = most;
    c->cap = most * q->partitions;
    c->list = xcalloc(c->cap, sizeof *c->list);
    c->fn = fn;
    c->ctx = ctx;
    args_init(&a, ARGS_MAX);
    args_add(&a, SLICE_LIT("list"));
    args_add(&a, id);
    args_add_int(&a, (int64_t)most);
    shards_call_everywhere(&c->call, &q->jobs, &a);
    args_clear(&a);
    shards_call_sent(&c->call);
}
