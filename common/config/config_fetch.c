#include "common/config/config_fetch.h"

#include "common/base/alloc.h"
#include "common/base/text.h"
#include "common/config/config_implied.h"
#include "common/crypto/crypto.h"

#include <stdlib.h>

#define URL_BYTES ((size_t)2 * URL_TEMPLATE_MAX)

char *config_ready_url(struct slice fetch_url)
{
    struct slice rest = fetch_url, path = slice_cut(&rest, '?');
    size_t at = 0;
    while (at < path.len && !slice_starts(slice_skip(path, at), SLICE_LIT("/task_get/")))
        at++;
    if (at == path.len)
        return NULL;
    struct buf url;
    buf_init(&url, URL_BYTES);
    buf_add(&url, path.ptr, at);
    buf_add_str(&url, "/tasks_ready");
    return buf_take(&url, NULL);
}

/* In a template that was found good every `$` before a letter begins a variable. */
static bool has_variable(const char *url)
{
    return strstr(url, "$id") || strstr(url, "$tag") || strstr(url, "$source");
}

static void build_url(struct builder *b, struct builder_path path, const char *text,
                      struct destination *d)
{
    struct error e;
    if (url_template_new(slice_str(text), &d->url, &e) != OK)
        builder_fault(b, path, e.text);
    else if (!strstr(text, "$id"))
        builder_fault(b, path, "must hold $id, where the id of the task goes");
}

/* RFC 7617 2; the text was found free of control characters. */
static char *basic_header(struct slice basic)
{
    struct buf line;
    buf_init(&line, 2 * basic.len + 16);
    buf_add_str(&line, "Basic ");
    char *to = buf_reserve(&line, 4 * ((basic.len + 2) / 3));
    buf_wrote(&line, text_base64(basic.ptr, basic.len, to));
    return buf_take(&line, NULL);
}

static void build_basic(struct builder *b, struct builder_path path, const char *text,
                        struct source *s)
{
    struct slice basic = slice_str(text);
    if (!text)
        return;
    if (!memchr(basic.ptr, ':', basic.len) || basic.ptr[0] == ':')
        builder_fault(b, path, "must be login:password");
    else
        s->fetch_authorization = basic_header(basic);
}

static void build_ready_url(struct builder *b, struct source *s, const struct draft_source *from)
{
    struct builder_path path = builder_path("sources.%s.tasks_ready_url", s->name);
    struct url_template *url = NULL;
    struct error e;
    if (builder_was_told(b, path) || builder_was_told(b, builder_path("sources.%s.fetch", s->name)))
        return;
    s->ready_url = from->tasks_ready_url ? xstrdup(from->tasks_ready_url)
                                         : config_ready_url(slice_str(from->fetch.url));
    if (!s->ready_url)
        builder_fault(b, path,
                      "is needed: it does not follow from fetch.url, which has no /task_get/");
    else if (url_template_new(slice_str(s->ready_url), &url, &e) != OK)
        builder_fault(b, path, e.text);
    else if (has_variable(s->ready_url))
        builder_fault(b, path, "must not hold $id, $tag or $source");
    url_template_free(url);
}

void config_build_fetch(struct builder *b, struct source *s, const struct draft_source *from)
{
    const struct draft_fetch *fetch = &from->fetch;
    struct builder_path reconcile = builder_path("sources.%s.reconcile_s", s->name);
    struct builder_path path = builder_path("sources.%s.fetch", s->name);
    if (fetch->state == DRAFT_ABSENT && from->reconcile_s > 0)
        builder_fault(b, reconcile, "needs `fetch`, which says how to get what is found");
    if (from->tasks_ready_url && from->reconcile_s < 0 && !builder_was_told(b, reconcile))
        builder_fault(b, builder_path("sources.%s.tasks_ready_url", s->name),
                      "is only asked where reconcile_s says how often");
    if (fetch->state != DRAFT_GIVEN)
        return;
    s->fetch = config_imply(b->c, DELIVERY_FETCH, s->name, NULL);
    s->fetch->source = s;
    build_url(b, builder_path("%s.url", path.text), fetch->url, s->fetch);
    build_basic(b, builder_path("%s.basic", path.text), fetch->basic, s);
    s->reconcile_ms = from->reconcile_s > 0 ? from->reconcile_s * 1000 : 0;
    if (s->reconcile_ms)
        build_ready_url(b, s, from);
}
