#include "common/base/text.h"
#include "common/json/json.h"
#include "common/json/json_cut.h"
#include "receiver/api/api_private.h"
#include "receiver/api/api_time.h"

#include <stdio.h>

static const struct api_code_row codes[] = {
#define API_CODE_ROW(id, code, message) {code, message},
    API_CODES(API_CODE_ROW)
#undef API_CODE_ROW
};

const struct api_code_row *api_code_row(enum api_code c)
{
    return &codes[c];
}

void api_new_id(char out[UUID_LEN + 1])
{
    uuid7(clock_wall_ms(), out);
}

/* --- tasks of an answer --- */

void api_add_call(struct api_request *r, struct slice data, struct slice result, size_t count)
{
    char id[UUID_LEN + 1];
    api_new_id(id);
    struct envelope_task t = {.id = slice_str(id),
                              .status_code = STATUS_OK,
                              .status_message = "Ok.",
                              .took_us = clock_mono_us() - r->started,
                              .path = r->path.segments,
                              .path_count = r->path.count,
                              .data = data,
                              .result = result,
                              .result_count = count};
    envelope_add(&r->envelope, &t);
}

void api_quota_message(const struct config_account *account, enum put_result result, char *out,
                       size_t size)
{
    if (result == PUT_MANY_TASKS)
        snprintf(out, size,
                 "The Quota 'max_tasks' Of %lld Tasks Has Been Reached. Tasks leave when their "
                 "retention ends.",
                 (long long)account->max_tasks);
    else
        snprintf(out, size,
                 "The Quota 'max_bytes' Of %lld Bytes Has Been Reached. Tasks leave when their "
                 "retention ends.",
                 (long long)account->max_bytes);
}

void api_add_task(struct api_request *r, struct slice id, enum api_code c, const char *message,
                  struct slice data)
{
    struct envelope_task t = {.id = id,
                              .status_code = api_code_row(c)->code,
                              .status_message = message ? message : api_code_row(c)->message,
                              .took_us = clock_mono_us() - r->started,
                              .path = r->path.segments,
                              .path_count = r->path.count,
                              .data = data,
                              /* as in the published answer of webhook_resend */
                              .is_no_error = c == CODE_NO_WEBHOOK};
    envelope_add(&r->envelope, &t);
}

/* --- members --- */

void api_write_moment(struct json_write *w, const char *name, wall_ms at)
{
    char text[API_TIME_LEN + 1];
    api_time_write(at, text);
    jw_plain(w, name, slice_make(text, API_TIME_LEN));
}

static bool is_one_of(struct slice key, const char *const *names)
{
    for (; names && *names; names++)
        if (slice_eq(key, slice_str(*names)))
            return true;
    return false;
}

void api_add_data(const struct api_request *r, struct slice echo, const char *const *skip,
                  struct buf *out)
{
    static const char *const ours[] = {"api", "function", "se", "se_type", NULL};
    struct slice se = api_path_middle(&r->path, 0), type = api_path_middle(&r->path, 1);
    struct json_cut c;
    struct slice key, value;
    struct json_write w = json_write_to(out);
    jw_open(&w, NULL, '{');
    jw_text(&w, "api", api_path_api(&r->path));
    jw_text(&w, "function", r->path.segments[r->path.function]);
    if (se.len)
        jw_text(&w, "se", se);
    if (type.len)
        jw_text(&w, "se_type", type);
    bool is_short = skip || echo.len <= API_OBJECT_MAX;
    if (is_short && json_cut_kind(echo) == '{' && json_cut_open(echo, &c)) {
        while (json_cut_next(&c, &key, &value)) {
            if (is_one_of(key, ours) || is_one_of(key, skip))
                continue;
            json_write_key(&w, key.ptr, key.len); /* still with its escapes */
            json_cut_compact(out, value);
        }
    }
    jw_close(&w, '}');
}

void api_write_origin(struct json_write *w, const char *name, const struct task *t)
{
    if (t->event.data.len) {
        jw_raw(w, name, t->event.data);
        return;
    }
    jw_open(w, name, '{');
    jw_str(w, "api", "in");
    jw_text(w, "function", t->event.source);
    struct slice type = t->event.engine, se = slice_cut(&type, ' ');
    if (se.len)
        jw_text(w, "se", se);
    if (type.len)
        jw_text(w, "se_type", type);
    jw_text(w, "id", t->event.id);
    jw_text_or_null(w, "tag", t->event.tag);
    jw_close(w, '}');
}
