/* POST /api/check is a step of the search for contradictions in the queue. GET /api/tail sends events as they
 * happen. */
#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/queue/queue_admin.h"
#include "receiver/console/console_private.h"
#include "receiver/tail/listeners.h"

#include <stdlib.h>

struct check_act {
    struct ops_call *ops;
    struct console_actor actor;
    bool is_repair;
};

static void write_item(struct json_write *w, const struct check_item *item)
{
    struct buf id;
    buf_init(&id, 1 << 16);
    id_add_shown(&id, item->name);
    jw_open(w, NULL, '{');
    jw_text(w, "id", buf_slice(&id));
    jw_text(w, "problem", item->problem);
    jw_int(w, "partition", item->partition);
    jw_bool(w, "repaired", item->is_mended);
    jw_close(w, '}');
    buf_clear(&id);
}

static void log_repairs(const struct check_act *act, const struct check_result *r)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->items[i].is_mended)
            LOG(LL_WARN, "queue.repaired", LSL("problem", r->items[i].problem),
                LSL("what", r->items[i].name), LI("partition", r->items[i].partition),
                LS("account", act->actor.account), LS("peer", act->actor.peer));
}

static void check_on_done(void *ctx, enum err rc, const struct check_result *r)
{
    struct check_act *act = ctx;
    struct ops_call *c = act->ops;
    struct buf out;
    if (rc == OK)
        log_repairs(act, r);
    free(act);
    if (rc != OK) {
        console_unavailable(c);
        return;
    }
    struct json_write w;
    console_begin_list(&out, &w);
    for (size_t i = 0; i < r->count; i++)
        write_item(&w, &r->items[i]);
    console_end_items(&w, r->next);
    jw_int(&w, "looked_at", r->looked);
    jw_int(&w, "unsure", r->unsure);
    console_end_answer(c, &out, &w, r->missing);
}

enum { M_REPAIR, M_CURSOR, MEMBERS };

/* Sets *CURSOR to the text of the JSON string VALUE; empty for null and where there is none. No cursor has an escape. False: it
 * is something else. */
static bool read_cursor(struct slice value, struct slice *cursor)
{
    *cursor = SLICE_LIT("");
    if (!value.len || slice_eq(value, SLICE_LIT("null")))
        return true;
    if (json_cut_kind(value) != '"' || memchr(value.ptr, '\\', value.len))
        return false;
    *cursor = slice_make(value.ptr + 1, value.len - 2);
    return true;
}

void console_check(struct ops_call *c)
{
    struct console *k = c->ctx;
    struct json_member m[MEMBERS] = {{.name = "repair"}, {.name = "cursor"}};
    if (console_takes_no_query(c) == ENDED || console_read_body(c, m, MEMBERS) == ENDED)
        return;
    bool is_repair = slice_eq(m[M_REPAIR].value, SLICE_LIT("true"));
    if (m[M_REPAIR].value.len && !is_repair && !slice_eq(m[M_REPAIR].value, SLICE_LIT("false"))) {
        console_error(c, 400, "bad_request", "the member 'repair' must be true or false");
        return;
    }
    struct check_act *act = NEW(struct check_act);
    *act = (struct check_act){c, console_actor(c), is_repair};
    struct slice cursor;
    if (!read_cursor(m[M_CURSOR].value, &cursor) ||
        queue_admin_check(k->admin, is_repair, cursor, check_on_done, act) != OK) {
        free(act);
        console_error(c, 400, "bad_cursor",
                      "the member 'cursor' must be the `next` of the call before");
    }
}

/* --- tail --- */

/* NAME is a fact's `source`: a source, or the account of a task. */
static bool has_owner(const struct config *conf, struct slice name)
{
    return config_source(conf, name) || map_get(&conf->accounts, name);
}

void console_tail(struct ops_call *c)
{
    enum { SOURCE, DESTINATION, TAG, PARAMS };
    struct console *k = c->ctx;
    struct console_param p[PARAMS] = {{.name = "source"}, {.name = "destination"}, {.name = "tag"}};
    const struct config_account *who = c->who.account;
    struct buf text;
    if (console_read_query(c, p, PARAMS, &text) == ENDED)
        return;
    struct listen_filter filter = {p[SOURCE].value, p[DESTINATION].value, p[TAG].value};
    if (filter.source.len && !has_owner(k->conf, filter.source))
        console_error(c, 404, "not_found",
                      "no source or account of the configuration has this name");
    else if (filter.destination.len && !config_destination(k->conf, filter.destination))
        console_error(c, 404, "not_found", "no destination of the configuration has this name");
    else if (!listeners_add(k->listeners, c, who, &filter))
        console_error(c, 503, "too_many_listeners", "64 clients listen already; try again later");
    buf_clear(&text);
}
