#include "dispatcher/pull/ready_list.h"

#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/base/map.h"
#include "common/gzip/gzip.h"
#include "common/json/json.h"
#include "common/json/json_cut.h"
#include "common/json/json_scan.h"
#include "common/webhook/ids.h"

#include <inttypes.h>
#include <stdlib.h>

#define CODE_ERRORS 40000 /* from here on */
#define VALUE_MAX                                                                                  \
    8192 /* bytes of a text or number, as it is written: more is none of those that are looked for */

/* Parses MEMBER if it is short and has KIND; else NULL. Trees of long values would take many times their memory. */
static struct json *read_value(const struct json_member *member, enum json_kind kind)
{
    struct json *value = NULL;
    if (member->times != 1 || member->value.len > VALUE_MAX ||
        json_cut_kind(member->value) == '[' || json_cut_kind(member->value) == '{' ||
        json_parse_received(member->value, &value, NULL) != OK)
        return NULL;
    if (json_kind(value) == kind)
        return value;
    json_free(value);
    return NULL;
}

static enum err check_code(const struct json_member *member, struct error *e)
{
    struct json *code = read_value(member, JSON_INT);
    if (!code)
        return fail(e, ERR_INVALID, "no envelope: it has no status_code");
    int64_t said = json_int(code);
    json_free(code);
    if (said >= CODE_ERRORS)
        return fail(e, ERR_INVALID, "status_code %" PRId64, said);
    return OK;
}

static void add_task(struct ready_list *l, struct map *seen, struct slice id, struct slice tag)
{
    if (!id_is_valid(id) || l->count == READY_LIST_MAX) {
        l->skipped++;
        return;
    }
    if (map_set(seen, id, l))
        return;
    if (!tag_is_valid(tag))
        tag.len = 0;
    l->tasks[l->count++] =
        (struct ready_task){slice_make(xslicedup(id), id.len), slice_make(xslicedup(tag), tag.len)};
}

static void add_entry(struct ready_list *l, struct map *seen, struct slice entry)
{
    struct json_member members[] = {{.name = "id"}, {.name = "tag"}};
    json_cut_members(entry, members, 2);
    struct json *id = read_value(&members[0], JSON_STRING);
    struct json *tag = read_value(&members[1], JSON_STRING);
    add_task(l, seen, json_string(id), tag ? json_string(tag) : SLICE_LIT(""));
    json_free(id);
    json_free(tag);
}

static void add_entries(struct ready_list *l, struct slice result)
{
    struct map seen;
    struct json_cut c;
    struct slice entry;
    map_init(&seen);
    l->tasks = xcalloc(READY_LIST_MAX, sizeof *l->tasks);
    bool ok = json_cut_open(result, &c);
    while (ok && json_cut_next(&c, NULL, &entry))
        add_entry(l, &seen, entry);
    map_clear(&seen);
}

/* The first element of the array TEXT; empty if there is none. */
static struct slice first_of(struct slice text)
{
    struct json_cut c;
    struct slice first;
    if (json_cut_kind(text) != '[' || !json_cut_open(text, &c) || !json_cut_next(&c, NULL, &first))
        return slice_make("", 0);
    return first;
}

static enum err read_envelope(struct ready_list *l, struct slice body, struct error *e)
{
    struct json_member outer[] = {{.name = "status_code"}, {.name = "tasks"}};
    struct json_member inner[] = {{.name = "status_code"}, {.name = "result"}};
    json_cut_members(body, outer, 2);
    enum err rc = check_code(&outer[0], e);
    if (rc != OK)
        return rc;
    struct slice task = first_of(outer[1].value);
    if (!task.len || outer[1].times != 1)
        return fail(e, ERR_INVALID, "no envelope: it has no tasks");
    json_cut_members(task, inner, 2);
    rc = check_code(&inner[0], e);
    if (rc != OK)
        return rc;
    char kind = json_cut_kind(inner[1].value);
    if (kind == '\0' || kind == 'n')
        return OK;
    if (kind != '[' || inner[1].times != 1)
        return fail(e, ERR_INVALID, "no envelope: its result is no array");
    add_entries(l, inner[1].value);
    return OK;
}

enum err ready_list_read(struct slice body, struct ready_list *out, struct error *e)
{
    struct buf plain;
    struct error ignored;
    buf_init(&plain, READY_INFLATED_MAX);
    *out = (struct ready_list){0};
    enum err rc = OK;
    if (gzip_is(body)) {
        rc = gzip_inflate_all(body, &plain, &ignored);
        body = buf_slice(&plain);
    }
    if (rc != OK)
        rc = fail(e, ERR_INVALID, "gzip that is damaged or too large");
    else if (!json_scan_accepts(body))
        rc = fail(e, ERR_INVALID, "not JSON");
    else
        rc = read_envelope(out, body, e);
    buf_clear(&plain);
    return rc;
}

void ready_list_clear(struct ready_list *l)
{
    for (size_t i = 0; i < l->count; i++) {
        free((char *)(uintptr_t)l->tasks[i].id.ptr);
        free((char *)(uintptr_t)l->tasks[i].tag.ptr);
    }
    free(l->tasks);
    *l = (struct ready_list){0};
}
