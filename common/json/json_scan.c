#include "common/json/json_scan.h"

#include "common/base/alloc.h"
#include "common/json/json_events.h"

#include <assert.h>
#include <stdlib.h>

_Static_assert(JSON_PICKS_PARTS == JSON_DEPTH_MAX, "a pointer leads as deep as a document goes");

struct frame { /* an open object or array on the way to a value that is wanted */
    bool is_array;
    int64_t next_index;
    json_pick_set active; /* these pointers lead into it */
    json_pick_set hit;    /* these pointers lead into its current value */
    json_pick_set seen;   /* these pointers found their key in it before */
};

struct picked {
    enum json_pick_state state;
    size_t at, len; /* in values */
};

struct json_scan {
    const struct json_picks *picks;
    struct json_events events;
    struct buf text;                         /* the key or value at hand */
    json_pick_set ended;                     /* the pointers that name the value at hand */
    struct frame frames[JSON_DEPTH_MAX + 1]; /* by depth; [0] is the document itself */
    struct picked picked[JSON_PICKS_MAX];
    struct buf values;
};

struct json_scan *json_scan_new(const struct json_picks *picks)
{
    struct json_scan *s = NEW(struct json_scan);
    buf_init(&s->text, JSON_SCAN_VALUE_MAX);
    buf_init(&s->values, JSON_PICKS_MAX * JSON_SCAN_VALUE_MAX);
    json_scan_reset(s, picks);
    return s;
}

void json_scan_free(struct json_scan *s)
{
    if (!s)
        return;
    buf_clear(&s->text);
    buf_clear(&s->values);
    free(s);
}

void json_scan_reset(struct json_scan *s, const struct json_picks *picks)
{
    size_t count = json_picks_count(picks);
    json_events_start(&s->events, &json_rules_body, count ? 0 : -1, &s->text);
    s->picks = picks;
    s->frames[0] = (struct frame){.hit = (json_pick_set)((1u << count) - 1)};
    memset(s->picked, 0, sizeof s->picked);
    buf_reset(&s->values);
}

static void keep(struct json_scan *s, size_t i, enum json_pick_state state, struct slice value)
{
    struct picked *p = &s->picked[i];
    if (p->state == JSON_PICK_TWICE)
        return;
    p->state = state;
    if (state != JSON_PICK_TEXT)
        return;
    p->at = s->values.len;
    p->len = value.len;
    buf_add_slice(&s->values, value);
    assert(!s->values.failed);
}

static void keep_all(struct json_scan *s, enum json_pick_state state, struct slice value)
{
    for (size_t i = 0; s->ended >> i; i++)
        if (s->ended >> i & 1)
            keep(s, i, state, value);
}

static void on_key(struct json_scan *s)
{
    struct frame *f = &s->frames[s->events.depth];
    struct slice key = buf_slice(&s->text);
    f->hit =
        s->text.failed ? 0 : json_picks_next(s->picks, f->active, s->events.depth - 1, &key, 0);
    json_pick_set twice = f->hit & f->seen;
    for (size_t i = 0; twice >> i; i++)
        if (twice >> i & 1)
            s->picked[i].state = JSON_PICK_TWICE;
    f->seen |= f->hit;
}

static void on_begin(struct json_scan *s)
{
    unsigned depth = s->events.depth;
    struct frame *f = &s->frames[depth];
    if (f->is_array)
        f->hit = json_picks_next(s->picks, f->active, depth - 1, NULL, f->next_index++);
    s->ended = f->hit ? json_picks_ended(s->picks, f->hit, depth) : 0;
    json_pick_set inside = (json_pick_set)(f->hit & ~s->ended);
    if (s->events.kind != '{' && s->events.kind != '[') {
        s->events.takes_text = s->ended != 0;
        buf_reset(&s->text);
        return;
    }
    keep_all(s, JSON_PICK_OTHER, SLICE_LIT(""));
    if (!inside)
        return;
    assert(depth < JSON_DEPTH_MAX);
    s->frames[depth + 1] = (struct frame){.is_array = s->events.kind == '[', .active = inside};
    s->events.watch = (int)depth + 1;
}

static void on_end(struct json_scan *s)
{
    switch (s->events.kind) {
    case '{':
    case '[':
        s->events.watch = (int)s->events.depth;
        break;
    case 'n':
        keep_all(s, JSON_PICK_MISSING, SLICE_LIT(""));
        break;
    case 't':
        keep_all(s, JSON_PICK_TEXT, SLICE_LIT("true"));
        break;
    case 'f':
        keep_all(s, JSON_PICK_TEXT, SLICE_LIT("false"));
        break;
    default:
        keep_all(s, s->text.failed ? JSON_PICK_TOO_LONG : JSON_PICK_TEXT, buf_slice(&s->text));
    }
}

static void on_event(struct json_scan *s, enum json_event event)
{
    if (event == JSON_EVENT_KEY)
        on_key(s);
    else if (event == JSON_EVENT_BEGIN)
        on_begin(s);
    else
        on_end(s);
}

static enum err refuse(const struct json_scan *s, struct error *e)
{
    return fail(e, ERR_INVALID, "%s (byte %zu)", s->events.wrong, s->events.wrong_at);
}

enum err json_scan_feed(struct json_scan *s, struct slice bytes, struct error *e)
{
    for (;;) {
        enum json_event event = json_events_next(&s->events, &bytes);
        if (event == JSON_EVENT_NONE)
            return OK;
        if (event == JSON_EVENT_WRONG)
            return refuse(s, e);
        on_event(s, event);
    }
}

enum err json_scan_end(struct json_scan *s, struct error *e)
{
    enum json_event event = json_events_finish(&s->events);
    if (event == JSON_EVENT_END) {
        on_end(s);
        event = json_events_finish(&s->events);
    }
    return event == JSON_EVENT_NONE ? OK : refuse(s, e);
}

bool json_scan_accepts(struct slice text)
{
    struct json_events events;
    json_events_start(&events, &json_rules_body, -1, NULL);
    return json_events_next(&events, &text) == JSON_EVENT_NONE &&
           json_events_finish(&events) == JSON_EVENT_NONE;
}

enum json_pick_state json_scan_pick(const struct json_scan *s, size_t i, struct slice *value)
{
    assert(i < json_picks_count(s->picks));
    const struct picked *p = &s->picked[i];
    if (p->state == JSON_PICK_TEXT)
        *value = slice_make(buf_slice(&s->values).ptr + p->at, p->len);
    return p->state;
}
