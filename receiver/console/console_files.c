#include "receiver/console/console_files.h"

#include "common/base/alloc.h"
#include "common/base/text.h"
#include "common/crypto/crypto.h"
#include "common/ops/ops.h"

#include <stdlib.h>

#define HTML "text/html; charset=utf-8"
#define SCRIPT "text/javascript; charset=utf-8"
#define STYLE "text/css; charset=utf-8"
#define PICTURE "image/svg+xml"

/* The symbol that CMake embeds, the file's name, its type. The page is the first. */
#define FILES(X)                                                                                   \
    X(index_html, "index.html", HTML)                                                              \
    X(style_css, "style.css", STYLE)                                                               \
    X(icon_svg, "icon.svg", PICTURE)                                                               \
    X(app_js, "app.js", SCRIPT)                                                                    \
    X(api_js, "api.js", SCRIPT)                                                                    \
    X(dom_js, "dom.js", SCRIPT)                                                                    \
    X(table_js, "table.js", SCRIPT)                                                                \
    X(text_js, "text.js", SCRIPT)                                                                  \
    X(login_js, "login.js", SCRIPT)                                                                \
    X(history_js, "history.js", SCRIPT)                                                            \
    X(now_js, "now.js", SCRIPT)                                                                    \
    X(columns_js, "columns.js", SCRIPT)                                                            \
    X(jobs_js, "jobs.js", SCRIPT)                                                                  \
    X(deliveries_js, "deliveries.js", SCRIPT)                                                      \
    X(delivery_js, "delivery.js", SCRIPT)                                                          \
    X(dead_js, "dead.js", SCRIPT)                                                                  \
    X(lanes_js, "lanes.js", SCRIPT)                                                                \
    X(sources_js, "sources.js", SCRIPT)                                                            \
    X(account_js, "account.js", SCRIPT)                                                            \
    X(accounts_js, "accounts.js", SCRIPT)                                                          \
    X(tasks_js, "tasks.js", SCRIPT)                                                                \
    X(settings_js, "settings.js", SCRIPT)

#define DECLARE(symbol, name, type)                                                                \
    extern const unsigned char asset_##symbol[];                                                   \
    extern const size_t asset_##symbol##_len;
FILES(DECLARE)

#define ROW(symbol, name, type) {name, type, asset_##symbol, &asset_##symbol##_len},
static const struct file {
    const char *name, *type;
    const unsigned char *bytes;
    const size_t *len;
} files[] = {FILES(ROW)};
#define COUNT (sizeof files / sizeof *files)

#define TAG_BYTES 16
#define TAG_LEN (2 * TAG_BYTES + 2) /* with its quotes */

struct console_files {
    char tags[COUNT][TAG_LEN]; /* ETags: digests of the bytes */
};

struct console_files *console_files_new(void)
{
    struct console_files *f = NEW(struct console_files);
    for (size_t i = 0; i < COUNT; i++) {
        unsigned char digest[DIGEST_MAX];
        digest_once(DIGEST_SHA256, slice_make((const char *)files[i].bytes, *files[i].len), digest);
        f->tags[i][0] = f->tags[i][TAG_LEN - 1] = '"';
        text_hex(digest, TAG_BYTES, f->tags[i] + 1);
    }
    return f;
}

void console_files_free(struct console_files *f)
{
    free(f);
}

/* The policy allows the page its own files and calls, and nothing else: no code in the page, no other host, no frame around
 * it. "no-cache" lets a browser keep a file, and makes it ask by the ETag whether it is still right. */
#define PAGE_HEADERS                                                                               \
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "           \
    "connect-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; "                \
    "form-action 'none'\r\n"                                                                       \
    "X-Content-Type-Options: nosniff\r\n"                                                          \
    "X-Frame-Options: DENY\r\n"                                                                    \
    "Referrer-Policy: no-referrer\r\n"                                                             \
    "Cross-Origin-Opener-Policy: same-origin\r\n"                                                  \
    "Cross-Origin-Resource-Policy: same-origin\r\n"                                                \
    "Cache-Control: no-cache\r\n"

/* WANTED is an If-None-Match. A proxy that compresses answers may have put W/ before the tag. */
static bool has_tag(struct slice wanted, struct slice tag)
{
    while (wanted.len) {
        struct slice one = slice_trim(slice_cut(&wanted, ','));
        if (slice_starts(one, SLICE_LIT("W/")))
            one = slice_skip(one, 2);
        if (slice_eq(one, tag) || slice_eq(one, SLICE_LIT("*")))
            return true;
    }
    return false;
}

static void answer_file(const struct console_files *f, size_t i, struct ops_call *c)
{
    char text[1024];
    struct buf headers = buf_over(text);
    struct slice tag = slice_make(f->tags[i], TAG_LEN);
    buf_add_str(&headers, PAGE_HEADERS "ETag: ");
    buf_add_slice(&headers, tag);
    buf_add_str(&headers, "\r\n");
    if (c->http && has_tag(http_header(c->http, "if-none-match", NULL), tag))
        ops_answer(c, 304, SLICE_LIT(""), buf_slice(&headers), SLICE_LIT(""));
    else
        ops_answer(c, 200, slice_str(files[i].type), buf_slice(&headers),
                   slice_make((const char *)files[i].bytes, *files[i].len));
}

void console_files_page(const struct console_files *f, struct ops_call *c)
{
    answer_file(f, 0, c);
}

void console_files_asset(const struct console_files *f, struct ops_call *c)
{
    for (size_t i = 1; i < COUNT; i++) {
        if (slice_eq(c->match.params[0], slice_str(files[i].name))) {
            answer_file(f, i, c);
            return;
        }
    }
    ops_error(c, 404, SLICE_LIT(""), "not_found", "there is no such file");
}
