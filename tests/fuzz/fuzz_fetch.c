/* Is what was fetched from a provider a result? However large the slices in which it is looked at, the verdict is the
 * same, and a result is what the source takes. */
#include "common/gzip/gzip.h"
#include "common/json/json_scan.h"
#include "common/webhook/envelope.h"
#include "dispatcher/pull/fetch_judge.h"
#include "tests/fuzz/fuzz.h"

#define INFLATED_MAX 100000

struct seen {
    struct fetch_verdict verdict;
    char tag[JSON_SCAN_VALUE_MAX];
    size_t tag_len;
};

static struct seen judge(const struct json_picks *picks, struct slice body,
                         const struct fetch_judge_rules *rules, size_t most)
{
    struct seen out = {0};
    struct fetch_judge *j = fetch_judge_new(picks, body, rules);
    for (unsigned i = 0; !fetch_judge_some(j, most); i++)
        INSIST(i < 1000000);
    out.verdict = fetch_judge_end(j);
    struct slice tag = fetch_judge_tag(j);
    INSIST(tag.len <= sizeof out.tag);
    memcpy(out.tag, tag.len ? tag.ptr : "", tag.len);
    out.tag_len = tag.len;
    fetch_judge_free(j);
    return out;
}

static void check_result(struct slice body, const struct fetch_judge_rules *rules)
{
    struct buf plain;
    struct error e;
    buf_init(&plain, INFLATED_MAX);
    if (gzip_is(body))
        INSIST(gzip_inflate_all(body, &plain, &e) == OK);
    else
        buf_add_slice(&plain, body);
    bool is_json = json_scan_accepts(buf_slice(&plain));
    INSIST(is_json || !rules->must_be_json);
    if (is_json)
        (void)envelope_is(buf_slice(&plain));
    buf_clear(&plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct json_picks *picks;
    if (!picks)
        picks = fetch_judge_picks();
    struct slice body = slice_make(data, size);
    unsigned flags = fuzz_byte(&body);
    struct fetch_judge_rules rules = {.must_be_json = flags & 1, .inflated_max = INFLATED_MAX};
    struct seen whole = judge(picks, body, &rules, SIZE_MAX / 4);
    static const size_t slices[] = {1, 7, 100, 16384};
    for (size_t i = 0; i < sizeof slices / sizeof *slices; i++) {
        if (slices[i] < 100 && gzip_is(body))
            continue; /* a few bytes at a time of what may be many */
        struct seen cut = judge(picks, body, &rules, slices[i]);
        bool is_result = cut.verdict.end == END_ANSWERED;
        INSIST(is_result == (whole.verdict.end == END_ANSWERED));
        if (is_result)
            INSIST(cut.tag_len == whole.tag_len && memcmp(cut.tag, whole.tag, cut.tag_len) == 0);
        else
            INSIST(cut.verdict.end == whole.verdict.end && cut.verdict.code == whole.verdict.code);
    }
    if (whole.verdict.end == END_ANSWERED)
        check_result(body, &rules);
    return 0;
}
