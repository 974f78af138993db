/* Three readers of JSON against each other: the stream (yajl), the strict check, json-c; and the
 * stream against itself, cut in other places. */
#include "common/json/json.h"
#include "common/json/json_check.h"
#include "common/json/json_cut.h"
#include "common/json/json_scan.h"
#include "common/json/json_text.h"
#include "tests/fuzz/fuzz.h"

static const char *const pointers[] = {"/id", "/tasks/0/id", "/a~1b/m~0n", "/tasks/1/id", ""};
enum { POINTERS = sizeof pointers / sizeof *pointers };

static struct json_picks *picks;

static bool scan(struct json_scan *s, struct slice text, uint32_t seed)
{
    struct fuzz_cuts cuts = {seed};
    struct error e;
    json_scan_reset(s, picks);
    while (text.len)
        if (json_scan_feed(s, fuzz_piece(&cuts, &text), &e) != OK)
            return false;
    return json_scan_end(s, &e) == OK;
}

/* A number that stands in several pieces is bounded; in one piece it is not. */
static bool has_long_number(struct slice text)
{
    size_t run = 0;
    for (size_t i = 0; i < text.len && run <= JSON_TEXT_NUMBER_MAX; i++)
        run = text.ptr[i] && strchr("0123456789+-.eE", text.ptr[i]) ? run + 1 : 0;
    return run > JSON_TEXT_NUMBER_MAX;
}

/* Why the strict check may refuse what the stream lets through: what only trees are hurt by. */
static bool is_stricter(const char *why)
{
    return strstr(why, "nested too deeply") || strstr(why, "stands twice") ||
           strstr(why, "U+0000 may not stand in a key");
}

static void same_picks(const struct json_scan *a, const struct json_scan *b)
{
    for (size_t i = 0; i < POINTERS; i++) {
        struct slice va = {0}, vb = {0};
        enum json_pick_state state = json_scan_pick(a, i, &va);
        INSIST(json_scan_pick(b, i, &vb) == state);
        INSIST(state != JSON_PICK_TEXT || (va.len <= JSON_SCAN_VALUE_MAX && slice_eq(va, vb)));
    }
}

static void same_value(const struct json_scan *s, size_t i, const struct json *want)
{
    struct slice text = {0};
    switch (json_scan_pick(s, i, &text)) {
    case JSON_PICK_MISSING:
        INSIST(json_kind(want) == JSON_NULL);
        break;
    case JSON_PICK_TEXT:
        if (json_kind(want) == JSON_STRING)
            INSIST(slice_eq(text, json_string(want)));
        else
            INSIST(json_kind(want) != JSON_NULL && json_kind(want) < JSON_ARRAY);
        break;
    case JSON_PICK_OTHER:
        INSIST(json_kind(want) >= JSON_ARRAY);
        break;
    case JSON_PICK_TOO_LONG:
        INSIST(json_kind(want) != JSON_STRING || json_string(want).len > JSON_SCAN_VALUE_MAX);
        break;
    case JSON_PICK_TWICE:
        INSIST(false); /* the strict check has refused it */
    }
}

/* The parts that json_cut finds are those of the tree, and each is a document of its own. */
static void same_parts(struct slice text, const struct json *want)
{
    struct json_cut c;
    struct slice key = {0}, part = {0};
    size_t n = 0;
    INSIST(json_cut_open(text, &c) == (json_kind(want) >= JSON_ARRAY));
    if (json_kind(want) < JSON_ARRAY)
        return;
    for (; json_cut_next(&c, &key, &part); n++) {
        const struct json *value = json_kind(want) == JSON_ARRAY ? json_at(want, n) : NULL;
        struct json *doc = NULL;
        INSIST(part.ptr >= text.ptr && part.ptr + part.len <= text.ptr + text.len);
        INSIST(json_parse(part, &doc, NULL) == OK);
        if (json_kind(want) == JSON_ARRAY)
            INSIST(json_kind(doc) == json_kind(value) && json_length(doc) == json_length(value));
        json_free(doc);
    }
    INSIST(n == json_length(want) && json_cut_count(text) == n);
}

static void compact(struct slice text)
{
    struct buf once, twice;
    buf_init(&once, text.len);
    buf_init(&twice, text.len);
    json_cut_compact(&once, text);
    INSIST(!once.failed && json_check(buf_slice(&once), NULL) == OK);
    json_cut_compact(&twice, buf_slice(&once));
    INSIST(slice_eq(buf_slice(&once), buf_slice(&twice)));
    buf_clear(&once);
    buf_clear(&twice);
}

/* On what is no JSON it tells nothing sensible, but ends. */
static void any_parts(struct slice text)
{
    struct buf out;
    unsigned times;
    buf_init(&out, 2 * text.len + 1);
    (void)json_cut_count(text);
    (void)json_cut_member(text, "id", &times);
    json_cut_compact(&out, text);
    buf_clear(&out);
}

static void same_tree(const struct json_scan *s, struct slice text)
{
    struct json *doc = NULL;
    struct error e;
    INSIST(json_parse(text, &doc, &e) == OK);
    const struct json *tasks = json_kind(doc) == JSON_OBJECT ? json_get(doc, "tasks") : NULL;
    const struct json *task[2] = {NULL, NULL};
    for (size_t i = 0; i < 2 && json_kind(tasks) == JSON_ARRAY && i < json_length(tasks); i++)
        task[i] = json_at(tasks, i);
    if (json_kind(doc) == JSON_OBJECT)
        same_value(s, 0, json_get(doc, "id"));
    same_value(s, 1, json_kind(task[0]) == JSON_OBJECT ? json_get(task[0], "id") : NULL);
    same_value(s, 3, json_kind(task[1]) == JSON_OBJECT ? json_get(task[1], "id") : NULL);
    same_value(s, 4, doc);
    same_parts(text, doc);
    compact(text);
    json_free(doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct json_scan *whole, *cut;
    struct slice text = slice_make(data, size);
    struct error e;
    if (!picks) {
        INSIST(json_picks_new(pointers, POINTERS, &picks, NULL) == OK);
        whole = json_scan_new(picks);
        cut = json_scan_new(picks);
    }
    bool long_number = has_long_number(text);
    bool ok = scan(whole, text, 0);
    for (uint32_t seed = 1; seed < 4; seed++) {
        bool again = scan(cut, text, seed * 40503u + (uint32_t)size);
        INSIST(again == ok || (ok && long_number));
        if (ok && again)
            same_picks(whole, cut);
    }
    enum err strict = json_check(text, &e);
    INSIST(strict != OK || ok);
    INSIST(strict == OK || !ok || is_stricter(e.text));
    any_parts(text);
    if (strict == OK)
        same_tree(whole, text);

    struct json_picks *some = NULL; /* the input as a pointer */
    char *z = strndup(size ? (const char *)data : "", size);
    const char *one = z;
    if (json_picks_new(&one, 1, &some, &e) == OK)
        json_picks_free(some);
    free(z);
    return 0;
}
