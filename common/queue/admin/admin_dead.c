/* Dead letters by destination and reason. A call takes steps (dead.lua) through one partition after the other, until its time is
 * up. The cursor has the partition and the place in it. A partition that does not answer is passed over, and its place in the
 * call's `missing` says so. */
#include "common/base/alloc.h"
#include "common/base/text.h"
#include "common/queue/admin/admin_private.h"

#include <stdlib.h>

#define CALL_US 25000 /* then a call answers with what it has */
#define HEAD 2        /* elements of a reply before its groups */
#define GROUP 5       /* elements of a group */

struct dead_call {
    struct shards_call call; /* first */
    struct queue_admin *q;
    bool is_asking;
    mono_us stop;
    unsigned partition;
    char *cursor;      /* of the partition */
    struct map places; /* "<destination> <reason>" -> its group of the list, counted from 1 */
    struct dead_group *list;
    size_t count, cap;
    int64_t seen;
    dead_fn fn;
    void *ctx;
};

static void ask(struct dead_call *c)
{
    struct args a;
    args_init(&a, ADMIN_CURSOR_MAX);
    args_add(&a, slice_str(c->cursor));
    c->is_asking = true;
    shards_call_script(&c->call, c->partition, c->partition, &c->q->dead, &a);
    c->is_asking = false;
    args_clear(&a);
}

/* The next step, if there is one: of this partition, or the first of the next. A step that cannot be sent has made its partition
 * a missing one. */
static void go_on(struct dead_call *c)
{
    unsigned asked;
    do {
        if (!*c->cursor)
            c->partition++;
        if (c->partition == shards_count(c->call.shards) || clock_mono_us() >= c->stop)
            return;
        asked = c->partition;
        ask(c);
    } while (partition_set_has(&c->call.missing, asked));
}

static void dead_on_missing(struct shards_call *call, size_t which)
{
    struct dead_call *c = (struct dead_call *)call;
    (void)which;
    c->cursor[0] = '\0';
    c->stop = clock_mono_us() + CALL_US; /* it may have taken long to say nothing */
    if (!c->is_asking)
        go_on(c);
}

static struct slice copy(struct slice s)
{
    return slice_make(xslicedup(s), s.len);
}

/* The group of DESTINATION and REASON; a new one if there is none yet. */
static struct dead_group *group_of(struct dead_call *c, struct slice destination,
                                   struct slice reason)
{
    struct buf name;
    buf_init(&name, ADMIN_CURSOR_MAX);
    buf_add_slice(&name, destination);
    buf_add_char(&name, ' ');
    buf_add_slice(&name, reason);
    size_t place = (size_t)(uintptr_t)map_get(&c->places, buf_slice(&name));
    if (!place) {
        if (c->count == c->cap) {
            c->cap = c->cap ? 2 * c->cap : 64;
            c->list = xrealloc(c->list, c->cap, sizeof *c->list);
        }
        c->list[c->count++] = (struct dead_group){copy(destination), copy(reason), .newest_at = -1};
        place = c->count;
        map_set(&c->places, buf_slice(&name), (void *)(uintptr_t)place);
    }
    buf_clear(&name);
    return &c->list[place - 1];
}

static void add_group(struct dead_call *c, const struct redis_reply *r, size_t i)
{
    struct dead_group *g = group_of(c, redis_text(redis_at(r, i)), redis_text(redis_at(r, i + 1)));
    wall_ms at = redis_int(redis_at(r, i + 4));
    g->count += redis_int(redis_at(r, i + 2));
    if (at <= g->newest_at)
        return;
    free((char *)(uintptr_t)g->newest.ptr);
    g->newest = copy(redis_text(redis_at(r, i + 3)));
    g->newest_at = at;
}

static bool dead_on_reply(struct shards_call *call, size_t which, const struct redis_reply *r)
{
    struct dead_call *c = (struct dead_call *)call;
    size_t n = redis_count(r);
    (void)which;
    if (n < HEAD || (n - HEAD) % GROUP != 0)
        return false;
    free(c->cursor);
    c->cursor = xslicedup(redis_text(redis_at(r, 0)));
    c->seen += redis_int(redis_at(r, 1));
    for (size_t i = HEAD; i < n; i += GROUP)
        add_group(c, r, i);
    go_on(c);
    return true;
}

static void dead_on_end(struct shards_call *call)
{
    struct dead_call *c = (struct dead_call *)call;
    struct buf next;
    buf_init(&next, ADMIN_CURSOR_MAX);
    if (c->partition < shards_count(call->shards))
        buf_addf(&next, "%u,%s", c->partition, c->cursor);
    if (call->rc == OK)
        c->fn(c->ctx, OK, c->list, c->count, c->seen, buf_slice(&next), &call->missing);
    else
        c->fn(c->ctx, call->rc, NULL, 0, 0, SLICE_LIT(""), &call->missing);
    for (size_t i = 0; i < c->count; i++) {
        free((char *)(uintptr_t)c->list[i].destination.ptr);
        free((char *)(uintptr_t)c->list[i].reason.ptr);
        free((char *)(uintptr_t)c->list[i].newest.ptr);
    }
    buf_clear(&next);
    map_clear(&c->places);
    free(c->list);
    free(c->cursor);
    free(c);
}

enum err queue_admin_dead(struct queue_admin *q, struct slice cursor, dead_fn fn, void *ctx)
{
    uint64_t partition = 0;
    struct slice rest = cursor, first = slice_cut(&rest, ',');
    if (cursor.len && (!admin_is_position(rest) ||
                       text_u64(first, shards_count(q->shards) - 1, &partition) != OK))
        return ERR_INVALID;
    struct dead_call *c = NEW(struct dead_call);
    shards_call_begin(&c->call, q->loop, q->shards);
    c->call.on_reply = dead_on_reply;
    c->call.on_end = dead_on_end;
    c->call.may_miss = true;
    shards_call_hurry(&c->call);
    c->call.on_missing = dead_on_missing;
    for (unsigned i = 0; i < partition; i++)
        partition_set_add(&c->call.asked, i); /* by the calls before */
    c->q = q;
    c->stop = clock_mono_us() + CALL_US;
    c->partition = (unsigned)partition;
    c->cursor = xslicedup(rest);
    c->fn = fn;
    c->ctx = ctx;
    map_init(&c->places);
    ask(c);
    if (partition_set_has(&c->call.missing, c->partition))
        go_on(c);
    shards_call_sent(&c->call);
    return OK;
}
