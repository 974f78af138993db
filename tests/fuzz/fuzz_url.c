/* URL templates and the requests made from them. Wherever the values come from, the request goes to the configured
 * scheme, host and port, as libcurl reads the URL. No header line is broken. */
#include "common/base/text.h"
#include "common/webhook/companion.h"
#include "common/webhook/ids.h"
#include "common/webhook/url_template.h"
#include "dispatcher/engine/request.h"
#include "tests/fuzz/fuzz.h"

#include <curl/curl.h>

static void part(CURLU *u, CURLUPart what, char out[512], unsigned flags)
{
    char *text = NULL;
    out[0] = 0;
    if (curl_url_get(u, what, &text, flags) == CURLUE_OK)
        snprintf(out, 512, "%s", text);
    curl_free(text);
}

/* The origin that libcurl would connect to. False where it does not take the URL at all. */
static bool origin_by_curl(const char *url, char out[2048])
{
    CURLU *u = curl_url();
    char scheme[512], host[512], port[512], user[512], fragment[512];
    bool ok = curl_url_set(u, CURLUPART_URL, url, CURLU_PATH_AS_IS) == CURLUE_OK;
    if (ok) {
        part(u, CURLUPART_SCHEME, scheme, 0);
        part(u, CURLUPART_HOST, host, 0);
        part(u, CURLUPART_PORT, port, CURLU_DEFAULT_PORT);
        part(u, CURLUPART_USER, user, 0);
        part(u, CURLUPART_FRAGMENT, fragment, 0);
        INSIST(!user[0] && !fragment[0]);
        snprintf(out, 2048, "%s://%s:%s", scheme, host, port);
    }
    curl_url_cleanup(u);
    return ok;
}

static bool is_dots(struct slice segment)
{
    struct buf plain;
    buf_init(&plain, 8192);
    bool dots = text_unpercent(&plain, segment, false) == OK &&
                (slice_eq(buf_slice(&plain), SLICE_LIT(".")) ||
                 slice_eq(buf_slice(&plain), SLICE_LIT("..")));
    buf_clear(&plain);
    return dots;
}

/* "https://host:port" of URL. */
static struct slice origin_of(struct slice url)
{
    size_t n = 0;
    for (unsigned slashes = 0; n < url.len; n++)
        if (url.ptr[n] == '/' && ++slashes == 3)
            break;
    return slice_head(url, n);
}

static void check_url(const struct url_template *t, const struct buf *url)
{
    struct buf harmless;
    buf_init(&harmless, 1 << 16);
    struct url_vars vars = {.id = SLICE_LIT("x"), .tag = SLICE_LIT("x"), .source = SLICE_LIT("x")};
    INSIST(url_template_expand(t, &vars, &harmless) == OK);
    struct slice all = buf_slice(url), origin = origin_of(buf_slice(&harmless));
    char want[2048], got[2048];
    INSIST(slice_starts(all, origin) && all.len > origin.len && all.ptr[origin.len] == '/');
    for (size_t i = 0; i < all.len; i++)
        INSIST(all.ptr[i] > ' ' && all.ptr[i] < 0x7f && !strchr("#\\\"<>^`{|}", all.ptr[i]));
    struct slice path = slice_skip(all, origin.len);
    path = slice_cut(&path, '?');
    while (path.ptr)
        INSIST(!is_dots(slice_cut(&path, '/')));
    char *bare = strndup(origin.ptr, origin.len);
    if (origin_by_curl(bare, want))
        INSIST(origin_by_curl(url->ptr, got) && strcmp(want, got) == 0);
    free(bare);
    buf_clear(&harmless);
}

static void check_lines(struct slice lines)
{
    while (lines.len) {
        struct slice line = slice_cut(&lines, '\n');
        INSIST(lines.ptr && line.len > 3 && line.ptr[line.len - 1] == '\r');
        INSIST(!memchr(line.ptr, '\r', line.len - 1) && !memchr(line.ptr, 0, line.len));
        INSIST(memchr(line.ptr, ':', line.len));
    }
}

static void build(const struct url_template *t, const struct url_vars *vars, struct slice in)
{
    static struct scheme *sign;
    const char *secret = "a-secret-of-the-fuzzer";
    struct scheme_spec spec = {
        .name = "slack", .tolerance_s = -1, .secrets = {secret}, .secret_count = 1};
    if (!sign)
        INSIST(scheme_new(&spec, &sign, NULL) == OK);
    unsigned flags = fuzz_byte(&in);
    struct request_rules rules = {.url = t,
                                  .kind = flags & 1 ? DELIVERY_PINGBACK : DELIVERY_POSTBACK,
                                  .gzip = (enum gzip_mode)((flags >> 1) % 3),
                                  .headers = SLICE_LIT("X-Team: seo\r\n"),
                                  .sign = flags & 8 ? sign : NULL,
                                  .inflated_max = 1 << 16};
    struct event e = {.id = vars->id,
                      .tag = vars->tag,
                      .source = vars->source,
                      .content_type = SLICE_LIT("text/plain"),
                      .headers = SLICE_LIT("X-Team: theirs\r\nX-Slack-Signature: v0=0\r\n"),
                      .received_at = 1763691349123,
                      .has_body = !(flags & 16),
                      .body = in};
    struct request_input input = {.event = &e,
                                  .delivery_id = SLICE_LIT("id:to"),
                                  .message_id = SLICE_LIT("id"),
                                  .attempt = 1,
                                  .now = 1763691349123,
                                  .made_max = SIZE_MAX};
    struct request r;
    request_init(&r);
    if (request_build(&rules, &input, &r) == REQUEST_OK) {
        check_url(t, &r.url);
        check_lines(buf_slice(&r.headers));
        INSIST(!memmem(r.headers.ptr, r.headers.len, "theirs", 6));
        INSIST(!rules.sign || !memmem(r.headers.ptr, r.headers.len, "v0=0\r", 5));
        if (rules.kind == DELIVERY_POSTBACK && e.has_body && rules.gzip == GZIP_KEEP)
            INSIST(slice_eq(r.body, in));
    }
    request_clear(&r);
}

static bool keeps(struct slice name, const char *const *keep, size_t count,
                  const struct scheme *scheme)
{
    const struct companion_rules rules = {.keep = keep, .keep_count = count, .scheme = scheme};
    return companion_keeps(name, &rules);
}

static void companions(struct slice name, struct slice pattern)
{
    char *z = strndup(pattern.len ? pattern.ptr : "", pattern.len);
    const char *keep[] = {z};
    static const char *const never[] = {
        "host",          "content-length", "transfer-encoding", "connection",
        "authorization", "cookie",         "hookpace-delivery"};
    (void)keeps(name, NULL, 0, NULL);
    (void)keeps(name, keep, 1, NULL);
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        INSIST(!keeps(slice_str(never[i]), keep, 1, NULL));
    free(z);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_make(data, size);
    struct slice text = fuzz_line(&in);
    struct url_vars vars = {.id = fuzz_line(&in), .tag = fuzz_line(&in), .source = fuzz_line(&in)};
    struct url_template *t = NULL;
    struct error e;
    struct buf url;
    companions(text, vars.id);
    if (url_template_new(text, &t, &e) != OK) {
        INSIST(e.text[0]);
        return 0;
    }
    buf_init(&url, 64 * 1024);
    if (url_template_expand(t, &vars, &url) == OK)
        check_url(t, &url);
    else
        INSIST(url.len == 0);
    buf_clear(&url);
    if (id_is_valid(vars.id) && tag_is_valid(vars.tag) && name_is_valid(vars.source))
        build(t, &vars, in);
    url_template_free(t);
    return 0;
}
