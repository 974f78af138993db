#include "dispatcher/pull/ready_list.h"

#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/base/map.h"
#include "common/gzip/gzip.h"
#include "common/json/json.h"
#include "common/webhook/ids.h"

#include <inttypes.h>
#include <stdlib.h>

#define CODE_ERRORS 40000 /* from here on */

static enum err check_code(const struct json *object, struct error *e)
{
    const struct json *code = json_get(object, "status_code");
    if (json_kind(code) != JSON_INT)
        return fail(e, ERR_INVALID, "no envelope: it has no status_code");
    if (json_int(code) >= CODE_ERRORS)
        return fail(e, ERR_INVALID, "status_code %" PRId64, json_int(code));
    return OK;
}

static void ready_list_add(struct ready_list *l, struct map *seen, const struct json *entry)
{
    struct slice id = json_string(json_get(entry, "id")), tag = json_string(json_get(entry, "tag"));
    if (!id_is_valid(id) || l->count == READY_LIST_MAX) {
        l->skipped++;
        return;
    }
    if (map_set(seen, id, l))
        return;
    l->tasks[l->count++] = (struct ready_task){id, tag_is_valid(tag) ? tag : SLICE_LIT("")};
}

static enum err read_document(struct ready_list *l, struct error *e)
{
    const struct json *tasks = json_get(l->document, "tasks"), *task = NULL;
    enum err rc = check_code(l->document, e);
    if (rc == OK && (json_kind(tasks) != JSON_ARRAY || json_length(tasks) == 0))
        rc = fail(e, ERR_INVALID, "no envelope: it has no tasks");
    if (rc == OK)
        rc = check_code(task = json_at(tasks, 0), e);
    if (rc != OK)
        return rc;
    const struct json *result = json_get(task, "result");
    if (json_kind(result) == JSON_NULL)
        return OK;
    if (json_kind(result) != JSON_ARRAY)
        return fail(e, ERR_INVALID, "no envelope: its result is no array");
    struct map seen;
    map_init(&seen);
    l->tasks = xcalloc(READY_LIST_MAX, sizeof *l->tasks);
    for (size_t i = 0; i < json_length(result); i++)
        ready_list_add(l, &seen, json_at(result, i));
    map_clear(&seen);
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
    else if (json_parse_received(body, &out->document, &ignored) != OK)
        rc = fail(e, ERR_INVALID, "not JSON");
    else
        rc = read_document(out, e);
    buf_clear(&plain);
    return rc;
}

void ready_list_clear(struct ready_list *l)
{
    free(l->tasks);
    json_free(l->document);
    *l = (struct ready_list){0};
}
