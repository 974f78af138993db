/* The command dead: how many dead letters there are, by destination and reason. The receiver counts them in steps, and a group may
 * be in several of them. */
#include "cli/commands.h"

#include "common/base/alloc.h"
#include "common/base/json_write.h"
#include "common/base/map.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct group {
    char *destination, *reason, *newest, *newest_at;
    int64_t count;
};

struct groups {
    struct group *list;
    size_t count, cap;
    struct map places; /* id -> its group of the list, counted from 1 */
    int64_t seen;
};

static int64_t number_of(const struct json *object, const char *name)
{
    const struct json *value = cli_member(object, name);
    return json_kind(value) == JSON_INT ? json_int(value) : 0;
}

/* The group of ITEM; a new one if there is none yet. */
static struct group *group_of(struct groups *all, const struct json *item)
{
    struct slice id = cli_text(item, "id");
    size_t place = (size_t)(uintptr_t)map_get(&all->places, id);
    if (!place) {
        if (all->count == all->cap) {
            all->cap = all->cap ? 2 * all->cap : 64;
            all->list = xrealloc(all->list, all->cap, sizeof *all->list);
        }
        all->list[all->count++] =
            (struct group){.destination = xslicedup(cli_text(item, "destination")),
                           .reason = xslicedup(cli_text(item, "reason"))};
        place = all->count;
        map_set(&all->places, id, (void *)(uintptr_t)place);
    }
    return &all->list[place - 1];
}

/* Counts ITEM. Moments of one form are in the order of their texts. */
static void add_item(struct groups *all, const struct json *item)
{
    struct group *g = group_of(all, item);
    char *at = xslicedup(cli_text(item, "newest_at"));
    g->count += number_of(item, "count");
    if (g->newest_at && strcmp(at, g->newest_at) <= 0) {
        free(at);
        return;
    }
    free(g->newest);
    free(g->newest_at);
    g->newest = xslicedup(cli_text(item, "newest"));
    g->newest_at = at;
}

static void take_step(struct cli *c, void *ctx, const struct json *page)
{
    struct groups *all = ctx;
    const struct json *items = cli_member(page, "items");
    for (size_t i = 0; i < json_length(items); i++)
        add_item(all, json_at(items, i));
    all->seen += number_of(page, "seen");
    (void)c;
    if (isatty(STDERR_FILENO) && cli_text(page, "next").len)
        fprintf(stderr, "\r%lld dead letters so far ", (long long)all->seen);
}

static int by_count(const void *a, const void *b)
{
    const struct group *x = a, *y = b;
    if (x->count != y->count)
        return x->count < y->count ? 1 : -1;
    int order = strcmp(x->destination, y->destination);
    return order ? order : strcmp(x->reason, y->reason);
}

static void print_groups(const struct cli *c, struct groups *all)
{
    static const char *const columns[] = {"destination", "reason", "count", "died", "newest"};
    struct table t = table_new(columns, sizeof columns / sizeof *columns);
    qsort(all->list, all->count, sizeof *all->list, by_count);
    for (size_t i = 0; i < all->count; i++) {
        const struct group *g = &all->list[i];
        struct buf text;
        buf_init(&text, 64);
        table_add(&t, slice_str(g->destination), COLOR_NONE);
        table_add(&t, slice_str(*g->reason ? g->reason : "unknown"), COLOR_WARN);
        buf_add_i64(&text, g->count);
        table_add(&t, buf_slice(&text), COLOR_NONE);
        buf_reset(&text);
        show_add_age(&text, slice_str(g->newest_at), c->now);
        table_add(&t, buf_slice(&text), COLOR_NONE);
        table_add(&t, slice_str(g->newest), COLOR_NONE);
        buf_clear(&text);
    }
    table_print(&t, stdout, c->use_colors);
    table_clear(&t);
}

/* All steps as one answer. */
static void print_json(const struct groups *all)
{
    struct buf out;
    size_t at = 0;
    struct slice id;
    void *place;
    buf_init(&out, (size_t)1 << 30);
    struct json_write w = json_write_to(&out);
    jw_open(&w, NULL, '{');
    jw_open(&w, "items", '[');
    while (map_next(&all->places, &at, &id, &place)) {
        const struct group *g = &all->list[(uintptr_t)place - 1];
        jw_open(&w, NULL, '{');
        jw_text(&w, "id", id);
        jw_str(&w, "destination", g->destination);
        jw_text_or_null(&w, "reason", slice_str(g->reason));
        jw_int(&w, "count", g->count);
        jw_str(&w, "newest", g->newest);
        jw_str(&w, "newest_at", g->newest_at);
        jw_close(&w, '}');
    }
    jw_close(&w, ']');
    jw_null(&w, "next");
    jw_int(&w, "seen", all->seen);
    jw_close(&w, '}');
    printf("%s\n", out.ptr);
    buf_clear(&out);
}

int command_dead(struct cli *c)
{
    struct groups all = {0};
    struct cli silent = *c;
    silent.json = false;
    map_init(&all.places);
    int code = cli_each_page(&silent, "/api/dead", true, take_step, &all);
    if (code == EXIT_DONE && c->json)
        print_json(&all);
    else if (code == EXIT_DONE && all.count)
        print_groups(c, &all);
    else if (code == EXIT_DONE)
        printf("there are no dead letters\n");
    for (size_t i = 0; i < all.count; i++) {
        free(all.list[i].destination);
        free(all.list[i].reason);
        free(all.list[i].newest);
        free(all.list[i].newest_at);
    }
    map_clear(&all.places);
    free(all.list);
    return code;
}
