/* Acts of operators on single deliveries: resend and drop. Also a test event, sent as a source's provider would. */
#include "common/base/alloc.h"
#include "common/json/json.h"
#include "common/net/http_line.h"
#include "common/net/http_probe.h"
#include "common/queue/queue_admin.h"
#include "common/webhook/scheme.h"
#include "receiver/console/console_private.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define KEY_BYTES ((size_t)4 * ID_KEY_MAX)

enum verb { VERB_RESEND, VERB_DROP };

struct act { /* an act on a delivery, until Redis has answered */
    struct ops_call *ops;
    struct console_actor actor;
    enum verb verb;
};

static void answer_act(struct ops_call *c, struct slice state)
{
    struct buf out;
    buf_init(&out, CONSOLE_BODY_MAX);
    struct json_write w = json_write_to(&out);
    jw_open(&w, NULL, '{');
    jw_text(&w, "id", c->match.params[0]);
    jw_text(&w, "state", state);
    jw_close(&w, '}');
    console_answer(c, 200, &out);
}

/* Says why STATE forbids the act. */
static void answer_refused(struct ops_call *c, enum verb verb, struct slice state)
{
    const char *why = "the delivery is over; only what waits, and dead letters, can be dropped";
    if (slice_eq(state, SLICE_LIT("inflight")))
        why = verb == VERB_RESEND ? "the delivery is in flight, so it is on its way already"
                                  : "the delivery is in flight; it ends as its answer says";
    else if (slice_eq(state, SLICE_LIT("queued")))
        why = "the delivery is queued, so it is on its way already";
    else if (verb == VERB_RESEND)
        why = "the result was fetched, and a fetch that is done is not made again";
    console_error(c, 409, "conflict", why);
}

static void act_on_done(void *ctx, enum err rc, enum act_result result, struct slice state)
{
    struct act *a = ctx;
    struct ops_call *c = a->ops;
    enum verb verb = a->verb;
    if (rc == OK && result == ACT_DONE)
        console_log_act(&a->actor, verb == VERB_RESEND ? "delivery.resent" : "delivery.dropped",
                        "delivery", c->match.params[0]);
    free(a);
    if (rc != OK)
        console_unavailable(c);
    else if (result == ACT_DONE)
        answer_act(c, state);
    else if (result == ACT_REFUSED)
        answer_refused(c, verb, state);
    else if (result == ACT_NO_EVENT)
        console_error(c, 409, "no_event",
                      "the record of the event is gone, so there is nothing to send");
    else
        console_error(c, 404, "not_found", "there is no such delivery; it may have expired");
}

static void act_on_one(struct ops_call *c, enum verb verb)
{
    struct console *k = c->ctx;
    struct buf key;
    if (console_takes_no_query(c) == ENDED || console_read_body(c, NULL, 0) == ENDED)
        return;
    buf_init(&key, KEY_BYTES);
    if (!console_add_delivery_key(&key, c->match.params[0])) {
        buf_clear(&key);
        console_error(
            c, 404, "not_found",
            "the id of a delivery is the event's id, a colon, and the destination's name");
        return;
    }
    struct act *a = NEW(struct act);
    *a = (struct act){c, console_actor(c), verb};
    if (verb == VERB_RESEND)
        queue_admin_resend(k->admin, buf_slice(&key), act_on_done, a);
    else
        queue_admin_drop(k->admin, buf_slice(&key), act_on_done, a);
    buf_clear(&key);
}

void console_resend(struct ops_call *c)
{
    act_on_one(c, VERB_RESEND);
}

void console_drop(struct ops_call *c)
{
    act_on_one(c, VERB_DROP);
}

/* --- a test event --- */

#define TEST_US 15000000 /* the ingest answers 503 sooner */
#define TEST_BODY_MAX ((size_t)1 << 20)
#define TEST_TAG "hookpace-test"

struct test { /* a test event, until the ingest has answered */
    struct ops_call *ops;
    struct console_actor actor;
    const struct source *source;
    struct config *conf; /* referenced: it has the source */
    struct buf body;
    char id[UUID_LEN + 1];
};

static void test_free(struct test *t)
{
    buf_clear(&t->body);
    config_unref(t->conf);
    free(t);
}

static void test_on_answer(void *ctx, enum err rc, int status, struct slice body)
{
    struct test *t = ctx;
    struct ops_call *c = t->ops;
    struct json *answer = NULL;
    struct error e;
    struct buf out;
    if (rc != OK || json_parse(body, &answer, &e) != OK) {
        test_free(t);
        console_error(c, 503, "ingest_unavailable", "the receiver's ingest did not answer in time");
        return;
    }
    console_log_act(&t->actor, "test.sent", "source", slice_str(t->source->name));
    const struct json *echo =
        status == 200 && json_kind(answer) == JSON_OBJECT ? json_get(answer, "echo") : NULL;
    buf_init(&out, CONSOLE_ANSWER_MAX);
    struct json_write w = json_write_to(&out);
    jw_open(&w, NULL, '{');
    jw_int(&w, "status", status);
    jw_raw(&w, "answer", body);
    jw_text_or_null(&w, "event",
                    json_kind(echo) == JSON_STRING ? json_string(echo) : SLICE_LIT(""));
    jw_close(&w, '}');
    json_free(answer);
    test_free(t);
    console_answer(c, 200, &out);
}

/* A small event that has its id and its tag wherever providers put them. */
static void add_sample(const struct source *s, const char *id, struct buf *out)
{
    if (s->payload == PAYLOAD_FORM) {
        buf_addf(out, "id=%s&event_id=%s&tag=" TEST_TAG "&test=true", id, id);
        return;
    }
    struct json_write w = json_write_to(out);
    jw_open(&w, NULL, '{');
    jw_str(&w, "id", id);
    jw_str(&w, "event_id", id);
    jw_str(&w, "tag", TEST_TAG);
    jw_bool(&w, "test", true);
    jw_open(&w, "tasks", '[');
    jw_open(&w, NULL, '{');
    jw_str(&w, "id", id);
    jw_open(&w, "data", '{');
    jw_str(&w, "tag", TEST_TAG);
    jw_close(&w, '}');
    jw_close(&w, '}');
    jw_close(&w, ']');
    jw_close(&w, '}');
}

/* Headers in which the source looks for its id, unless the signature brings them. */
static void add_id_headers(const struct source *s, const char *id, struct buf *out)
{
    for (size_t i = 0; i < s->id_picks; i++) {
        const char *name = s->picks[i].kind == PICK_HEADER ? s->picks[i].header : NULL;
        if (name &&
            (!scheme_can_sign(s->verify) || !scheme_sends_header(s->verify, slice_str(name))))
            http_line_add(out, slice_str(name), slice_str(id));
    }
}

MUST_CHECK static enum err write_request(const struct test *t, struct buf *out)
{
    const struct source *s = t->source;
    buf_addf(out, "POST /in/%s HTTP/1.1\r\nHost: hookpace\r\nConnection: close\r\n", s->name);
    buf_addf(out, "Content-Type: %s\r\nContent-Length: %zu\r\n",
             s->payload == PAYLOAD_FORM ? "application/x-www-form-urlencoded" : "application/json",
             t->body.len);
    add_id_headers(s, t->id, out);
    if (scheme_can_sign(s->verify) && scheme_sign(s->verify, 0, slice_str(t->id), clock_wall_ms(),
                                                  buf_slice(&t->body), out) != OK)
        return ERR_INVALID;
    scheme_show(s->verify, out);
    buf_add_str(out, "\r\n");
    buf_add_slice(out, buf_slice(&t->body));
    return out->failed ? ERR_TOO_BIG : OK;
}

/* Hands the request to the ingest over a pair of sockets, from an address that the source allows. */
static void test_send(struct test *t)
{
    struct console *k = t->ops->ctx;
    struct buf request;
    struct addr peer = {0};
    int ends[2];
    bool is_sent = false;
    if (t->source->allow_count)
        peer = t->source->allow[0].base;
    else
        (void)!addr_parse(SLICE_LIT("127.0.0.1"), &peer);
    buf_init(&request, TEST_BODY_MAX + 65536);
    if (write_request(t, &request) == OK &&
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0) {
        k->ingest(k->ingest_ctx, ends[1], &peer);
        http_probe(k->loop, ends[0], buf_slice(&request), TEST_US, test_on_answer, t);
        is_sent = true;
    }
    buf_clear(&request);
    if (is_sent)
        return;
    console_error(t->ops, 500, "not_sent", "the test event could not be made");
    test_free(t);
}

/* The posted body: a text is sent as it is, anything else as its JSON. */
MUST_CHECK static enum flow read_test_body(struct test *t, const struct json_member *m)
{
    struct json *value = NULL;
    struct error e;
    if (!m->times || json_cut_kind(json_cut_trim(m->value)) == 'n') {
        add_sample(t->source, t->id, &t->body);
        return GO_ON;
    }
    if (json_parse(m->value, &value, &e) == OK && json_kind(value) == JSON_STRING)
        buf_add_slice(&t->body, json_string(value));
    else
        buf_add_slice(&t->body, json_cut_trim(m->value));
    json_free(value);
    return GO_ON;
}

MUST_CHECK static enum flow find_source(struct test *t, const struct json_member *m)
{
    struct json *value = NULL;
    struct error e;
    bool is_name =
        m->times && json_parse(m->value, &value, &e) == OK && json_kind(value) == JSON_STRING;
    t->source = is_name ? config_source(t->conf, json_string(value)) : NULL;
    json_free(value);
    if (t->source)
        return GO_ON;
    if (is_name)
        console_error(t->ops, 404, "not_found", "no source of the configuration has this name");
    else
        console_error(t->ops, 400, "bad_request", "the member 'source' must be a source's name");
    return ENDED;
}

void console_send_test(struct ops_call *c)
{
    struct console *k = c->ctx;
    struct json_member m[] = {{.name = "source"}, {.name = "body"}};
    if (console_takes_no_query(c) == ENDED || console_read_body(c, m, 2) == ENDED)
        return;
    struct test *t = NEW(struct test);
    t->ops = c;
    t->actor = console_actor(c);
    t->conf = config_ref(k->conf);
    buf_init(&t->body, TEST_BODY_MAX);
    uuid7(clock_wall_ms(), t->id);
    if (find_source(t, &m[0]) == GO_ON && read_test_body(t, &m[1]) == GO_ON)
        test_send(t);
    else
        test_free(t);
}
