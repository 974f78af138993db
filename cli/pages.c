/* The pages of a list: one after the other, or all as one JSON value. */
#include "cli/commands.h"

#include "common/json/json_cut.h"

#include <stdio.h>
#include <string.h>

/* Sets OUT to the path of the page that NEXT is the cursor of. */
static void set_page(struct buf *out, const char *path, struct slice next)
{
    buf_reset(out);
    buf_addf(out, "%s%ccursor=", path, strchr(path, '?') ? '&' : '?');
    buf_add_slice(out, next);
}

/* Prints BEFORE and the items of a page. Returns what stands before the items of the next page. */
static const char *print_items(struct slice page, const char *before)
{
    struct json_member items = {.name = "items"};
    json_cut_members(page, &items, 1);
    bool is_empty = items.value.len <= 2; /* [] */
    bool is_first = *before == '{';
    if (!is_empty || is_first)
        fputs(before, stdout);
    if (is_empty)
        return is_first ? "" : before;
    fwrite(items.value.ptr + 1, 1, items.value.len - 2, stdout);
    return ",";
}

/* Prints all pages of a list as one. */
static int print_pages(struct cli *c, const char *path)
{
    struct cli silent = *c;
    struct buf at;
    const char *before = "{\"items\":[";
    int code = EXIT_DONE;
    bool is_last = false;
    silent.json = false;
    buf_init(&at, 1 << 16);
    buf_add_str(&at, path);
    while (code == EXIT_DONE && !is_last) {
        struct client_answer answer;
        bool came = cli_fetch(c, at.ptr, NULL, &answer);
        struct json *doc = came ? cli_take(&silent, &answer) : NULL;
        struct slice next = cli_text(doc, "next");
        if (doc)
            before = print_items(buf_slice(&answer.body), before);
        code = doc ? EXIT_DONE : EXIT_FAILED;
        is_last = !next.len;
        set_page(&at, path, next);
        json_free(doc);
        client_answer_clear(&answer);
    }
    fputs(code == EXIT_DONE ? "],\"next\":null}\n" : "", stdout);
    buf_clear(&at);
    return code;
}

int cli_each_page(struct cli *c, const char *path, bool all,
                  void (*take)(struct cli *c, void *ctx, const struct json *page), void *ctx)
{
    struct buf at;
    if (all && c->json)
        return print_pages(c, path);
    buf_init(&at, 1 << 16);
    buf_add_str(&at, path);
    for (;;) {
        struct json *doc = cli_call(c, at.ptr, NULL);
        if (!doc) {
            buf_clear(&at);
            return EXIT_FAILED;
        }
        take(c, ctx, doc);
        bool is_enough = !all && (c->json || json_length(cli_member(doc, "items")) > 0);
        struct slice next = cli_text(doc, "next");
        set_page(&at, path, next);
        bool is_last = !next.len || is_enough;
        if (next.len && is_enough && !c->json)
            fprintf(stderr, "hookpace: there are more; add --all or --limit\n");
        json_free(doc);
        if (is_last)
            break;
    }
    buf_clear(&at);
    return EXIT_DONE;
}
