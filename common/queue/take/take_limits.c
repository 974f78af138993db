#include "common/base/log.h"
#include "common/base/metrics.h"
#include "common/config/config.h"
#include "common/ops/families.h"
#include "common/queue/keys.h"
#include "common/queue/take/take_private.h"

#define ROWS_MAX 48     /* destinations a call: it takes Redis less than a millisecond */
#define TOLD_US 3000000 /* a change of Redis that is older is no news */
#define LIMITS_LEAD 3   /* values before the notes in a reply of limits.lua */

/* --- what the scripts found --- */

/* The meaning of a note's word. NULL: the delivery is a dead letter, and the word is its error. */
struct note_row {
    const char *word, *reason;
};

static const struct note_row note_rows[] = {
    {"event_lost", NULL},
    {"no_destination", NULL},
    {"unknown", "no running dispatcher has this destination in its configuration"},
    {"delivery_gone", "the delivery was deleted; its id was taken out of the list"},
    {"not_queued", "the id stood in a queue, but the delivery is not queued; it was taken out"},
    {"unlisted", "a delivery that holds its lane was in no list; it goes on"},
    {"clock", "the lane's clock was out of bounds; it was corrected"},
    {"counts",
     "the lane's counts did not fit its queue; they were made anew. If its list was changed "
     "by hand, `hookpace check` shows what is in no list"},
    {"lanes", "the lane was not in `lanes`, or too late; it was put there"},
    {"order", "the lane had lost its order; it has it again"},
    {"hold", "the lane waited for a delivery that is not on its way; it goes on"},
    {"lease", "a lease was too long; it ends now"},
    {"busy", "the count of deliveries in flight was wrong; it was corrected"},
};

static const struct note_row *find_note(struct slice word)
{
    for (size_t i = 0; i < sizeof note_rows / sizeof *note_rows; i++)
        if (slice_eq(word, slice_str(note_rows[i].word)))
            return &note_rows[i];
    return NULL;
}

/* Claim made a dead letter of the delivery ID, so no attempt reports it. */
static void tell_dead(struct part *p, struct slice id, struct slice error)
{
    struct slice event, destination;
    LOG_RARELY(LL_WARN, "delivery.dead", LSL("delivery", id), LSL("error", error));
    if (keys_split_delivery(id, &event, &destination))
        metric_add(metrics_series(p->q->metrics, METRIC_ATTEMPTS, destination, SLICE_LIT("dead")),
                   1);
}

static void log_note(struct part *p, struct slice note)
{
    struct slice what = note;
    struct slice word = slice_cut(&what, ' ');
    const struct note_row *row = find_note(word);
    if (!row)
        return;
    if (!row->reason)
        tell_dead(p, what, word);
    else
        LOG_RARELY(LL_WARN, "queue.mended", LSL("found", word), LSL("what", what),
                   LS("reason", row->reason));
    /* Another dispatcher did not know the destination and asked who does. */
    if (slice_eq(word, SLICE_LIT("unknown")) && config_destination(p->q->conf, what))
        p->check_at = 1;
}

void take_log_notes(struct part *p, const struct redis_reply *list, size_t skip)
{
    for (size_t i = skip; i < redis_count(list); i++)
        log_note(p, redis_text(redis_at(list, i)));
}

/* --- limits --- */

/* Another run of Redis had this queue until KNOWN_US ago; -1: none had. */
static void note_run(struct part *p, int64_t known_us, bool is_check)
{
    p->run_since = known_us < 0 ? 0 : clock_mono_us() - known_us;
    if (!is_check && known_us >= 0 && known_us < TOLD_US)
        LOG_RARELY(LL_INFO, "queue.taken_over", LI("partition", shard_number(p->shard)));
}

static void on_limits_reply(void *ctx, enum err rc, const struct redis_reply *r, bool is_check)
{
    struct part *p = ctx;
    if (rc != OK || redis_count(r) < LIMITS_LEAD) {
        p->limits_due = true;
        LOG_RARELY(LL_WARN, "limits.not_written", LS("reason", err_word(rc)),
                   LSL("reply", redis_text(r)));
        return;
    }
    int64_t written = redis_int(redis_at(r, 0));
    if (is_check && written > 0)
        LOG_RARELY(LL_WARN, "queue.keys_vanished", LI("partition", shard_number(p->shard)),
                   LI("limits", written),
                   LS("reason", "keys of the queue were deleted; what the dispatcher knows is "
                                "written again, deleted deliveries are lost"));
    take_log_notes(p, r, LIMITS_LEAD);
    note_run(p, redis_int(redis_at(r, 2)), is_check);
    if (redis_int(redis_at(r, 1)) != 0) /* more deliveries are to come back */
        p->check_at = 1;
    take_turn_soon(p->q);
}

static void on_written(void *ctx, enum err rc, const struct redis_reply *r)
{
    on_limits_reply(ctx, rc, r, false);
}

static void on_checked(void *ctx, enum err rc, const struct redis_reply *r)
{
    on_limits_reply(ctx, rc, r, true);
}

/* The letter of the record's line that has the URL of a delivery to D (record.h); '-' if D has one URL for all. */
static char url_line(const struct destination *d)
{
    if (!d->account)
        return '-';
    return d->kind == DELIVERY_PINGBACK ? 'g' : 'b';
}

static void add_limit(struct args *a, const struct destination *d)
{
    args_add(a, slice_str(d->name));
    size_t mark = args_mark(a);
    buf_addf(&a->text, "%u %lld %lld %zu %c %d", d->settings->concurrency,
             (long long)d->settings->lease_ms, (long long)d->settings->connect_timeout_ms + 1000,
             d->settings->schedule_count + 1, url_line(d), d->lane_is_shared);
    args_add_since(a, mark);
    args_add(a, slice_str(d->lane));
    args_add(a, d->settings->order == ORDER_FIFO ? SLICE_LIT("fifo") : SLICE_LIT("requeue"));
}

static void begin_call(const struct part *p, enum limits_mode mode)
{
    struct args *a = &p->q->args;
    args_reset(a);
    args_add(a, mode == LIMITS_ALL ? SLICE_LIT("all") : SLICE_LIT("missing"));
    args_add(a, slice_str(shard_run_of_redis(p->shard)));
}

static bool end_call(struct part *p, enum limits_mode mode)
{
    redis_fn fn = mode == LIMITS_ALL ? on_written : on_checked;
    return shard_run(p->shard, &p->q->limits, &p->q->args, fn, p) == OK;
}

void take_write_limits(struct part *p, enum limits_mode mode)
{
    struct queue_take *q = p->q;
    struct config_walk walk = {0};
    struct destination *d;
    unsigned rows = 0;
    bool ok = true;
    begin_call(p, mode);
    while (config_next_destination(q->conf, &walk, &d)) {
        if (d->partition != shard_number(p->shard))
            continue;
        add_limit(&q->args, d);
        if (++rows % ROWS_MAX == 0) {
            ok = end_call(p, mode) && ok;
            begin_call(p, mode);
        }
    }
    ok = end_call(p, mode) && ok;
    p->limits_due = !ok;
    p->check_at = clock_mono_us() + q->check_us;
}
