/* Pages of deliveries that fit a filter.
 *
 * Each partition has a walk of its own (search.lua). A page merges the walks: it takes the newest of the partitions' next
 * deliveries, again and again. It stops when it is full, when all walks are over, or when its time is up. The cursor says for
 * each partition behind which delivery its walk goes on.
 *
 * A lane is in one partition, and so are the deliveries of a configured destination. A search for one of them walks through
 * this partition alone. A partition that does not answer has no deliveries on this page and on those that follow. Each of
 * them says so.
 */
#include "common/base/alloc.h"
#include "common/base/text.h"
#include "common/config/config.h"
#include "common/config/partition.h"
#include "common/queue/admin/admin_private.h"
#include "common/webhook/ids.h"

#include <stdio.h>
#include <stdlib.h>

#define PAGE_US 25000 /* then a page is answered as it is */
#define POSITION_MAX ADMIN_POSITION_MAX
#define WALK_MAX (7 + TAG_BYTES) /* "words:t" and a tag; the longest */
#define CURSOR_OVER "-"          /* the walk of this partition is over */
#define CURSOR_MISSING "/"       /* it did not answer */

struct found { /* a delivery that a walk has found */
    char position[POSITION_MAX];
    int64_t order;
    char *id;
};

struct walk { /* of one partition */
    char at
        [POSITION_MAX]; /* behind the last delivery that the page has taken; "" at the beginning */
    char step[POSITION_MAX]; /* where the next step begins */
    bool is_over;            /* no step follows */
    bool is_missing;         /* because it does not answer */
    struct found *items;     /* found and not taken */
    size_t count, taken;
};

struct search_call {
    struct shards_call call; /* first */
    struct queue_admin *q;
    char *texts[5]; /* state, destination, source, lane, tag */
    wall_ms since, until;
    char name[WALK_MAX + 1]; /* of the walk */
    mono_us stop;
    struct walk *walks; /* one a partition */
    int home;           /* the only partition that is walked, or -1 */
    bool is_asking;
    char **ids; /* the page */
    size_t limit, count;
    search_fn fn;
    void *ctx;
};

enum { TEXT_STATE, TEXT_DESTINATION, TEXT_SOURCE, TEXT_LANE, TEXT_TAG };

static unsigned walk_count(const struct search_call *c)
{
    return shards_count(c->call.shards);
}

/* --- the cursor --- */

bool admin_is_position(struct slice s)
{
    size_t digits = 0;
    bool has_number = s.len == 0;
    if (s.len >= POSITION_MAX)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        bool is_digit = s.ptr[i] >= '0' && s.ptr[i] <= '9';
        bool is_mark = s.ptr[i] == '-' || s.ptr[i] == '/' || s.ptr[i] == '.';
        if (!is_digit && !is_mark)
            return false;
        digits = is_digit ? digits + 1 : 0;
        has_number = has_number || is_digit;
        if (digits > 16)
            return false;
    }
    return has_number;
}

static void set_position(char out[POSITION_MAX], struct slice s)
{
    snprintf(out, POSITION_MAX, "%.*s", (int)s.len, s.len ? s.ptr : "");
}

/* No page has a cursor behind which nothing follows. */
static bool read_cursor(struct search_call *c, struct slice cursor)
{
    bool goes_on = false;
    if (!cursor.len)
        return true;
    for (unsigned i = 0; i < walk_count(c); i++) {
        struct slice part = slice_cut(&cursor, ',');
        struct walk *w = &c->walks[i];
        w->is_missing = slice_eq(part, SLICE_LIT(CURSOR_MISSING));
        w->is_over = w->is_missing || slice_eq(part, SLICE_LIT(CURSOR_OVER));
        if (w->is_over)
            continue;
        if (!admin_is_position(part))
            return false;
        goes_on = true;
        set_position(w->at, part);
        set_position(w->step, part);
    }
    return cursor.len == 0 && goes_on;
}

/* Writes the cursor behind the page; nothing if all walks are over. */
static void write_cursor(const struct search_call *c, struct buf *out)
{
    bool is_over = true;
    for (unsigned i = 0; i < walk_count(c); i++) {
        const struct walk *w = &c->walks[i];
        bool has_more = w->taken < w->count || !w->is_over;
        is_over = is_over && !has_more;
        if (i > 0)
            buf_add_char(out, ',');
        buf_add_str(out, w->is_missing         ? CURSOR_MISSING
                         : !has_more           ? CURSOR_OVER
                         : w->taken < w->count ? w->at
                                               : w->step);
    }
    if (is_over)
        buf_reset(out);
}

/* --- the walks --- */

static bool needs_step(const struct walk *w)
{
    return !w->is_over && w->taken == w->count;
}

static void ask_step(struct search_call *c, unsigned partition)
{
    struct walk *w = &c->walks[partition];
    struct args a;
    args_init(&a, 1 << 16);
    args_add(&a, slice_str(c->name));
    args_add(&a, slice_str(w->step));
    args_add_int(&a, (int64_t)(c->limit - c->count));
    args_add_int(&a, c->since);
    args_add_int(&a, c->until);
    for (size_t i = 0; i < sizeof c->texts / sizeof *c->texts; i++)
        args_add(&a, slice_str(c->texts[i]));
    args_add_int(&a, walk_count(c) > 1);
    shards_call_script(&c->call, partition, partition, &c->q->search, &a);
    args_clear(&a);
}

static void walk_drop(struct walk *w)
{
    for (size_t i = 0; i < w->count; i++)
        free(w->items[i].id);
    free(w->items);
    w->items = NULL;
    w->count = w->taken = 0;
}

/* Takes the reply of a step; false if it has another shape. */
static bool walk_take(struct walk *w, const struct redis_reply *r)
{
    size_t n = redis_count(r);
    struct slice next = redis_text(redis_at(r, 0));
    if (n % 3 != 1 || !admin_is_position(next))
        return false;
    walk_drop(w);
    w->items = xcalloc(n / 3 + 1, sizeof *w->items);
    for (size_t i = 1; i < n; i += 3) {
        struct slice position = redis_text(redis_at(r, i));
        if (!admin_is_position(position))
            return false;
        struct found *f = &w->items[w->count++];
        set_position(f->position, position);
        f->order = redis_int(redis_at(r, i + 1));
        f->id = xslicedup(redis_text(redis_at(r, i + 2)));
    }
    w->is_over = next.len == 0;
    set_position(w->step, next);
    return true;
}

/* The walk whose next delivery is the newest; NULL if none has one, or one must be asked first. */
static struct walk *newest(struct search_call *c)
{
    struct walk *best = NULL;
    for (unsigned i = 0; i < walk_count(c); i++) {
        struct walk *w = &c->walks[i];
        if (needs_step(w))
            return NULL;
        if (w->taken < w->count &&
            (!best || w->items[w->taken].order > best->items[best->taken].order))
            best = w;
    }
    return best;
}

static void merge(struct search_call *c)
{
    struct walk *w;
    while (c->count < c->limit && (w = newest(c)) != NULL) {
        struct found *f = &w->items[w->taken++];
        memcpy(w->at, f->position, sizeof w->at);
        c->ids[c->count++] = f->id;
        f->id = NULL;
    }
}

/* Asks the walks that have nothing left. False: none of these is there. */
static bool ask_steps(struct search_call *c)
{
    bool is_any = false;
    c->is_asking = true;
    for (unsigned i = 0; i < walk_count(c); i++) {
        if (!needs_step(&c->walks[i]))
            continue;
        ask_step(c, i);
        is_any = true;
    }
    c->is_asking = false;
    return is_any;
}

/* Asks for more, unless the page is done. A step that cannot be sent has ended its walk: then the others may go on at once. */
static void go_on(struct search_call *c)
{
    size_t before = c->call.waiting;
    bool is_any = true;
    while (is_any && c->call.waiting == before) {
        merge(c);
        if (c->count == c->limit || clock_mono_us() >= c->stop)
            return;
        is_any = ask_steps(c);
    }
}

static void search_on_missing(struct shards_call *call, size_t partition)
{
    struct search_call *c = (struct search_call *)call;
    struct walk *w = &c->walks[partition];
    w->is_missing = w->is_over = true;
    c->stop = clock_mono_us() + PAGE_US; /* the partition may have let the call wait for long */
    if (!c->is_asking && call->waiting == 1)
        go_on(c);
}

static bool search_on_reply(struct shards_call *call, size_t partition, const struct redis_reply *r)
{
    struct search_call *c = (struct search_call *)call;
    if (!walk_take(&c->walks[partition], r))
        return false;
    if (call->waiting == 1) /* the last answer of this round */
        go_on(c);
    return true;
}

/* --- the page --- */

static void search_free(struct search_call *c)
{
    for (unsigned i = 0; i < walk_count(c); i++)
        walk_drop(&c->walks[i]);
    for (size_t i = 0; i < c->count; i++)
        free(c->ids[i]);
    for (size_t i = 0; i < sizeof c->texts / sizeof *c->texts; i++)
        free(c->texts[i]);
    free(c->walks);
    free(c->ids);
    free(c);
}

/* Another partition may have answered for a delivery that only it can judge, and a state may have changed meanwhile. */
static bool still_fits(const struct search_call *c, const struct delivery_view *v)
{
    struct slice state = slice_str(c->texts[TEXT_STATE]), lane = slice_str(c->texts[TEXT_LANE]);
    return v->is_found && (!state.len || slice_eq(v->state, state)) &&
           (!lane.len || slice_eq(v->lane, lane)) && v->accepted_at >= c->since &&
           v->accepted_at <= c->until;
}

static void search_on_views(void *ctx, enum err rc, const struct delivery_view *list, size_t count,
                            const struct partition_set *missing)
{
    struct search_call *c = ctx;
    struct buf next;
    if (rc != OK) {
        c->fn(c->ctx, rc, NULL, 0, SLICE_LIT(""), missing);
        search_free(c);
        return;
    }
    struct delivery_view *page = xcalloc(count ? count : 1, sizeof *page);
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        if (still_fits(c, &list[i]))
            page[n++] = list[i];
    buf_init(&next, (size_t)POSITION_MAX * walk_count(c));
    write_cursor(c, &next);
    struct partition_set all = *missing;
    for (unsigned i = 0; i < walk_count(c); i++)
        if (c->walks[i].is_missing)
            partition_set_add(&all, i);
    c->fn(c->ctx, OK, page, n, buf_slice(&next), &all);
    buf_clear(&next);
    free(page);
    search_free(c);
}

static void search_on_end(struct shards_call *call)
{
    struct search_call *c = (struct search_call *)call;
    if (call->rc != OK) {
        c->fn(c->ctx, call->rc, NULL, 0, SLICE_LIT(""), &call->missing);
        search_free(c);
        return;
    }
    struct slice *ids = xcalloc(c->count ? c->count : 1, sizeof *ids);
    for (size_t i = 0; i < c->count; i++)
        ids[i] = slice_str(c->ids[i]);
    queue_admin_look(c->q, ids, c->count, 0, search_on_views, c);
    free(ids);
}

/* The walk through events: by the rarest word that the filter has, of those that put.lua notes. */
static void name_events(struct buf *name, const struct delivery_filter *f)
{
    const struct {
        const char *kind;
        struct slice word;
    } words[] = {{"words:t", f->tag}, {"words:s", f->source}, {"words:d", f->destination}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (!words[i].word.len)
            continue;
        buf_add_str(name, words[i].kind);
        buf_add_slice(name, words[i].word);
        return;
    }
    buf_add_str(name, "posted");
}

/* Picks the walk that reaches the deliveries of FILTER soonest. */
static void choose_walk(struct search_call *c, const struct delivery_filter *f)
{
    const struct destination *d =
        f->destination.len ? config_destination(c->q->conf, f->destination) : NULL;
    struct slice lane = f->lane.len ? f->lane : slice_str(d ? d->lane : "");
    struct buf name = buf_over(c->name);
    if (slice_eq(f->state, SLICE_LIT("dead"))) {
        buf_add_str(&name, "deaths");
    } else if (slice_eq(f->state, SLICE_LIT("retry")) ||
               slice_eq(f->state, SLICE_LIT("inflight"))) {
        buf_add_slice(&name, f->state);
    } else if (slice_eq(f->state, SLICE_LIT("queued")) && lane.len) {
        buf_add_str(&name, "queue:");
        buf_add_slice(&name, lane);
    } else {
        name_events(&name, f);
        return; /* an event is listed in its home, which may be another partition than that of the lane */
    }
    if (lane.len)
        c->home = (int)partition_of(lane, walk_count(c));
}

enum err queue_admin_search(struct queue_admin *q, const struct delivery_filter *filter,
                            size_t limit, struct slice cursor, search_fn fn, void *ctx)
{
    struct search_call *c = NEW(struct search_call);
    shards_call_begin(&c->call, q->loop, q->shards);
    c->call.on_reply = search_on_reply;
    c->call.on_end = search_on_end;
    c->q = q;
    const struct slice texts[] = {filter->state, filter->destination, filter->source, filter->lane,
                                  filter->tag};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        c->texts[i] = xslicedup(texts[i]);
    c->since = filter->since;
    c->until = filter->until;
    c->limit = limit;
    c->fn = fn;
    c->ctx = ctx;
    c->stop = clock_mono_us() + PAGE_US;
    c->walks = xcalloc(walk_count(c), sizeof *c->walks);
    c->ids = xcalloc(limit, sizeof *c->ids);
    c->call.may_miss = true;
    shards_call_hurry(&c->call);
    c->call.on_missing = search_on_missing;
    c->home = -1;
    choose_walk(c, filter);
    for (unsigned i = 0; c->home >= 0 && i < walk_count(c); i++)
        c->walks[i].is_over = i != (unsigned)c->home;
    if (!read_cursor(c, cursor)) {
        search_free(c);
        return ERR_INVALID;
    }
    go_on(c);
    shards_call_sent(&c->call);
    return OK;
}
