#include "cli/show.h"

#include "common/base/alloc.h"
#include "common/base/text.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CELL_MAX 4096

static const char *const escapes[] = {[COLOR_NONE] = "",
                                      [COLOR_GOOD] = "\033[32m",
                                      [COLOR_BAD] = "\033[31m",
                                      [COLOR_WARN] = "\033[33m",
                                      [COLOR_DIM] = "\033[2m"};

/* --- tables --- */

struct table table_new(const char *const *titles, size_t columns)
{
    return (struct table){.titles = titles, .columns = columns};
}

void table_add(struct table *t, struct slice text, enum show_color color)
{
    struct buf shown;
    buf_init(&shown, CELL_MAX);
    show_add_text(&shown, text);
    if ((t->count & (t->count - 1)) == 0) { /* full at each power of two */
        size_t cap = t->count ? 2 * t->count : 1;
        t->cells = xrealloc(t->cells, cap, sizeof *t->cells);
        t->colors = xrealloc(t->colors, cap, sizeof *t->colors);
    }
    t->cells[t->count] = xslicedup(buf_slice(&shown));
    t->colors[t->count++] = color;
    buf_clear(&shown);
}

void table_clear(struct table *t)
{
    for (size_t i = 0; i < t->count; i++)
        free(t->cells[i]);
    free(t->cells);
    free(t->colors);
    t->cells = NULL;
    t->count = 0;
}

/* In characters; wide ones count as one. */
static size_t width_of(const char *s)
{
    size_t n = 0;
    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

static void print_row(const struct table *t, const char *const *cells,
                      const enum show_color *colors, const size_t *widths, FILE *to)
{
    for (size_t i = 0; i < t->columns; i++) {
        size_t pad = i + 1 < t->columns ? widths[i] - width_of(cells[i]) + 2 : 0;
        const char *escape = escapes[colors ? colors[i] : COLOR_NONE];
        fprintf(to, "%s%s%s%*s", escape, cells[i], *escape ? "\033[0m" : "", (int)pad, "");
    }
    fputc('\n', to);
}

void table_print(const struct table *t, FILE *to, bool use_colors)
{
    size_t widths[SHOW_COLUMNS_MAX] = {0};
    for (size_t i = 0; i < t->columns; i++)
        widths[i] = width_of(t->titles[i]);
    for (size_t i = 0; i < t->count; i++) {
        size_t w = width_of(t->cells[i]), column = i % t->columns;
        if (w > widths[column])
            widths[column] = w;
    }
    print_row(t, t->titles, NULL, widths, to);
    for (size_t i = 0; i + t->columns <= t->count; i += t->columns)
        print_row(t, (const char *const *)t->cells + i, use_colors ? t->colors + i : NULL, widths,
                  to);
}

/* --- texts --- */

/* Marks that turn the direction, and separators of lines, as UTF-8: U+200E, 200F, 2028 to 202E, 2066 to 2069, FEFF; and the
 * controls U+0080 to 009F. */
static bool is_hidden(struct slice c)
{
    const unsigned char *p = (const unsigned char *)c.ptr;
    if (c.len == 2)
        return p[0] == 0xc2 && p[1] < 0xa0;
    if (c.len != 3)
        return false;
    if (p[0] == 0xe2 && p[1] == 0x80)
        return p[2] == 0x8e || p[2] == 0x8f || (p[2] >= 0xa8 && p[2] <= 0xae);
    return (p[0] == 0xe2 && p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9) ||
           (p[0] == 0xef && p[1] == 0xbb && p[2] == 0xbf);
}

void show_add_text(struct buf *out, struct slice text)
{
    while (text.len) {
        size_t n = text_utf8_width(text);
        struct slice c = slice_head(text, n ? n : 1);
        bool is_plain = n > 1 ? !is_hidden(c) : n == 1 && c.ptr[0] >= ' ' && c.ptr[0] != 0x7f;
        if (is_plain)
            buf_add_slice(out, c);
        for (size_t i = 0; !is_plain && i < c.len; i++)
            buf_addf(out, "\\x%02x", (unsigned char)c.ptr[i]);
        text = slice_skip(text, c.len);
    }
}

void show_add_value(struct buf *out, const struct json *value)
{
    switch (json_kind(value)) {
    case JSON_NULL:
        buf_add_char(out, '-');
        break;
    case JSON_BOOL:
        buf_add_str(out, json_bool(value) ? "yes" : "no");
        break;
    case JSON_INT:
        buf_add_i64(out, json_int(value));
        break;
    case JSON_DOUBLE:
        buf_addf(out, "%g", json_double(value));
        break;
    case JSON_STRING:
        show_add_text(out, json_string(value));
        break;
    case JSON_ARRAY:
    case JSON_OBJECT:
        buf_addf(out, "%zu", json_length(value));
        break;
    }
}

void show_add_age(struct buf *out, struct slice iso, wall_ms now)
{
    wall_ms at;
    if (!clock_read_iso(iso.ptr, iso.len, &at)) {
        buf_add_char(out, '-');
        return;
    }
    int64_t s = (now - at) / 1000;
    if (s < 0)
        buf_addf(out, "in %llds", (long long)-s);
    else if (s < 120)
        buf_addf(out, "%llds", (long long)s);
    else if (s < 7200)
        buf_addf(out, "%lldm", (long long)s / 60);
    else if (s < 172800)
        buf_addf(out, "%lldh", (long long)s / 3600);
    else
        buf_addf(out, "%lldd", (long long)s / 86400);
}

enum show_color show_state_color(struct slice state)
{
    if (slice_eq(state, SLICE_LIT("done")))
        return COLOR_GOOD;
    if (slice_eq(state, SLICE_LIT("dead")))
        return COLOR_BAD;
    return slice_eq(state, SLICE_LIT("retry")) ? COLOR_WARN : COLOR_NONE;
}

/* --- moments --- */

static bool read_clock_time(struct slice text, wall_ms now, wall_ms *at)
{
    uint64_t hours, minutes;
    struct slice rest = text, head = slice_cut(&rest, ':');
    if (text_u64(head, 23, &hours) != OK || rest.len != 2 || text_u64(rest, 59, &minutes) != OK)
        return false;
    time_t s = (time_t)(now / 1000);
    struct tm tm;
    localtime_r(&s, &tm);
    tm.tm_hour = (int)hours;
    tm.tm_min = (int)minutes;
    tm.tm_sec = 0;
    tm.tm_isdst = -1;
    time_t then = mktime(&tm);
    if (then > s) {
        tm.tm_mday--;
        tm.tm_isdst = -1;
        then = mktime(&tm);
    }
    *at = (wall_ms)then * 1000;
    return true;
}

static bool read_ago(struct slice text, wall_ms now, wall_ms *at)
{
    static const struct {
        char letter;
        int64_t ms;
    } units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', 86400000}};
    uint64_t n;
    if (text.len < 2 || text_u64(slice_head(text, text.len - 1), 100000, &n) != OK)
        return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (units[i].letter != text.ptr[text.len - 1])
            continue;
        *at = now - (wall_ms)n * units[i].ms;
        return true;
    }
    return false;
}

/* Milliseconds since 1970, up to the year 2286. A number of fewer digits has lost its unit, or has seconds. */
static bool read_ms(struct slice text, wall_ms *at)
{
    uint64_t ms;
    if (text.len != strlen("1795984771173") || text_u64(text, UINT64_C(9999999999999), &ms) != OK)
        return false;
    *at = (wall_ms)ms;
    return true;
}

bool show_read_moment(struct slice text, wall_ms now, wall_ms *at)
{
    return read_ms(text, at) || read_ago(text, now, at) || read_clock_time(text, now, at) ||
           clock_read_iso(text.ptr, text.len, at);
}
