/* GET /api/deliveries: the deliveries that fit a filter, a page at a time. GET /api/dead: dead letters by destination and reason. */
#include "common/base/alloc.h"
#include "common/queue/keys.h"
#include "common/queue/queue_admin.h"
#include "common/queue/queue_tasks.h"
#include "common/webhook/ids.h"
#include "receiver/console/console_private.h"

#include <stdlib.h>

enum { /* the parameters of the query */
       P_STATE,
       P_DESTINATION,
       P_SOURCE,
       P_LANE,
       P_TAG,
       P_ID,
       P_SINCE,
       P_UNTIL,
       P_LIMIT,
       P_CURSOR,
       PARAMS
};

struct list_call {
    struct ops_call *ops;
    struct console_param params[PARAMS];
    struct buf text; /* of the parameters */
    struct delivery_filter filter;
    size_t limit;
    struct partition_set missing; /* partitions that did not answer who has the id */
};

static void list_free(struct list_call *l)
{
    buf_clear(&l->text);
    free(l);
}

static void write_page(struct ops_call *c, const struct delivery_view *list, size_t count,
                       struct slice next, const struct partition_set *missing)
{
    struct buf out;
    struct json_write w;
    console_begin_list(&out, &w);
    for (size_t i = 0; i < count; i++) {
        console_open_delivery(&w, &list[i]);
        jw_close(&w, '}');
    }
    console_end_items(&w, next);
    console_end_answer(c, &out, &w, missing);
}

static void list_on_page(void *ctx, enum err rc, const struct delivery_view *list, size_t count,
                         struct slice next, const struct partition_set *missing)
{
    struct list_call *l = ctx;
    if (rc == OK)
        write_page(l->ops, list, count, next, missing);
    else
        console_unavailable(l->ops);
    list_free(l);
}

/* --- by id --- */

static bool fits_text(struct slice wanted, struct slice is)
{
    return !wanted.len || slice_eq(wanted, is);
}

static bool fits(const struct list_call *l, const struct delivery_view *v)
{
    const struct delivery_filter *f = &l->filter;
    struct slice none = SLICE_LIT("");
    return v->is_found && fits_text(f->state, v->state) &&
           fits_text(f->destination, v->destination) && fits_text(f->lane, v->lane) &&
           fits_text(f->source, v->has_event ? v->record.source : none) &&
           fits_text(f->tag, v->has_event ? v->record.tag : none) && v->accepted_at >= f->since &&
           v->accepted_at <= f->until;
}

/* All deliveries of one event, or one of them: never more than a page. */
static void list_on_views(void *ctx, enum err rc, const struct delivery_view *list, size_t count,
                          const struct partition_set *missing)
{
    struct list_call *l = ctx;
    if (rc != OK) {
        list_on_page(l, rc, NULL, 0, SLICE_LIT(""), missing);
        return;
    }
    partition_set_join(&l->missing, missing);
    struct delivery_view *page = xcalloc(count ? count : 1, sizeof *page);
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        if (fits(l, &list[i]))
            page[n++] = list[i];
    list_on_page(l, OK, page, n, SLICE_LIT(""), &l->missing);
    free(page);
}

/* ID names an event, or a delivery if there is no such event. */
static void list_on_event(void *ctx, enum err rc, const struct task *t, size_t count)
{
    struct list_call *l = ctx;
    struct console *k = l->ops->ctx;
    if (rc != OK) {
        list_on_page(l, rc, NULL, 0, SLICE_LIT(""), &l->missing);
        return;
    }
    if (count == 1 && t->missing)
        l->missing = *t->missing;
    struct args ids;
    args_init(&ids, 1 << 20);
    if (count == 1 && t->event.destinations.len) {
        console_add_delivery_ids(&ids, t->key, t->event.destinations);
    } else {
        size_t mark = args_mark(&ids);
        if (console_add_delivery_key(&ids.text, l->params[P_ID].value))
            args_add_since(&ids, mark);
    }
    queue_admin_look(k->admin, args_slices(&ids), ids.count, 0, list_on_views, l);
    args_clear(&ids);
}

/* --- the query --- */

static bool is_state(struct slice s)
{
    static const char *const states[] = {"queued", "inflight", "retry", "dead", "done", "dropped"};
    for (size_t i = 0; i < sizeof states / sizeof *states; i++)
        if (slice_eq(s, slice_str(states[i])))
            return true;
    return false;
}

MUST_CHECK static enum flow check_filter(struct ops_call *c, const struct console_param *p)
{
    if (p[P_STATE].is_given && !is_state(p[P_STATE].value)) {
        console_error(
            c, 400, "bad_request",
            "the parameter 'state' must be queued, inflight, retry, dead, done or dropped");
        return ENDED;
    }
    for (int i = P_DESTINATION; i <= P_LANE; i++) {
        if (!p[i].is_given || console_is_name(p[i].value))
            continue;
        console_error(c, 400, "bad_request",
                      "the parameters 'destination', 'source' and 'lane' must be names");
        return ENDED;
    }
    return GO_ON;
}

MUST_CHECK static enum flow read_filter(struct list_call *l)
{
    static const char *const names[PARAMS] = {"state", "destination", "source", "lane",  "tag",
                                              "id",    "since",       "until",  "limit", "cursor"};
    struct ops_call *c = l->ops;
    struct console_param *p = l->params;
    for (int i = 0; i < PARAMS; i++)
        p[i].name = names[i];
    l->filter.until = CONSOLE_LAST_MOMENT;
    if (console_read_query(c, p, PARAMS, &l->text) == ENDED || check_filter(c, p) == ENDED ||
        console_read_limit(c, &p[P_LIMIT], &l->limit) == ENDED ||
        console_read_moment(c, &p[P_SINCE], &l->filter.since) == ENDED ||
        console_read_moment(c, &p[P_UNTIL], &l->filter.until) == ENDED)
        return ENDED;
    l->filter.state = p[P_STATE].value;
    l->filter.destination = p[P_DESTINATION].value;
    l->filter.source = p[P_SOURCE].value;
    l->filter.lane = p[P_LANE].value;
    l->filter.tag = p[P_TAG].value;
    return GO_ON;
}

void console_deliveries(struct ops_call *c)
{
    struct console *k = c->ctx;
    struct list_call *l = NEW(struct list_call);
    l->ops = c;
    if (read_filter(l) == ENDED) {
        list_free(l);
        return;
    }
    if (l->params[P_ID].is_given) {
        queue_tasks_look(k->tasks, (struct task_scope){0}, &l->params[P_ID].value, 1, list_on_event,
                         l);
        return;
    }
    if (queue_admin_search(k->admin, &l->filter, l->limit, l->params[P_CURSOR].value, list_on_page,
                           l) != OK) {
        console_error(c, 400, "bad_cursor",
                      "the parameter 'cursor' must be the `next` of the page before");
        list_free(l);
    }
}

/* --- dead letters by destination and reason --- */

static void write_group(struct json_write *w, const struct dead_group *g)
{
    struct slice event, destination;
    struct buf text;
    buf_init(&text, 1 << 16);
    buf_add_slice(&text, g->destination);
    buf_add_char(&text, ' ');
    buf_add_slice(&text, g->reason);
    jw_open(w, NULL, '{');
    jw_text(w, "id", buf_slice(&text));
    jw_text(w, "destination", g->destination);
    jw_text_or_null(w, "reason", g->reason);
    jw_int(w, "count", g->count);
    buf_reset(&text);
    if (keys_split_delivery(g->newest, &event, &destination))
        console_add_id(&text, event, destination);
    jw_text(w, "newest", buf_slice(&text));
    console_write_moment(w, "newest_at", g->newest_at);
    jw_close(w, '}');
    buf_clear(&text);
}

static void dead_on_groups(void *ctx, enum err rc, const struct dead_group *list, size_t count,
                           int64_t seen, struct slice next, const struct partition_set *missing)
{
    struct ops_call *c = ctx;
    struct buf out;
    struct json_write w;
    if (console_open_list(c, rc, &out, &w) == ENDED)
        return;
    for (size_t i = 0; i < count; i++)
        write_group(&w, &list[i]);
    console_end_items(&w, next);
    jw_int(&w, "seen", seen);
    console_end_answer(c, &out, &w, missing);
}

void console_dead(struct ops_call *c)
{
    struct console *k = c->ctx;
    struct console_param cursor = {.name = "cursor"};
    struct buf text;
    if (console_read_query(c, &cursor, 1, &text) == ENDED)
        return;
    if (queue_admin_dead(k->admin, cursor.value, dead_on_groups, c) != OK)
        console_error(c, 400, "bad_cursor",
                      "the parameter 'cursor' must be the `next` of the call before");
    buf_clear(&text);
}
