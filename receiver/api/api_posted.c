/* Reads the fields of posted objects. */
#include "common/json/json.h"
#include "common/json/json_cut.h"
#include "receiver/api/api_private.h"

/* True if RAW begins like a value of TYPE. Other values are not parsed: the tree of a large array takes many times the
 * memory of its text. */
static bool looks_right(struct slice raw, enum api_type type)
{
    static const char *const first[] = {
        [TYPE_TEXT] = "\"", [TYPE_INT] = "-0123456789", [TYPE_BOOL] = "tf"};
    char kind = json_cut_kind(raw);
    return kind && strchr(first[type], kind);
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
    struct json_cut c;
    struct slice key;
    if (json_cut_count(r->json) > 1) {
        api_fail(r, CODE_ONE_TASK);
        return ENDED;
    }
    if (!json_cut_open(r->json, &c) || !json_cut_next(&c, &key, object) ||
        json_cut_kind(*object) != '{') {
        api_fail(r, CODE_INVALID_DATA);
        return ENDED;
    }
    return GO_ON;
}
