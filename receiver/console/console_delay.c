/* The delay that is in force: for everybody, or for one destination or account. */
#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/json/json.h"
#include "common/queue/queue_tasks.h"
#include "receiver/console/console_private.h"

#include <stdio.h>
#include <stdlib.h>

struct delay_call { /* until Redis has answered */
    struct ops_call *ops;
    struct console_actor actor;
    enum delay_of of;
    char name[NAME_MAX_LEN + 1]; /* empty for DELAY_TOP */
    bool is_set;                 /* this call sets it */
};

static const char *const kinds[] = {
    [DELAY_TOP] = "top", [DELAY_ACCOUNT] = "account", [DELAY_DESTINATION] = "destination"};

static void delay_log(const struct delay_call *d, int64_t delay_ms)
{
    LOG(LL_INFO, "delay.set", LS("account", d->actor.account), LS("peer", d->actor.peer),
        LS("of", kinds[d->of]), LSO("name", slice_str(d->name)), LI("delay_ms", delay_ms));
}

static void delay_on_answer(void *ctx, enum err rc, int64_t delay_ms)
{
    struct delay_call *d = ctx;
    struct ops_call *c = d->ops;
    struct buf out;
    if (rc != OK) {
        free(d);
        console_unavailable(c);
        return;
    }
    if (d->is_set)
        delay_log(d, delay_ms);
    buf_init(&out, CONSOLE_BODY_MAX);
    struct json_write w = json_write_to(&out);
    jw_open(&w, NULL, '{');
    jw_int(&w, "delay_ms", delay_ms);
    if (d->of != DELAY_TOP)
        jw_str(&w, kinds[d->of], d->name);
    jw_close(&w, '}');
    free(d);
    console_answer(c, 200, &out);
}

/* --- whose --- */

/* Chooses whose delay is meant; 404 if the configuration has no such destination or account. */
MUST_CHECK static enum flow choose(struct delay_call *d, enum delay_of of, struct slice name)
{
    const struct config *conf = ((struct console *)d->ops->ctx)->conf;
    bool is_known =
        name_is_valid(name) && (of == DELAY_ACCOUNT ? map_get(&conf->accounts, name) != NULL
                                                    : config_destination(conf, name) != NULL);
    if (d->of != DELAY_TOP) {
        console_error(d->ops, 400, "bad_request",
                      "give 'destination' or 'account', or neither for everybody's delay");
        return ENDED;
    }
    if (!is_known) {
        console_error(d->ops, 404, "not_found",
                      of == DELAY_ACCOUNT ? "no account of the configuration has this name"
                                          : "no destination of the configuration has this name");
        return ENDED;
    }
    d->of = of;
    memcpy(d->name, name.ptr, name.len);
    d->name[name.len] = '\0';
    return GO_ON;
}

/* The same for a member of the body; null is as if it were not there. */
MUST_CHECK static enum flow choose_posted(struct delay_call *d, enum delay_of of,
                                          const struct json_member *m)
{
    struct json *value = NULL;
    struct error e;
    enum flow flow = GO_ON;
    if (!m->times || json_parse(m->value, &value, &e) != OK || json_kind(value) == JSON_NULL) {
        json_free(value);
        return GO_ON;
    }
    if (json_kind(value) == JSON_STRING) {
        flow = choose(d, of, json_string(value));
    } else {
        console_error(d->ops, 400, "bad_request",
                      "the members 'destination' and 'account' must be names");
        flow = ENDED;
    }
    json_free(value);
    return flow;
}

/* --- the delay --- */

/* -1 for null, which goes back to the configuration. */
MUST_CHECK static enum flow read_delay(struct delay_call *d, const struct json_member *m,
                                       int64_t *delay_ms)
{
    const struct config *conf = ((struct console *)d->ops->ctx)->conf;
    struct json *value = NULL;
    struct error e;
    bool ok = m->times && json_parse(m->value, &value, &e) == OK;
    bool is_null = ok && json_cut_kind(json_cut_trim(m->value)) == 'n';
    *delay_ms = ok && json_kind(value) == JSON_INT ? json_int(value) : -1;
    json_free(value);
    if (is_null || (*delay_ms >= 0 && delay_is_allowed(*delay_ms, conf->delay_step_ms)))
        return GO_ON;
    char why[160];
    snprintf(why, sizeof why,
             "the member 'delay_ms' must be 0, 50, or a multiple of %lld up to 1000; or null for "
             "the delay of the configuration",
             (long long)conf->delay_step_ms);
    console_error(d->ops, 400, "bad_request", why);
    return ENDED;
}

static struct delay_call *delay_call_new(struct ops_call *c, bool is_set)
{
    struct delay_call *d = NEW(struct delay_call);
    d->ops = c;
    d->actor = console_actor(c);
    d->is_set = is_set;
    d->of = DELAY_TOP;
    return d;
}

void console_set_delay(struct ops_call *c)
{
    struct console *k = c->ctx;
    struct json_member m[] = {{.name = "delay_ms"}, {.name = "destination"}, {.name = "account"}};
    int64_t delay_ms;
    if (console_takes_no_query(c) == ENDED ||
        console_read_body(c, m, sizeof m / sizeof *m) == ENDED)
        return;
    struct delay_call *d = delay_call_new(c, true);
    if (read_delay(d, &m[0], &delay_ms) == ENDED ||
        choose_posted(d, DELAY_DESTINATION, &m[1]) == ENDED ||
        choose_posted(d, DELAY_ACCOUNT, &m[2]) == ENDED) {
        free(d);
        return;
    }
    queue_tasks_set_delay(k->tasks, d->of, slice_str(d->name), delay_ms, delay_on_answer, d);
}

void console_delay(struct ops_call *c)
{
    struct console *k = c->ctx;
    struct console_param p[] = {{.name = "destination"}, {.name = "account"}};
    struct buf text;
    if (console_read_query(c, p, sizeof p / sizeof *p, &text) == ENDED)
        return;
    struct delay_call *d = delay_call_new(c, false);
    enum flow flow = GO_ON;
    if (p[0].is_given)
        flow = choose(d, DELAY_DESTINATION, p[0].value);
    if (flow == GO_ON && p[1].is_given)
        flow = choose(d, DELAY_ACCOUNT, p[1].value);
    if (flow == GO_ON)
        queue_tasks_delay(k->tasks, d->of, slice_str(d->name), delay_on_answer, d);
    else
        free(d);
    buf_clear(&text);
}
