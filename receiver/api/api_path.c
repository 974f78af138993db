#include "receiver/api/api_path.h"

#include "common/base/text.h"
#include "common/webhook/ids.h"

#define TEXT_MAX 16384
#define WORD_MAX 128 /* bytes of a segment that is no id */

static struct slice skip_slashes(struct slice s)
{
    while (s.len && s.ptr[0] == '/')
        s = slice_skip(s, 1);
    return s;
}

static bool read_segment(struct slice raw, struct api_path *p)
{
    if (p->count == API_SEGMENTS_MAX)
        return false;
    size_t from = p->text.len;
    if (text_unpercent(&p->text, raw, false) != OK || p->text.failed)
        return false;
    p->segments[p->count++] = slice_make(p->text.ptr + from, p->text.len - from);
    return true;
}

static bool is_word(struct slice s)
{
    return s.len <= WORD_MAX && !text_has_control(s);
}

bool api_path_read(struct slice raw, struct api_path *p)
{
    *p = (struct api_path){0};
    buf_init(&p->text, TEXT_MAX);
    if (!buf_reserve(&p->text, raw.len + 1)) /* room for all: the bytes must not move */
        return false;
    for (struct slice rest = skip_slashes(raw); rest.len; rest = skip_slashes(rest))
        if (!read_segment(slice_cut(&rest, '/'), p))
            return false;
    for (size_t i = 0; i + 1 < p->count;
         i++) /* the last one may be an id, which has its own rules */
        if (!is_word(p->segments[i]))
            return false;
    return true;
}

void api_path_clear(struct api_path *p)
{
    buf_clear(&p->text);
}

/* A path is /v3/API[/..]/FUNCTION[/../ID]. */
struct route {
    const char *method;
    const char *api; /* NULL: any */
    bool has_middle; /* any segments may be between the API and the function */
    const char *function;
    bool has_id; /* an id follows the function, with any segments between */
    enum api_call call;
};

static const struct route routes[] = {
    {"POST", "appendix", false, "webhook_resend", false, API_WEBHOOK_RESEND},
    {"GET", "appendix", false, "webhook_delay", false, API_WEBHOOK_DELAY},
    {"POST", "appendix", false, "webhook_delay", false, API_WEBHOOK_DELAY_SET},
    {"GET", "appendix", false, "webhook_settings", false, API_WEBHOOK_SETTINGS},
    {"POST", "appendix", false, "webhook_settings", false, API_WEBHOOK_SETTINGS_SET},
    {"POST", "appendix", false, "webhook_secret", false, API_WEBHOOK_SECRET},
    {"GET", "appendix", false, "errors", false, API_APPENDIX_ERRORS},
    {"GET", "appendix", false, "status", false, API_APPENDIX_STATUS},
    {"GET", "appendix", false, "user_data", false, API_USER_DATA},
    {"GET", "tasks", false, "count", false, API_TASKS_COUNT},
    {"POST", "tasks", false, "take", false, API_TASKS_TAKE},
    {"POST", "tasks", false, "complete", false, API_TASKS_COMPLETE},
    {"POST", NULL, true, "task_post", false, API_TASK_POST},
    {"GET", NULL, true, "tasks_ready", false, API_TASKS_READY},
    {"GET", NULL, true, "tasks_fixed", false, API_TASKS_FIXED},
    {"GET", NULL, true, "task_get", true, API_TASK_GET},
    {"POST", NULL, false, "errors", false, API_ERRORS},
    {"POST", NULL, false, "id_list", false, API_ID_LIST},
};

/* The number of the segment that is R's function, or 0. */
static size_t find_function(const struct route *r, const struct api_path *p)
{
    size_t at = p->count - 1;
    if (r->has_id)
        while (--at > 1 && !slice_eq(p->segments[at], slice_str(r->function)))
            ;
    return slice_eq(p->segments[at], slice_str(r->function)) ? at : 0;
}

enum api_call api_path_route(struct api_path *p, struct slice method)
{
    if (slice_eq(method, SLICE_LIT("HEAD")))
        method = SLICE_LIT("GET");
    for (size_t i = 0; p->count >= 3 && i < sizeof routes / sizeof *routes; i++) {
        const struct route *r = &routes[i];
        if (!slice_eq(method, slice_str(r->method)) ||
            (r->api && !slice_eq(p->segments[1], slice_str(r->api))))
            continue;
        size_t at = find_function(r, p);
        if (at < 2 || (!r->has_middle && at != 2))
            continue;
        p->function = at;
        return r->call;
    }
    return API_NOTHING;
}

struct slice api_path_api(const struct api_path *p)
{
    return p->count > 1 ? p->segments[1] : slice_make("", 0);
}

struct slice api_path_middle(const struct api_path *p, size_t i)
{
    return 2 + i < p->function ? p->segments[2 + i] : slice_make("", 0);
}

void api_path_add(const struct api_path *p, struct buf *out)
{
    for (size_t i = 1; i < p->function; i++) {
        if (i > 1)
            buf_add_char(out, '/');
        buf_add_slice(out, p->segments[i]);
    }
}

/* [A-Za-z0-9._-]{1,}, and no dot segment. */
static bool is_plain(struct slice s)
{
    if (s.len == 0 || s.len > WORD_MAX || slice_eq(s, SLICE_LIT(".")) ||
        slice_eq(s, SLICE_LIT("..")))
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] != '.' && !name_is_valid(slice_make(s.ptr + i, 1)))
            return false;
    return true;
}

bool api_path_is_plain(const struct api_path *p)
{
    for (size_t i = 1; i < p->function; i++) {
        struct slice s = p->segments[i];
        if (s.len > API_SEGMENT_MAX || !is_plain(s))
            return false;
    }
    return true;
}
