#include "common/webhook/envelope.h"

#include "common/base/json_write.h"
#include "common/base/text.h"
#include "common/json/json_cut.h"

#include <stdio.h>

void envelope_init(struct envelope *e, size_t max)
{
    *e = (struct envelope){0};
    buf_init(&e->tasks, max);
}

void envelope_clear(struct envelope *e)
{
    buf_clear(&e->tasks);
}

/* "0.1337 sec." */
static void add_time(struct json_write *w, int64_t took_us)
{
    char text[40];
    int64_t parts = (took_us > 0 ? took_us : 0) / 100;
    snprintf(text, sizeof text, "%lld.%04lld sec.", (long long)(parts / 10000),
             (long long)(parts % 10000));
    jw_str(w, "time", text);
    jw_int(w, "cost", 0);
}

void envelope_add(struct envelope *e, const struct envelope_task *t)
{
    struct json_write w = {.out = &e->tasks, .has_value = e->count > 0};
    e->count++;
    if (t->status_code >= STATUS_ERROR && !t->is_no_error)
        e->errors++;
    jw_open(&w, NULL, '{');
    jw_text(&w, "id", t->id);
    jw_int(&w, "status_code", t->status_code);
    jw_str(&w, "status_message", t->status_message);
    add_time(&w, t->took_us);
    jw_int(&w, "result_count", (int64_t)t->result_count);
    jw_open(&w, "path", '[');
    for (size_t i = 0; i < t->path_count; i++)
        jw_text(&w, NULL, t->path[i]);
    jw_close(&w, ']');
    jw_raw(&w, "data", t->data.len ? t->data : SLICE_LIT("{}"));
    jw_raw(&w, "result", t->result.len ? t->result : SLICE_LIT("null"));
    jw_close(&w, '}');
}

static void begin(struct json_write *w, const char *version, int status_code,
                  const char *status_message)
{
    jw_open(w, NULL, '{');
    jw_str(w, "version", version);
    jw_int(w, "status_code", status_code);
    jw_str(w, "status_message", status_message);
}

void envelope_write(const struct envelope *e, const char *version, int status_code,
                    const char *status_message, int64_t took_us, struct buf *out)
{
    struct json_write w = json_write_to(out);
    begin(&w, version, status_code, status_message);
    add_time(&w, took_us);
    jw_int(&w, "tasks_count", e->count);
    jw_int(&w, "tasks_error", e->errors);
    jw_open(&w, "tasks", '[');
    buf_add_slice(out, buf_slice(&e->tasks));
    jw_close(&w, ']');
    jw_close(&w, '}');
    out->failed |= e->tasks.failed;
}

void envelope_write_error(const char *version, int status_code, const char *status_message,
                          struct buf *out)
{
    struct json_write w = json_write_to(out);
    begin(&w, version, status_code, status_message);
    jw_str(&w, "time", "0 sec.");
    jw_int(&w, "cost", 0);
    jw_int(&w, "tasks_count", 0);
    jw_int(&w, "tasks_error", 0);
    jw_null(&w, "tasks");
    jw_close(&w, '}');
}

static bool is_engine_word(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_letter && !(c >= '0' && c <= '9') && c != '_' && c != '-' && c != '.')
            return false;
    }
    return s.len > 0 && s.len <= ENVELOPE_WORD_MAX;
}

struct slice envelope_engine(struct slice se, struct slice se_type, char out[ENVELOPE_ENGINE_MAX])
{
    if (!is_engine_word(se))
        return slice_make("", 0);
    memcpy(out, se.ptr, se.len);
    if (!is_engine_word(se_type))
        return slice_make(out, se.len);
    out[se.len] = ' ';
    memcpy(out + se.len + 1, se_type.ptr, se_type.len);
    return slice_make(out, se.len + 1 + se_type.len);
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
