/* Reads what was posted: the body, its elements, and the fields of an object. */
#include "common/base/alloc.h"
#include "common/gzip/gzip.h"
#include "common/json/json.h"
#include "common/json/json_cut.h"
#include "common/json/json_scan.h"
#include "receiver/api/api_private.h"

/* --- the body --- */

static enum api_code inflate(struct api_request *r)
{
    struct slice wire = buf_slice(&r->body);
    r->json = wire;
    if (!gzip_is(wire))
        return CODE_OK;
    if (gzip_inflate_all(wire, &r->plain, NULL) != OK)
        return CODE_INVALID_DATA;
    r->json = buf_slice(&r->plain);
    return CODE_OK;
}

static void cut_elements(struct api_request *r)
{
    struct json_cut c;
    struct slice key;
    size_t most = r->count < API_TASKS_MAX ? r->count : API_TASKS_MAX;
    r->elements = xcalloc(most, sizeof *r->elements);
    bool ok = json_cut_open(r->json, &c);
    for (size_t i = 0; ok && i < most; i++)
        ok = json_cut_next(&c, &key, &r->elements[i]);
}

static enum api_code read_list(struct api_request *r)
{
    bool is_json = json_scan_accepts(r->json);
    r->json = json_cut_trim(r->json);
    if (!r->json.len)
        return CODE_EMPTY;
    if (!is_json || !json_cut_is_list(r->json, &r->count))
        return CODE_INVALID_DATA;
    if (r->count == 0)
        return CODE_EMPTY;
    cut_elements(r);
    return CODE_OK;
}

/* Its first bytes say whether it is gzip; Content-Encoding does not count. */
void api_body_read(struct api_request *r)
{
    r->fault = inflate(r);
    if (r->fault == CODE_OK)
        r->fault = read_list(r);
}

void api_body_default(struct api_request *r)
{
    r->count = 1;
    r->elements = xcalloc(1, sizeof *r->elements);
    r->elements[0] = SLICE_LIT("{}");
    r->fault = CODE_OK;
}

/* --- fields --- */

/* True if RAW begins like a value of TYPE and is not too long for one. Other values are not parsed: the tree of a large array
 * takes many times the memory of its text. */
static bool looks_right(struct slice raw, enum api_type type)
{
    static const struct {
        const char *first;
        size_t max;
    } looks[] = {[TYPE_TEXT] = {"\"", API_OBJECT_MAX},
                 [TYPE_INT] = {"-0123456789", 32},
                 [TYPE_BOOL] = {"tf", sizeof "false" - 1}};
    char kind = json_cut_kind(raw);
    return kind && raw.len <= looks[type].max && strchr(looks[type].first, kind);
}

struct api_field api_field_of(const struct json_member *member, enum api_type type)
{
    static const enum json_kind kinds[] = {
        [TYPE_TEXT] = JSON_STRING, [TYPE_INT] = JSON_INT, [TYPE_BOOL] = JSON_BOOL};
    struct api_field f = {0};
    struct error e;
    f.is_wrong = member->times > 1;
    f.is_null = json_cut_kind(member->value) == 'n';
    if (member->times == 0 || f.is_null || f.is_wrong)
        return f;
    if (!looks_right(member->value, type) || json_parse_received(member->value, &f.value, &e) != OK)
        f.is_wrong = true;
    else if (json_kind(f.value) != kinds[type])
        f.is_wrong = true;
    return f;
}

struct api_field api_field_read(struct slice object, const char *name, enum api_type type)
{
    struct json_member member = {.name = name};
    json_cut_members(object, &member, 1);
    return api_field_of(&member, type);
}

void api_field_clear(struct api_field *f)
{
    if (f->value)
        json_free(f->value);
    f->value = NULL;
}

struct slice api_field_text(const struct api_field *f)
{
    return f->value && !f->is_wrong ? json_string(f->value) : slice_make("", 0);
}

enum flow api_read_one(struct api_request *r, struct slice *object)
{
    if (r->count > 1) {
        api_fail(r, CODE_ONE_TASK);
        return ENDED;
    }
    *object = r->elements[0];
    if (json_cut_kind(*object) != '{') {
        api_fail(r, CODE_INVALID_DATA);
        return ENDED;
    }
    return GO_ON;
}
