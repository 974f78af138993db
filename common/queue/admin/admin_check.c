/* The search for contradictions in the queue. */
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/text.h"
#include "common/config/config.h"
#include "common/queue/admin/admin_private.h"

#include <stdlib.h>

#define CALL_US 25000 /* then a call answers with what it has */
#define FOUND_MAX 200 /* things that end a call as well; a script finds some 100 at most */

struct check_call {
    struct shards_call call; /* first */
    struct queue_admin *q;
    bool is_repair, is_asking;
    mono_us stop;
    unsigned partition;
    char *cursor; /* of the partition */
    struct check_result result;
    struct check_item *items;
    size_t cap;
    check_fn fn;
    void *ctx;
};

static void ask(struct check_call *c)
{
    struct args a;
    const struct config *conf = c->q->conf;
    args_init(&a, ADMIN_ARGS_MAX);
    args_add_int(&a, c->is_repair);
    args_add(&a, slice_str(c->cursor));
    args_add_int(&a, conf->retention.done_s * 1000);
    args_add_int(&a, conf->retention.dead_s * 1000);
    c->is_asking = true;
    shards_call_script(&c->call, c->partition, c->partition, &c->q->check, &a);
    c->is_asking = false;
    args_clear(&a);
}

static void add_item(struct check_call *c, const struct redis_reply *r, size_t i)
{
    if (c->result.count == c->cap) {
        c->cap = c->cap ? 2 * c->cap : 64;
        c->items = xrealloc(c->items, c->cap, sizeof *c->items);
    }
    struct slice problem = redis_text(redis_at(r, i)), name = redis_text(redis_at(r, i + 1));
    c->items[c->result.count++] =
        (struct check_item){.problem = slice_make(xslicedup(problem), problem.len),
                            .name = slice_make(xslicedup(name), name.len),
                            .partition = c->partition,
                            .is_mended = redis_int(redis_at(r, i + 2)) == 1};
}

/* The next step, if there is one: of this partition, or the first of the next. A step that cannot be sent has made its partition
 * a missing one. */
static void go_on(struct check_call *c)
{
    unsigned asked;
    do {
        if (!*c->cursor)
            c->partition++;
        bool is_over = c->partition == shards_count(c->call.shards);
        if (is_over || c->result.count >= FOUND_MAX || clock_mono_us() >= c->stop)
            return;
        asked = c->partition;
        ask(c);
    } while (partition_set_has(&c->call.missing, asked));
}

/* The search goes on behind a partition that does not answer. */
static void check_on_missing(struct shards_call *call, size_t which)
{
    struct check_call *c = (struct check_call *)call;
    (void)which;
    c->cursor[0] = '\0';
    c->stop = clock_mono_us() + CALL_US; /* it may have taken long to say nothing */
    if (!c->is_asking)
        go_on(c);
}

static bool check_on_reply(struct shards_call *call, size_t which, const struct redis_reply *r)
{
    struct check_call *c = (struct check_call *)call;
    size_t n = redis_count(r);
    (void)which;
    if (n < 3 || n % 3 != 0)
        return false;
    free(c->cursor);
    c->cursor = xslicedup(redis_text(redis_at(r, 0)));
    c->result.looked += redis_int(redis_at(r, 1));
    c->result.unsure += redis_int(redis_at(r, 2));
    for (size_t i = 3; i < n; i += 3)
        add_item(c, r, i);
    go_on(c);
    return true;
}

static void check_on_end(struct shards_call *call)
{
    struct check_call *c = (struct check_call *)call;
    struct buf next;
    buf_init(&next, ADMIN_CURSOR_MAX);
    if (c->partition < shards_count(call->shards)) {
        buf_addf(&next, "%u ", c->partition);
        buf_add_str(&next, c->cursor);
    }
    c->result.items = c->items;
    c->result.next = buf_slice(&next);
    c->result.missing = &call->missing;
    c->fn(c->ctx, call->rc, call->rc == OK ? &c->result : NULL);
    for (size_t i = 0; i < c->result.count; i++) {
        free((char *)(uintptr_t)c->items[i].problem.ptr);
        free((char *)(uintptr_t)c->items[i].name.ptr);
    }
    buf_clear(&next);
    free(c->items);
    free(c->cursor);
    free(c);
}

enum err queue_admin_check(struct queue_admin *q, bool is_repair, struct slice cursor, check_fn fn,
                           void *ctx)
{
    uint64_t partition = 0;
    struct slice rest = cursor, first = slice_cut(&rest, ' ');
    if (cursor.len && (cursor.len > ADMIN_CURSOR_MAX ||
                       text_u64(first, shards_count(q->shards) - 1, &partition) != OK))
        return ERR_INVALID;
    struct check_call *c = NEW(struct check_call);
    shards_call_begin(&c->call, q->loop, q->shards);
    c->call.on_reply = check_on_reply;
    c->call.on_end = check_on_end;
    c->call.may_miss = true;
    c->call.on_missing = check_on_missing;
    if (!is_repair)
        shards_call_hurry(&c->call);
    for (unsigned i = 0; i < partition; i++)
        partition_set_add(&c->call.asked, i); /* by the calls before */
    c->q = q;
    c->is_repair = is_repair;
    c->stop = clock_mono_us() + CALL_US;
    c->partition = (unsigned)partition;
    c->cursor = xslicedup(rest);
    c->fn = fn;
    c->ctx = ctx;
    ask(c);
    if (partition_set_has(&c->call.missing, c->partition))
        go_on(c);
    shards_call_sent(&c->call);
    return OK;
}
