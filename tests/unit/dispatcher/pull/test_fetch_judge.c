/* Tells results from the other 2xx answers of a provider. */
#include "dispatcher/pull/fetch_judge.h"

#include "common/base/alloc.h"
#include "common/gzip/gzip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define TASK(code) "{'status_code':20000,'tasks':[{'id':'a','status_code':" code ",'result':null}]}"
#define INFLATED_MAX ((size_t)1 << 20)

static struct json_picks *picks;

static struct fetch_verdict judge(struct slice body, bool must_be_json, size_t most,
                                  size_t inflated_max)
{
    struct fetch_judge_rules rules = {.must_be_json = must_be_json, .inflated_max = inflated_max};
    struct fetch_judge *j = fetch_judge_new(picks, body, &rules);
    while (!fetch_judge_some(j, most))
        continue;
    struct fetch_verdict v = fetch_judge_end(j);
    fetch_judge_free(j);
    return v;
}

/* Single quotes mean double ones. */
static char *unquoted(const char *text)
{
    char *copy = xstrdup(text);
    for (char *p = copy; *p; p++)
        if (*p == '\'')
            *p = '"';
    return copy;
}

struct row {
    const char *body;
    enum attempt_end end, of_any; /* of a source that takes JSON only, and of one that takes any */
    int code;
};

static const struct row rows[] = {
    {TASK("20000"), END_ANSWERED, END_ANSWERED, 20000},
    {TASK("20100"), END_ANSWERED, END_ANSWERED, 20100},
    {TASK("40601"), END_NOT_READY, END_NOT_READY, 40601},
    {TASK("40602"), END_NOT_READY, END_NOT_READY, 40602},
    {TASK("40401"), END_NO_RESULT, END_NO_RESULT, 40401},
    {TASK("40403"), END_NO_RESULT, END_NO_RESULT, 40403},
    {TASK("50000"), END_NO_RESULT, END_NO_RESULT, 50000},
    {TASK("'40602'"), END_NOT_READY, END_NOT_READY, 40602}, /* a client might print it so */
    {TASK("-1"), END_ANSWERED, END_ANSWERED, 20000},
    {"{'status_code':40202,'tasks':null}", END_NO_RESULT, END_NO_RESULT, 40202},
    {"{'status_code':40202,'tasks':[]}", END_NO_RESULT, END_NO_RESULT, 40202},
    {"{'status_code':20000,'tasks':null}", END_ANSWERED, END_ANSWERED, 20000},
    {"{'status_code':404}", END_ANSWERED, END_ANSWERED, 404},
    {"{'a':1}", END_ANSWERED, END_ANSWERED, 0},
    {"[1]", END_ANSWERED, END_ANSWERED, 0},
    {"null", END_ANSWERED, END_ANSWERED, 0},
    {"", END_BAD_RESULT, END_ANSWERED, 0},
    {"<html>", END_BAD_RESULT, END_ANSWERED, 0},
    {"{'a':1", END_BAD_RESULT, END_ANSWERED, 0},
    {"{'a':1} {}", END_BAD_RESULT, END_ANSWERED, 0},
    {TASK("40602") "x", END_BAD_RESULT, END_ANSWERED, 0},
};

static void judges_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t most = 1; most <= 4096; most *= 64)
            for (int any = 0; any < 2; any++) {
                char *body = unquoted(rows[i].body);
                struct fetch_verdict v = judge(slice_str(body), !any, most, INFLATED_MAX);
                if (v.end != (any ? rows[i].of_any : rows[i].end) || v.code != rows[i].code)
                    fail_msg("%s: %d %d", body, (int)v.end, v.code);
                free(body);
            }
}

static void looks_into_gzip(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *body = unquoted(rows[i].body);
        struct buf wire;
        buf_init(&wire, INFLATED_MAX);
        assert_int_equal(gzip_deflate_all(slice_str(body), &wire), OK);
        struct fetch_verdict v = judge(buf_slice(&wire), true, 64, INFLATED_MAX);
        assert_int_equal(v.end, rows[i].end);
        /* cut short, the last bytes (checksum and length) are missing */
        v = judge(slice_make(wire.ptr, wire.len - 3), true, 64, INFLATED_MAX);
        assert_int_equal(v.end, END_BAD_RESULT);
        buf_clear(&wire);
        free(body);
    }
}

static void limits_what_is_inflated(void **state)
{
    (void)state;
    struct buf plain, wire;
    buf_init(&plain, INFLATED_MAX);
    buf_init(&wire, INFLATED_MAX);
    buf_add_char(&plain, '"');
    for (unsigned i = 0; i < 9998; i++)
        buf_add_char(&plain, 'x');
    buf_add_char(&plain, '"');
    assert_int_equal(gzip_deflate_all(buf_slice(&plain), &wire), OK);
    assert_int_equal(judge(buf_slice(&wire), true, 256, 10000).end, END_ANSWERED);
    assert_int_equal(judge(buf_slice(&wire), true, 256, 9999).end, END_TOO_LARGE);
    assert_int_equal(judge(buf_slice(&wire), false, 256, 9999).end, END_TOO_LARGE);
    buf_clear(&plain);
    buf_clear(&wire);
}

static void finds_the_tag(void **state)
{
    (void)state;
    static const struct {
        const char *body, *tag;
    } tags[] = {
        {"{'tasks':[{'status_code':20000,'data':{'tag':'my \\u00fc'}}]}", "my \xc3\xbc"},
        {"{'tasks':[{'status_code':20000,'data':{'tag':null}}]}", ""},
        {"{'tasks':[{'status_code':20000,'data':{}}]}", ""},
        {"{'tasks':[{'data':{'tag':'x'}}]", ""},
    };
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
        struct fetch_judge_rules rules = {.must_be_json = true, .inflated_max = INFLATED_MAX};
        char *body = unquoted(tags[i].body);
        struct fetch_judge *j = fetch_judge_new(picks, slice_str(body), &rules);
        while (!fetch_judge_some(j, 16))
            continue;
        (void)fetch_judge_end(j);
        assert_true(slice_eq(fetch_judge_tag(j), slice_str(tags[i].tag)));
        fetch_judge_free(j);
        free(body);
    }
}

static void finds_the_engine(void **state)
{
    (void)state;
    static const struct {
        const char *body, *engine;
    } engines[] = {
        {"{'tasks':[{'data':{'se':'google','se_type':'organic'}}]}", "google organic"},
        {"{'tasks':[{'data':{'se':'google'}}]}", "google"},
        {"{'tasks':[{'data':{'se':'google','se_type':'a b'}}]}", "google"},
        {"{'tasks':[{'data':{'se':'','se_type':'organic'}}]}", ""},
        {"{'tasks':[{'data':{'se':['google']}}]}", ""},
        {"{'tasks':[{'data':{'se':'google'}}]", ""},
    };
    for (size_t i = 0; i < sizeof engines / sizeof *engines; i++) {
        struct fetch_judge_rules rules = {.must_be_json = true, .inflated_max = INFLATED_MAX};
        char engine[ENVELOPE_ENGINE_MAX], *body = unquoted(engines[i].body);
        struct fetch_judge *j = fetch_judge_new(picks, slice_str(body), &rules);
        while (!fetch_judge_some(j, 16))
            continue;
        (void)fetch_judge_end(j);
        assert_true(slice_eq(fetch_judge_engine(j, engine), slice_str(engines[i].engine)));
        fetch_judge_free(j);
        free(body);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judges_answers),          cmocka_unit_test(looks_into_gzip),
        cmocka_unit_test(limits_what_is_inflated), cmocka_unit_test(finds_the_tag),
        cmocka_unit_test(finds_the_engine),
    };
    picks = fetch_judge_picks();
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    json_picks_free(picks);
    return rc;
}
