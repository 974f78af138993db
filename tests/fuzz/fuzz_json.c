/* The two readers of JSON against each other: our scanner and json-c. And the scanner against itself: the same document
 * cut in other places must give the same verdict, the same error at the same byte, and the same values. */
#include "common/json/json.h"
#include "common/json/json_cut.h"
#include "common/json/json_events.h"
#include "common/json/json_scan.h"
#include "tests/fuzz/fuzz.h"

static const char *const pointers[] = {"/id", "/tasks/0/id", "/a~1b/m~0n", "/tasks/1/id", ""};
enum { POINTERS = sizeof pointers / sizeof *pointers };

static struct json_picks *picks;

static bool scan(struct json_scan *s, struct slice text, uint32_t seed, struct error *e)
{
    struct fuzz_cuts cuts = {seed};
    json_scan_reset(s, picks);
    e->text[0] = 0;
    while (text.len)
        if (json_scan_feed(s, fuzz_piece(&cuts, &text), e) != OK)
            return false;
    return json_scan_end(s, e) == OK;
}

/* Why a tree may be refused although the body is accepted. */
static bool is_stricter(const char *why)
{
    return strstr(why, "nested too deeply") || strstr(why, "has this key twice") ||
           strstr(why, "U+0000 is not allowed in a key") ||
           strstr(why, "half of a surrogate pair") || strstr(why, "a byte order mark");
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
        INSIST(false); /* the tree was refused then */
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
    INSIST(!once.failed && json_scan_accepts(buf_slice(&once)));
    json_cut_compact(&twice, buf_slice(&once));
    INSIST(slice_eq(buf_slice(&once), buf_slice(&twice)));
    buf_clear(&once);
    buf_clear(&twice);
}

/* In a text that is not JSON a walk finds some parts or none, and ends. */
static void any_parts(struct slice text)
{
    struct buf out;
    size_t count;
    buf_init(&out, 2 * text.len + 1);
    (void)json_cut_count(text);
    (void)json_cut_is_list(text, &count);
    (void)json_cut_member(text, "id");
    json_cut_compact(&out, text);
    buf_clear(&out);
}

static void same_tree(const struct json_scan *s, struct slice text, const struct json *doc)
{
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
}

/* Half a surrogate pair and a byte order mark are all that the lenient rules accept besides. */
static void lenient(struct slice text, bool ok)
{
    static const struct json_rules rules = {.depth = JSON_DEPTH_MAX, .is_lenient = true};
    struct json_events events;
    json_events_start(&events, &rules, -1, NULL);
    bool accepted = json_events_next(&events, &text) == JSON_EVENT_NONE &&
                    json_events_finish(&events) == JSON_EVENT_NONE;
    INSIST(accepted || !ok);
}

static void one_pointer(struct slice text)
{
    struct json_picks *some = NULL;
    char *z = strndup(text.len ? text.ptr : "", text.len);
    const char *one = z;
    if (json_picks_new(&one, 1, &some, NULL) == OK)
        json_picks_free(some);
    free(z);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct json_scan *whole, *cut;
    struct slice text = slice_make(data, size);
    struct error e, again;
    struct json *doc = NULL;
    if (!picks) {
        INSIST(json_picks_new(pointers, POINTERS, &picks, NULL) == OK);
        whole = json_scan_new(picks);
        cut = json_scan_new(picks);
    }
    bool ok = scan(whole, text, 0, &e);
    for (uint32_t seed = 1; seed < 4; seed++) {
        INSIST(scan(cut, text, seed * 40503u + (uint32_t)size, &again) == ok);
        INSIST(strcmp(e.text, again.text) == 0);
        if (ok)
            same_picks(whole, cut);
    }
    INSIST(json_scan_accepts(text) == ok);
    lenient(text, ok);
    enum err strict = json_parse(text, &doc, &e);
    INSIST(strict != OK || ok);
    INSIST(strict == OK || !ok || is_stricter(e.text));
    any_parts(text);
    if (strict == OK)
        same_tree(whole, text, doc);
    json_free(doc);
    one_pointer(text);
    return 0;
}
