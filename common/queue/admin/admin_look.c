/* Deliveries by their ids. */
#include "common/base/alloc.h"
#include "common/base/text.h"
#include "common/queue/admin/admin_private.h"
#include "common/queue/keys.h"

#include <stdlib.h>

/* One delivery, kept until all of them are here. Owns its texts: FIELDS has names and values in turn. */
struct looked {
    char *id;
    char **fields, *head, **attempts;
    size_t *field_lens, field_count, head_len;
    struct slice *attempt_slices;
    size_t attempt_count;
    struct buf scratch;
};

struct part { /* what one partition is asked for */
    size_t *entries, count, answered;
};

struct look_call {
    struct shards_call call; /* first */
    struct queue_admin *q;
    struct looked *list;
    size_t count;
    struct part *parts; /* one a partition */
    unsigned attempts;
    deliveries_fn fn;
    void *ctx;
};

static void looked_clear(struct looked *l)
{
    for (size_t i = 0; i < l->field_count; i++)
        free(l->fields[i]);
    for (size_t i = 0; i < l->attempt_count; i++)
        free(l->attempts[i]);
    free(l->fields);
    free(l->field_lens);
    free(l->attempts);
    free(l->attempt_slices);
    free(l->head);
    free(l->id);
    buf_clear(&l->scratch);
}

/* --- asking --- */

static void look_ask(struct look_call *c, unsigned partition)
{
    struct part *p = &c->parts[partition];
    struct args a;
    args_init(&a, ADMIN_ARGS_MAX);
    args_add_int(&a, c->attempts);
    for (size_t i = p->answered; i < p->count; i++)
        args_borrow(&a, slice_str(c->list[p->entries[i]].id));
    shards_call_script(&c->call, partition, partition, &c->q->look, &a);
    args_clear(&a);
}

static void part_add(struct look_call *c, unsigned partition, size_t entry)
{
    struct part *p = &c->parts[partition];
    p->entries[p->count++] = entry;
}

/* --- answers --- */

/* Copies the texts of the list R. */
static char **copy_texts(const struct redis_reply *r, size_t **lens)
{
    size_t n = redis_count(r);
    char **texts = xcalloc(n ? n : 1, sizeof *texts);
    *lens = xcalloc(n ? n : 1, sizeof **lens);
    for (size_t i = 0; i < n; i++) {
        struct slice text = redis_text(redis_at(r, i));
        texts[i] = xslicedup(text);
        (*lens)[i] = text.len;
    }
    return texts;
}

/* Takes one reply of look.lua. A delivery is in one partition only, so nothing is replaced. */
static void looked_take(struct looked *l, const struct redis_reply *r)
{
    if (redis_count(r) != 3 || l->fields)
        return;
    size_t *lens;
    l->field_count = redis_count(redis_at(r, 0));
    l->fields = copy_texts(redis_at(r, 0), &l->field_lens);
    struct slice head = redis_text(redis_at(r, 1));
    l->head = xslicedup(head);
    l->head_len = head.len;
    l->attempt_count = redis_count(redis_at(r, 2));
    l->attempts = copy_texts(redis_at(r, 2), &lens);
    l->attempt_slices = xcalloc(l->attempt_count ? l->attempt_count : 1, sizeof *l->attempt_slices);
    for (size_t i = 0; i < l->attempt_count; i++)
        l->attempt_slices[i] = slice_make(l->attempts[i], lens[i]);
    free(lens);
}

static bool look_on_reply(struct shards_call *call, size_t partition, const struct redis_reply *r)
{
    struct look_call *c = (struct look_call *)call;
    struct part *p = &c->parts[partition];
    size_t n = redis_count(r);
    if (n == 0 || n > p->count - p->answered)
        return false;
    for (size_t i = 0; i < n; i++)
        looked_take(&c->list[p->entries[p->answered + i]], redis_at(r, i));
    p->answered += n;
    if (p->answered < p->count)
        look_ask(c, (unsigned)partition);
    return true;
}

/* --- telling --- */

static struct slice field_text(const struct looked *l, const char *name)
{
    for (size_t i = 0; i + 1 < l->field_count; i += 2)
        if (slice_eq(slice_make(l->fields[i], l->field_lens[i]), slice_str(name)))
            return slice_make(l->fields[i + 1], l->field_lens[i + 1]);
    return slice_make("", 0);
}

static int64_t field_int(const struct looked *l, const char *name, int64_t missing)
{
    int64_t n;
    struct slice text = field_text(l, name);
    return text.len && text_i64(text, &n) == OK ? n : missing;
}

static struct delivery_view view_of(struct looked *l)
{
    struct delivery_view v = {.id = slice_str(l->id), .duration_ms = -1};
    struct slice event, destination;
    if (!l->fields || !keys_split_delivery(v.id, &event, &destination))
        return v;
    v.is_found = true;
    v.event = event;
    v.destination = destination;
    v.lane = field_text(l, "lane");
    v.kind = field_text(l, "kind");
    v.state = field_text(l, "state");
    v.account = field_text(l, "account");
    v.origin = field_text(l, "origin");
    v.delay_ms = field_int(l, "delay_ms", 0);
    v.attempts = field_int(l, "attempts", 0);
    v.requeues = field_int(l, "requeues", 0);
    v.accepted_at = field_int(l, "accepted_at", 0);
    v.due_at = field_int(l, "due_at", 0);
    v.ended_at = field_int(l, "ended_at", 0);
    v.last_status = field_text(l, "last_status");
    v.last_error = field_text(l, "last_error");
    v.response = field_text(l, "response");
    v.duration_ms = field_int(l, "duration_ms", -1);
    v.has_event = l->head_len && record_read_head(event, slice_make(l->head, l->head_len),
                                                  &l->scratch, &v.record) == OK;
    v.attempt_list = l->attempt_slices;
    v.attempt_count = l->attempt_count;
    return v;
}

static void look_tell(struct look_call *c)
{
    struct delivery_view *views = xcalloc(c->count ? c->count : 1, sizeof *views);
    for (size_t i = 0; i < c->count; i++) {
        buf_init(&c->list[i].scratch, RECORD_HEAD_MAX);
        views[i] = view_of(&c->list[i]);
    }
    c->fn(c->ctx, OK, views, c->count, &c->call.missing);
    free(views);
}

static void look_on_end(struct shards_call *call)
{
    struct look_call *c = (struct look_call *)call;
    if (call->rc == OK)
        look_tell(c);
    else
        c->fn(c->ctx, call->rc, NULL, 0, &call->missing);
    for (size_t i = 0; i < c->count; i++)
        looked_clear(&c->list[i]);
    for (unsigned i = 0; i < shards_count(c->call.shards); i++)
        free(c->parts[i].entries);
    free(c->parts);
    free(c->list);
    free(c);
}

void queue_admin_look(struct queue_admin *q, const struct slice *ids, size_t count,
                      unsigned attempts, deliveries_fn fn, void *ctx)
{
    struct look_call *c = NEW(struct look_call);
    unsigned partitions = shards_count(q->shards);
    shards_call_begin(&c->call, q->loop, q->shards);
    c->call.on_reply = look_on_reply;
    c->call.on_end = look_on_end;
    c->call.may_miss = true;
    shards_call_hurry(&c->call);
    c->q = q;
    c->count = count;
    c->attempts = attempts;
    c->fn = fn;
    c->ctx = ctx;
    c->list = xcalloc(count ? count : 1, sizeof *c->list);
    c->parts = xcalloc(partitions, sizeof *c->parts);
    for (unsigned p = 0; p < partitions; p++)
        c->parts[p].entries = xcalloc(count ? count : 1, sizeof *c->parts[p].entries);
    for (size_t i = 0; i < count; i++) {
        c->list[i].id = xslicedup(ids[i]);
        int partition = admin_partition_of(q, ids[i]);
        for (unsigned p = 0; p < partitions; p++)
            if (partition < 0 || partition == (int)p)
                part_add(c, p, i);
    }
    for (unsigned p = 0; p < partitions; p++)
        if (c->parts[p].count)
            look_ask(c, p);
    shards_call_sent(&c->call);
}
