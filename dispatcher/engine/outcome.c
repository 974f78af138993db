#include "dispatcher/engine/outcome.h"

#include <assert.h>
#include <stdio.h>

#define STATUS_GONE 410 /* the receiver asks to be left alone (Standard Webhooks) */

struct end_row {
    const char *word;
    enum settle_verdict verdict;
    bool unreachable;
    int64_t wait_ms;
};

static const struct end_row rows[ATTEMPT_END_COUNT] = {
#define END_ROW(id, word, verdict, unreachable, wait_ms)                                           \
    {word, SETTLE_##verdict, unreachable, wait_ms},
    ATTEMPT_ENDS(END_ROW)
#undef END_ROW
};

static enum settle_verdict judge_status(int status)
{
    if (status >= 200 && status <= 299)
        return SETTLE_DONE;
    return status == STATUS_GONE ? SETTLE_DEAD : SETTLE_RETRY;
}

struct outcome outcome_judge(enum attempt_end end, int status, bool attempt_left)
{
    assert((unsigned)end < ATTEMPT_END_COUNT);
    const struct end_row *row = &rows[end];
    struct outcome o = {
        .verdict = row->verdict, .unreachable = row->unreachable, .wait_ms = row->wait_ms};
    if (end == END_ANSWERED)
        o.verdict = judge_status(status);
    if (o.verdict == SETTLE_RETRY && !attempt_left)
        o.verdict = SETTLE_DEAD;
    if (end == END_ANSWERED && o.verdict != SETTLE_DONE)
        snprintf(o.error, sizeof o.error, "http_%d", status);
    else if (end == END_NO_RESULT)
        snprintf(o.error, sizeof o.error, "task_%d", status);
    else if (o.verdict != SETTLE_DONE)
        snprintf(o.error, sizeof o.error, "%s", row->word);
    return o;
}

const char *outcome_verdict_word(enum settle_verdict v)
{
    static const char *const words[] = {[SETTLE_DONE] = "done",
                                        [SETTLE_RETRY] = "retry",
                                        [SETTLE_DEAD] = "dead",
                                        [SETTLE_RELEASE] = "release",
                                        [SETTLE_DEFER] = "defer"};
    assert((unsigned)v < sizeof words / sizeof words[0]);
    return words[v];
}
