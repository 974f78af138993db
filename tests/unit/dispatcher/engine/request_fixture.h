/* request_fixture - an event, a destination's rules, and the request that is built of them.
 *
 * cmocka's includes come before this one. */
#ifndef TESTS_UNIT_DISPATCHER_REQUEST_FIXTURE_H
#define TESTS_UNIT_DISPATCHER_REQUEST_FIXTURE_H

#include "common/gzip/gzip.h"
#include "dispatcher/engine/request.h"

#define NOW INT64_C(1763691349123)
#define SECRET "0123456789abcdef"

struct fixture {
    struct request_rules rules;
    struct event event;
    struct request_input in;
    struct request request;
    struct url_template *url;
    struct scheme *sign;
};

static inline void set_url(struct fixture *f, const char *text)
{
    url_template_free(f->url);
    assert_int_equal(url_template_new(slice_str(text), &f->url, NULL), OK);
    f->rules.url = f->url;
}

static inline void set_sign(struct fixture *f, const char *name)
{
    struct scheme_spec spec = {
        .name = name, .tolerance_s = -1, .secrets = {SECRET}, .secret_count = 1};
    assert_int_equal(scheme_new(&spec, &f->sign, NULL), OK);
    f->rules.sign = f->sign;
}

static inline int setup(void **state)
{
    static struct fixture f;
    f = (struct fixture){
        .rules = {.gzip = GZIP_KEEP, .inflated_max = 1 << 20},
        .event = {.id = SLICE_LIT("id-1"),
                  .tag = SLICE_LIT("a b&c"),
                  .source = SLICE_LIT("inbox"),
                  .received_at = NOW,
                  .has_body = true,
                  .body = SLICE_LIT("{\"a\": 1.0}\r\n")},
        .in = {.delivery_id = SLICE_LIT("id-1:orders"),
               .message_id = SLICE_LIT("id-1"),
               .attempt = 3,
               .now = NOW,
               .made_max = SIZE_MAX},
    };
    f.in.event = &f.event;
    request_init(&f.request);
    set_url(&f, "http://app.example/hook?id=$id&tag=$tag&s=$source");
    *state = &f;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;
    request_clear(&f->request);
    url_template_free(f->url);
    scheme_free(f->sign);
    return 0;
}

static inline void build(struct fixture *f)
{
    assert_int_equal(request_build(&f->rules, &f->in, &f->request), REQUEST_OK);
}

/* The value of the only line of header NAME, or NULL. */
static inline const char *header(const struct fixture *f, const char *name)
{
    static char value[512];
    struct slice rest = buf_slice(&f->request.headers);
    bool found = false;
    while (rest.len) {
        struct slice line = slice_cut(&rest, '\n');
        assert_true(line.len && line.ptr[line.len - 1] == '\r');
        line = slice_make(line.ptr, line.len ? line.len - 1 : 0);
        struct slice key = slice_cut(&line, ':');
        if (!slice_eq_nocase(key, slice_str(name)))
            continue;
        assert_false(found);
        found = true;
        line = slice_trim(line);
        assert_true(line.len < sizeof value);
        memcpy(value, line.ptr, line.len);
        value[line.len] = '\0';
    }
    return found ? value : NULL;
}

static inline void assert_header(const struct fixture *f, const char *name, const char *wanted)
{
    const char *value = header(f, name);
    if (!value)
        fail_msg("no %s in: %s", name, f->request.headers.ptr);
    assert_string_equal(value, wanted);
}

static inline void assert_body(const struct fixture *f, const char *wanted)
{
    assert_true(slice_eq(f->request.body, slice_str(wanted)));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

#endif
