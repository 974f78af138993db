#include "receiver/api_path.h"

#include "common/base/text.h"
#include "common/webhook/ids.h"

#define TEXT_MAX 16384

static struct slice skip_slashes(struct slice s)
{
    while (s.len && s.ptr[0] == '/')
        s = slice_skip(s, 1);
    return s;
}

bool api_path_is(struct slice raw)
{
    struct slice rest = skip_slashes(raw);
    return rest.len < raw.len && slice_eq(slice_cut(&rest, '/'), SLICE_LIT("v3"));
}

static bool read_segment(struct slice raw, struct api_path *p)
{
    if (p->count == API_SEGMENTS_MAX)
        return false;
    size_t from = p->text.len;
    if (text_unpercent(&p->text, raw, false) != OK || p->text.failed)
        return false;
    struct slice s = slice_make(p->text.ptr + from, p->text.len - from);
    p->segments[p->count++] = s;
    return s.len <= ID_MAX + 4 && !text_has_control(s);
}

bool api_path_read(struct slice raw, struct api_path *p)
{
    *p = (struct api_path){0};
    buf_init(&p->text, TEXT_MAX);
    if (!buf_reserve(&p->text, raw.len + 1)) /* from here on it does not move */
        return false;
    for (struct slice rest = skip_slashes(raw); rest.len; rest = skip_slashes(rest))
        if (!read_segment(slice_cut(&rest, '/'), p))
            return false;
    return true;
}

void api_path_clear(struct api_path *p)
{
    buf_clear(&p->text);
}

/* The words after v3; "*" is one or more of any. */
struct route {
    const char *method;
    const char *api; /* NULL: any */
    bool has_middle; /* any path between */
    const char *function;
    unsigned after; /* most segments behind the function */
    enum api_call call;
};

static const struct route routes[] = {
    {"POST", "appendix", false, "webhook_resend", 0, API_WEBHOOK_RESEND},
    {"GET", "appendix", false, "webhook_delay", 0, API_WEBHOOK_DELAY},
    {"POST", "appendix", false, "webhook_delay", 0, API_WEBHOOK_DELAY_SET},
    {"GET", "appendix", false, "errors", 0, API_APPENDIX_ERRORS},
    {"GET", "appendix", false, "status", 0, API_APPENDIX_STATUS},
    {"GET", "appendix", false, "user_data", 0, API_USER_DATA},
    {"GET", "tasks", false, "count", 0, API_TASKS_COUNT},
    {"POST", NULL, true, "task_post", 0, API_TASK_POST},
    {"GET", NULL, true, "tasks_ready", 0, API_TASKS_READY},
    {"GET", NULL, true, "tasks_fixed", 0, API_TASKS_FIXED},
    {"GET", NULL, true, "task_get", 2, API_TASK_GET},
    {"POST", NULL, false, "errors", 0, API_ERRORS},
    {"POST", NULL, false, "id_list", 0, API_ID_LIST},
};

static bool is_kind(struct slice s)
{
    static const char *const kinds[] = {"regular", "advanced", "html", "json"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (slice_eq(s, slice_str(kinds[i])))
            return true;
    return false;
}

/* Where R's function stands in P, or 0. */
static size_t find_function(const struct route *r, const struct api_path *p)
{
    size_t last = p->count - 1;
    if (r->after) { /* task_get/<id> or task_get/<kind>/<id> */
        size_t at = last >= 4 && is_kind(p->segments[last - 1]) ? last - 2 : last - 1;
        return last > 1 && slice_eq(p->segments[at], slice_str(r->function)) ? at : 0;
    }
    return slice_eq(p->segments[last], slice_str(r->function)) ? last : 0;
}

enum api_call api_path_route(struct api_path *p, struct slice method)
{
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

bool api_path_is_plain(const struct api_path *p)
{
    for (size_t i = 1; i < p->function; i++) {
        struct slice s = p->segments[i];
        if (s.len > API_SEGMENT_MAX || !id_is_valid(s) || memchr(s.ptr, ':', s.len))
            return false;
    }
    return true;
}
