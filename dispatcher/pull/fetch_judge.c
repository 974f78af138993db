#include "dispatcher/pull/fetch_judge.h"

#include "common/base/alloc.h"
#include "common/base/text.h"
#include "common/gzip/gzip.h"

#include <assert.h>
#include <stdlib.h>

enum pick { PICK_CODE, PICK_TASK_CODE, PICK_TAG, PICK_SE, PICK_SE_TYPE, PICK_COUNT };
static const char *const pointers[PICK_COUNT] = {
    [PICK_CODE] = "/status_code",
    [PICK_TASK_CODE] = "/tasks/0/status_code",
    [PICK_TAG] = "/tasks/0/data/tag",
    [PICK_SE] = "/tasks/0/data/se",
    [PICK_SE_TYPE] = "/tasks/0/data/se_type",
};

struct fetch_judge { /* Owned by its maker; fetch_judge_free. */
    struct fetch_judge_rules rules;
    struct slice rest; /* of the body, not looked at yet */
    struct json_scan *scan;
    struct gzip_inflate *inflate; /* NULL for a plain body */
    bool is_json;                 /* so far */
    enum attempt_end fault;       /* END_NONE: none so far */
};

struct json_picks *fetch_judge_picks(void)
{
    struct json_picks *picks = NULL;
    enum err rc = json_picks_new(pointers, PICK_COUNT, &picks, NULL);
    assert(rc == OK);
    (void)rc;
    return picks;
}

struct fetch_judge *fetch_judge_new(const struct json_picks *picks, struct slice body,
                                    const struct fetch_judge_rules *rules)
{
    struct fetch_judge *j = NEW(struct fetch_judge);
    j->rules = *rules;
    j->rest = body;
    j->scan = json_scan_new(picks);
    j->inflate = gzip_is(body) ? gzip_inflate_new(rules->inflated_max) : NULL;
    j->is_json = true;
    return j;
}

void fetch_judge_free(struct fetch_judge *j)
{
    if (!j)
        return;
    json_scan_free(j->scan);
    gzip_inflate_free(j->inflate);
    free(j);
}

static enum err judge_look(void *ctx, struct slice plain)
{
    struct fetch_judge *j = ctx;
    if (j->is_json)
        j->is_json = json_scan_feed(j->scan, plain, NULL) == OK;
    return OK;
}

static bool judge_look_inflated(struct fetch_judge *j, size_t most)
{
    struct error e;
    enum err rc = gzip_inflate_some(j->inflate, &j->rest, most, judge_look, j, &e);
    bool over = !j->rest.len && !gzip_inflate_is_full(j->inflate);
    if (rc == OK && over)
        rc = gzip_inflate_end(j->inflate, &e);
    if (rc != OK)
        j->fault = rc == ERR_TOO_BIG ? END_TOO_LARGE : END_BAD_RESULT;
    return over || rc != OK;
}

bool fetch_judge_some(struct fetch_judge *j, size_t most)
{
    if (j->inflate)
        return judge_look_inflated(j, most);
    struct slice piece = slice_make(j->rest.ptr, j->rest.len < most ? j->rest.len : most);
    j->rest = slice_skip(j->rest, piece.len);
    (void)judge_look(j, piece);
    return !j->rest.len || !j->is_json;
}

/* 0 where there is none. */
static int judge_code(const struct fetch_judge *j, enum pick pick)
{
    struct slice text;
    uint64_t code = 0;
    if (json_scan_pick(j->scan, pick, &text) != JSON_PICK_TEXT ||
        text_u64(text, 99999, &code) != OK)
        return 0;
    return (int)code;
}

struct fetch_verdict fetch_judge_end(struct fetch_judge *j)
{
    if (j->fault)
        return (struct fetch_verdict){.end = j->fault};
    if (j->is_json)
        j->is_json = json_scan_end(j->scan, NULL) == OK;
    if (!j->is_json)
        return (struct fetch_verdict){.end = j->rules.must_be_json ? END_BAD_RESULT : END_ANSWERED};
    int code = judge_code(j, PICK_TASK_CODE);
    if (!code) /* an error of the whole request: no tasks */
        code = judge_code(j, PICK_CODE);
    if (code == FETCH_CODE_HANDED || code == FETCH_CODE_QUEUED)
        return (struct fetch_verdict){.end = END_NOT_READY, .code = code};
    return (struct fetch_verdict){.end = code >= FETCH_CODE_ERRORS ? END_NO_RESULT : END_ANSWERED,
                                  .code = code};
}

/* Empty where there is none. */
static struct slice judge_text(const struct fetch_judge *j, enum pick pick)
{
    struct slice text;
    if (!j->is_json || json_scan_pick(j->scan, pick, &text) != JSON_PICK_TEXT)
        return SLICE_LIT("");
    return text;
}

struct slice fetch_judge_tag(const struct fetch_judge *j)
{
    return judge_text(j, PICK_TAG);
}

struct slice fetch_judge_engine(const struct fetch_judge *j, char out[ENVELOPE_ENGINE_MAX])
{
    return envelope_engine(judge_text(j, PICK_SE), judge_text(j, PICK_SE_TYPE), out);
}
