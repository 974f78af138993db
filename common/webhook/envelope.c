#include "common/webhook/envelope.h"

#include "common/base/text.h"
#include "common/json/json_cut.h"

void envelope_init(struct envelope *e, size_t max)
{
    *e = (struct envelope){0};
    buf_init(&e->tasks, max);
}

void envelope_clear(struct envelope *e)
{
    buf_clear(&e->tasks);
}

static void add_text(struct buf *out, const char *name, struct slice value)
{
    buf_addf(out, "\"%s\":\"", name);
    buf_add_json(out, value);
    buf_add_str(out, "\",");
}

/* "0.1337 sec." */
static void add_time(struct buf *out, int64_t took_us)
{
    int64_t parts = (took_us > 0 ? took_us : 0) / 100;
    buf_addf(out, "\"time\":\"%lld.%04lld sec.\",\"cost\":0,", (long long)(parts / 10000),
             (long long)(parts % 10000));
}

static void add_path(struct buf *out, const struct envelope_task *t)
{
    buf_add_str(out, "\"path\":[");
    for (size_t i = 0; i < t->path_count; i++) {
        buf_add_str(out, i ? ",\"" : "\"");
        buf_add_json(out, t->path[i]);
        buf_add_char(out, '"');
    }
    buf_add_str(out, "],");
}

void envelope_add(struct envelope *e, const struct envelope_task *t)
{
    struct buf *out = &e->tasks;
    if (e->count++)
        buf_add_char(out, ',');
    if (t->status_code >= STATUS_ERROR && !t->is_no_error)
        e->errors++;
    buf_add_char(out, '{');
    add_text(out, "id", t->id);
    buf_addf(out, "\"status_code\":%d,", t->status_code);
    add_text(out, "status_message", slice_str(t->status_message));
    add_time(out, t->took_us);
    buf_addf(out, "\"result_count\":%zu,", t->result_count);
    add_path(out, t);
    buf_add_str(out, "\"data\":");
    buf_add_slice(out, t->data.len ? t->data : SLICE_LIT("{}"));
    buf_add_str(out, ",\"result\":");
    buf_add_slice(out, t->result.len ? t->result : SLICE_LIT("null"));
    buf_add_char(out, '}');
}

static void begin(const char *version, int status_code, const char *status_message, struct buf *out)
{
    buf_add_char(out, '{');
    add_text(out, "version", slice_str(version));
    buf_addf(out, "\"status_code\":%d,", status_code);
    add_text(out, "status_message", slice_str(status_message));
}

void envelope_write(const struct envelope *e, const char *version, int status_code,
                    const char *status_message, int64_t took_us, struct buf *out)
{
    begin(version, status_code, status_message, out);
    add_time(out, took_us);
    buf_addf(out, "\"tasks_count\":%u,\"tasks_error\":%u,\"tasks\":[", e->count, e->errors);
    buf_add_slice(out, buf_slice(&e->tasks));
    buf_add_str(out, "]}");
    out->failed |= e->tasks.failed;
}

void envelope_write_error(const char *version, int status_code, const char *status_message,
                          struct buf *out)
{
    begin(version, status_code, status_message, out);
    buf_add_str(out, "\"time\":\"0 sec.\",\"cost\":0,\"tasks_count\":0,\"tasks_error\":0,"
                     "\"tasks\":null}");
}

bool envelope_is(struct slice body)
{
    return json_cut_kind(json_cut_member(body, "tasks")) == '[';
}

void envelope_of_result(const char *version, const struct envelope_task *t, struct slice body,
                        struct buf *out)
{
    if (envelope_is(body)) {
        buf_add_slice(out, body);
        return;
    }
    struct envelope e;
    struct envelope_task around = *t;
    struct buf result;
    bool is_null = json_cut_kind(body) == 'n';
    envelope_init(&e, out->max);
    buf_init(&result, out->max);
    if (!is_null) {
        buf_add_char(&result, '[');
        buf_add_slice(&result, json_cut_trim(body));
        buf_add_char(&result, ']');
    }
    around.result = buf_slice(&result);
    around.result_count = !is_null;
    envelope_add(&e, &around);
    e.tasks.failed |= result.failed;
    envelope_write(&e, version, STATUS_OK, "Ok.", t->took_us, out);
    buf_clear(&result);
    envelope_clear(&e);
}
