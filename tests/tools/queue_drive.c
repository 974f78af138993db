/* queue_drive - puts and takes a fixed number of events through common/queue, in lock step.
 *
 *     queue_drive CONFIG            prints "ready", then reads commands from stdin:
 *
 *     put COUNT PREFIX SOURCES      puts COUNT events of 1 KB, 32 a call; sources <PREFIX>0, <PREFIX>1, ... take turns
 *     claim COUNT                   claims COUNT deliveries, at most 64 a call, and keeps them
 *     report COUNT                  reports as sent those that it keeps, 32 a call (at most COUNT of them)
 *     settle COUNT                  settles the first COUNT that it keeps as done, 64 a call
 *
 * Each command prints "done" when Redis has confirmed everything. A put, claim or report leaves only after the
 * one before it, so the number of script calls, their arguments and their order do not depend on the speed of
 * the machine. tests/cost measures what Redis does meanwhile.
 */
#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/base/log.h"
#include "common/base/metrics.h"
#include "common/base/text.h"
#include "common/config/config.h"
#include "common/net/loop.h"
#include "common/ops/families.h"
#include "common/queue/queue_put.h"
#include "common/queue/queue_take.h"
#include "common/queue/shard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PUT_BATCH 32
#define CLAIM_BATCH 64
#define REPORT_BATCH 32
#define REPORT_GAP_US 5000 /* queue_take collects the reports of paced lanes for 2 ms */
#define CLAIMS_MAX 4096
#define BODY_BYTES 1024

struct drive {
    struct loop *loop;
    struct config *conf;
    struct metrics *metrics;
    struct shards *shards;
    struct queue_put *put;
    struct queue_take *take;
    struct loop_timer *gap;
    uint64_t next_event;
    struct slice prefix; /* of the sources of the put that runs */
    uint64_t sources;
    size_t left, waiting; /* of the command that runs: still to do; under way */
    bool is_claiming;
    struct delivery *claimed[CLAIMS_MAX];
    size_t claimed_count, reported_count;
};

static void die(const char *what)
{
    fprintf(stderr, "queue_drive: %s\n", what);
    exit(1);
}

/* --- put --- */

/* The same bytes for the same number in every run: repeating keys, varied values, as a provider sends them. */
static void make_body(struct buf *b, uint64_t number)
{
    uint64_t state = number;
    buf_reset(b);
    buf_addf(b, "{\"id\":\"d%09llu\",\"status\":\"success\",\"results\":[",
             (unsigned long long)number);
    for (unsigned rank = 1; b->len + 80 < BODY_BYTES; rank++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        buf_addf(b, "%s{\"rank\":%02u,\"url\":\"https://www.example/%016llx\",\"score\":%03u}",
                 rank == 1 ? "" : ",", rank, (unsigned long long)state,
                 (unsigned)(state >> 40) % 1000);
    }
    buf_add_str(b, "]}");
}

static struct source *next_source(struct drive *d)
{
    char name[64];
    snprintf(name, sizeof name, "%.*s%llu", SLICE_FMT(d->prefix),
             (unsigned long long)(d->next_event % d->sources));
    struct source *s = config_source(d->conf, slice_str(name));
    if (!s)
        die("no such source");
    return s;
}

static void submit_batch(struct drive *d);

static void on_put(void *ctx, const struct put_answer *answer)
{
    struct drive *d = ctx;
    if (answer->result != PUT_QUEUED)
        die("an event was not queued");
    if (--d->waiting)
        return;
    if (d->left)
        submit_batch(d);
    else
        loop_stop(d->loop);
}

static void submit_one(struct drive *d, struct buf *body)
{
    struct source *source = next_source(d);
    uint64_t number = d->next_event++;
    char id[16], digest[RECORD_DIGEST_LEN + 1];
    make_body(body, number);
    snprintf(id, sizeof id, "d%09llu", (unsigned long long)number);
    snprintf(digest, sizeof digest, "%016llx", (unsigned long long)number);
    struct event event = {.id = slice_str(id),
                          .source = slice_str(source->name),
                          .content_type = SLICE_LIT("application/json"),
                          .received_at = clock_wall_ms(),
                          .digest = slice_str(digest),
                          .has_body = true,
                          .body = buf_slice(body)};
    struct put_request req = {
        .event = &event, .source = source, .to = source->to, .to_count = source->to_count};
    if (queue_put_submit(d->put, &req, on_put, d) != OK)
        die("an event was not taken");
}

static void submit_batch(struct drive *d)
{
    struct buf body;
    buf_init(&body, 64 * 1024);
    while (d->left && d->waiting < PUT_BATCH) {
        d->left--;
        d->waiting++;
        submit_one(d, &body);
    }
    buf_clear(&body);
}

static void run_put(struct drive *d, struct slice rest)
{
    int64_t sources;
    d->prefix = slice_cut(&rest, ' ');
    if (text_i64(rest, &sources) != OK || sources <= 0)
        die("put needs a prefix and how many sources have it");
    d->sources = (uint64_t)sources;
    submit_batch(d);
}

/* --- claim --- */

static void claim_batch(struct drive *d)
{
    d->is_claiming = true;
    queue_take_set_capacity(d->take, d->left < CLAIM_BATCH ? d->left : CLAIM_BATCH);
    for (unsigned i = 0; i < shards_count(d->shards); i++)
        queue_take_wake(d->take, shards_at(d->shards, i));
}

static void after_claim(void *ctx)
{
    struct drive *d = ctx;
    if (d->left)
        claim_batch(d);
    else
        loop_stop(d->loop);
}

static void on_claimed(void *ctx, struct delivery *claim)
{
    struct drive *d = ctx;
    if (!claim->readable || !d->left || d->claimed_count == CLAIMS_MAX)
        die("a claim that was not expected");
    if (d->is_claiming) {
        d->is_claiming = false;
        queue_take_set_capacity(d->take,
                                0); /* the next claim waits until this one is handed over */
        loop_defer(d->loop, after_claim, d);
    }
    d->left--;
    d->claimed[d->claimed_count++] = claim;
}

/* --- report --- */

static void on_pong(void *ctx, enum err rc)
{
    struct drive *d = ctx;
    if (rc != OK)
        die("the reports were not answered");
    loop_stop(d->loop);
}

/* Reports have no callback: what the connection answers behind them says that they were read. */
static void report_batch(void *ctx)
{
    struct drive *d = ctx;
    for (int n = 0; n < REPORT_BATCH && d->left && d->reported_count < d->claimed_count; n++) {
        struct delivery *claim = d->claimed[d->reported_count++];
        if (claim->report_sent)
            queue_take_sent(d->take, claim);
        d->left--;
        d->waiting = 1;
    }
    if (d->waiting) {
        d->waiting = 0;
        loop_timer_arm(d->gap, REPORT_GAP_US);
    } else {
        shards_ping(d->shards, on_pong, d);
    }
}

/* --- settle --- */

static void run_settle(struct drive *d)
{
    struct settlement done = {
        .verdict = SETTLE_DONE, .status = 200, .was_sent = true, .response = SLICE_LIT("ok")};
    size_t count = d->left < d->claimed_count ? d->left : d->claimed_count;
    for (size_t i = 0; i < count; i++)
        queue_take_settle(d->take, d->claimed[i], &done);
    d->claimed_count -= count;
    d->reported_count = 0;
    memmove(d->claimed, d->claimed + count, d->claimed_count * sizeof d->claimed[0]);
}

static void on_settled(void *ctx)
{
    struct drive *d = ctx;
    loop_stop(d->loop);
}

/* --- life --- */

static void on_ready(void *ctx, struct shard *s)
{
    struct drive *d = ctx;
    queue_take_on_ready(d->take, s);
    if (shards_ready(d->shards))
        loop_stop(d->loop);
}

static void on_lost(void *ctx, struct shard *s)
{
    (void)ctx;
    (void)s;
    die("the connection to Redis was lost");
}

static void run_line(struct drive *d, struct slice line)
{
    struct slice verb = slice_cut(&line, ' '), number = slice_cut(&line, ' ');
    int64_t count;
    if (text_i64(number, &count) != OK || count <= 0)
        die("a command needs a count");
    d->left = (size_t)count;
    if (slice_eq(verb, SLICE_LIT("put")))
        run_put(d, line);
    else if (slice_eq(verb, SLICE_LIT("claim")))
        claim_batch(d);
    else if (slice_eq(verb, SLICE_LIT("report")))
        report_batch(d);
    else if (slice_eq(verb, SLICE_LIT("settle")))
        run_settle(d);
    else
        die("no such command");
    loop_run(d->loop);
    puts("done");
    fflush(stdout);
}

static void open_queue(struct drive *d, const char *path)
{
    struct config_problems problems;
    config_problems_init(&problems);
    if (config_load(path, &d->conf, &problems) != OK)
        die(problems.text.ptr);
    config_problems_clear(&problems);
    struct shard_events events = {.on_ready = on_ready, .on_lost = on_lost, .ctx = d};
    struct take_handler handler = {.on_claimed = on_claimed, .ctx = d};
    d->loop = loop_new();
    d->metrics = families_metrics("test", "0");
    d->gap = loop_timer_new(d->loop, report_batch, d);
    d->shards = shards_new(d->loop, &d->conf->redis, "drive", &events);
    d->put = queue_put_new(d->loop, d->shards, d->conf);
    d->take = queue_take_new(d->loop, d->shards, d->conf, d->metrics, &handler);
    queue_take_check_every(d->take,
                           INT64_MAX / 4); /* it looks by the clock, so it is in no figure */
    queue_take_on_settled(d->take, on_settled, d);
    loop_run(d->loop);
}

static void close_queue(struct drive *d)
{
    queue_take_stop(d->take);
    shards_free(d->shards);
    queue_put_free(d->put);
    queue_take_free(d->take);
    loop_timer_free(d->gap);
    metrics_free(d->metrics);
    loop_free(d->loop);
    config_unref(d->conf);
}

int main(int argc, char **argv)
{
    static struct drive d;
    char line[256];
    if (argc != 2 || !log_init("queue_drive"))
        return 2;
    open_queue(&d, argv[1]);
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        run_line(&d, slice_str(line));
    }
    close_queue(&d);
    return 0;
}
