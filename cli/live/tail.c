/* The command that prints what happens, as it happens. */
#include "cli/live/follow.h"

#include <time.h>

#define LINE_MAX_BYTES ((size_t)1 << 20)

static void add_text(struct buf *out, const struct json *doc, const char *name)
{
    const struct json *value = json_get(doc, name);
    if (json_kind(value) == JSON_STRING && json_string(value).len) {
        buf_add_str(out, "  ");
        show_add_text(out, json_string(value));
    }
}

/* The time of day, in the local zone. */
static void add_time(struct buf *out, const struct json *doc)
{
    wall_ms at;
    struct slice iso = json_string(json_get(doc, "at"));
    char text[16] = "--:--:--";
    struct tm tm;
    if (clock_read_iso(iso.ptr, iso.len, &at)) {
        time_t s = (time_t)(at / 1000);
        localtime_r(&s, &tm);
        strftime(text, sizeof text, "%H:%M:%S", &tm);
    }
    buf_add_str(out, text);
}

static void add_attempt(struct buf *out, const struct json *doc)
{
    int64_t status = json_int(json_get(doc, "status"));
    if (status)
        buf_addf(out, "  %lld", (long long)status);
    add_text(out, doc, "error");
    buf_addf(out, "  %lld ms", (long long)json_int(json_get(doc, "ms")));
    add_text(out, doc, "state");
}

static void print_fact(const struct cli *c, const struct json *doc)
{
    struct slice type = json_string(json_get(doc, "type"));
    bool is_dead = slice_eq(type, SLICE_LIT("dead"));
    struct buf out;
    buf_init(&out, LINE_MAX_BYTES);
    add_time(&out, doc);
    add_text(&out, doc, "type");
    if (slice_eq(type, SLICE_LIT("dropped"))) {
        buf_addf(&out, "  %lld more were left out", (long long)json_int(json_get(doc, "dropped")));
    } else {
        add_text(&out, doc, "id");
        add_text(&out, doc, "source");
        if (slice_eq(type, SLICE_LIT("accepted"))) {
            if (json_bool(json_get(doc, "duplicate")))
                buf_add_str(&out, "  duplicate");
        } else {
            add_attempt(&out, doc);
        }
        add_text(&out, doc, "tag");
    }
    if (is_dead && c->use_colors)
        printf("\x1b[31m%s\x1b[0m\n", out.ptr);
    else
        printf("%s\n", out.ptr);
    buf_clear(&out);
}

static void on_fact(void *ctx, const struct json *doc, struct slice line)
{
    const struct cli *c = ctx;
    if (c->json)
        printf("%.*s\n", SLICE_FMT(line));
    else
        print_fact(c, doc);
}

int command_tail(struct cli *c)
{
    struct follow_events events = {.fact = on_fact, .ctx = c};
    return follow_run(c, &events);
}
