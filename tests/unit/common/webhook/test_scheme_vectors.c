/* Every case of tests/vectors/schemes.txt: requests and what is said to them, and what is signed. */
#include "common/webhook/scheme.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka needs some of the above */
#include <cmocka.h>

#include "common/base/alloc.h"
#include "common/base/text.h"
#include "tests/unit/common/webhook/headers.h"

/* One case of tests/vectors/schemes.txt. */
struct vector {
    char *name, *query, *sign, *expect;
    char *scheme;
    struct scheme_spec spec;
    wall_ms now;
    struct headers headers;
    struct buf body, lines;
    char *strings[64]; /* everything that was copied */
    size_t string_count;
};

static char *keep(struct vector *v, struct slice s)
{
    assert_true(v->string_count < 64);
    return v->strings[v->string_count++] = xslicedup(s);
}

static void set_field(struct vector *v, struct slice rest)
{
    struct slice key = slice_cut(&rest, ' ');
    const struct {
        const char *name;
        const char **to;
    } fields[] = {{"header", &v->spec.header},
                  {"prefix", &v->spec.prefix},
                  {"encoding", &v->spec.encoding},
                  {"digest", &v->spec.digest},
                  {"signed", &v->spec.signed_text},
                  {"id_header", &v->spec.id_header},
                  {"timestamp_header", &v->spec.timestamp_header}};
    if (slice_eq(key, SLICE_LIT("tolerance_s"))) {
        assert_int_equal(text_i64(rest, &v->spec.tolerance_s), OK);
        return;
    }
    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
        if (slice_eq(key, slice_str(fields[i].name))) {
            *fields[i].to = keep(v, rest);
            return;
        }
    }
    fail_msg("unknown field %.*s", SLICE_FMT(key));
}

static void set_line(struct vector *v, struct slice rest)
{
    struct slice word = slice_cut(&rest, ' ');
    if (slice_eq(word, SLICE_LIT("case"))) {
        v->name = keep(v, rest);
    } else if (slice_eq(word, SLICE_LIT("scheme"))) {
        v->spec.name = v->scheme = keep(v, rest);
    } else if (slice_eq(word, SLICE_LIT("field"))) {
        set_field(v, rest);
    } else if (slice_eq(word, SLICE_LIT("secret"))) {
        v->spec.secrets[v->spec.secret_count++] = keep(v, rest);
    } else if (slice_eq(word, SLICE_LIT("now"))) {
        assert_int_equal(text_i64(rest, &v->now), OK);
    } else if (slice_eq(word, SLICE_LIT("header"))) {
        struct header *h = &v->headers.all[v->headers.count++];
        h->name = keep(v, slice_cut(&rest, ':'));
        h->value = keep(v, slice_trim(rest));
    } else if (slice_eq(word, SLICE_LIT("query"))) {
        v->query = keep(v, rest);
    } else if (slice_eq(word, SLICE_LIT("body"))) {
        char *to = buf_reserve(&v->body, rest.len / 2 + 1);
        assert_int_equal(text_unhex(rest, to, rest.len / 2), OK);
        buf_wrote(&v->body, rest.len / 2);
    } else if (slice_eq(word, SLICE_LIT("sign"))) {
        v->sign = keep(v, rest);
    } else if (slice_eq(word, SLICE_LIT("line"))) {
        buf_add_slice(&v->lines, rest);
        buf_add_str(&v->lines, "\r\n");
    } else if (slice_eq(word, SLICE_LIT("expect"))) {
        v->expect = keep(v, rest);
    } else {
        fail_msg("unknown word %.*s", SLICE_FMT(word));
    }
}

static void vector_init(struct vector *v)
{
    *v = (struct vector){.spec.tolerance_s = -1};
    buf_init(&v->body, 1 << 20);
    buf_init(&v->lines, 1 << 20);
}

static void vector_clear(struct vector *v)
{
    for (size_t i = 0; i < v->string_count; i++)
        free(v->strings[i]);
    buf_clear(&v->body);
    buf_clear(&v->lines);
}

static const char *verdict_word(enum scheme_verdict verdict)
{
    static const char *const words[] = {"ok", "missing", "invalid", "stale"};
    return words[verdict];
}

/* The whole way of a request, its body in pieces of PIECE bytes. */
static enum scheme_verdict judge(const struct scheme *s, struct vector *v, size_t piece)
{
    const struct scheme_request req = {headers_find, &v->headers, slice_str(v->query), v->now};
    struct verify *verify = NULL;
    struct slice body = buf_slice(&v->body);
    enum scheme_verdict verdict = verify_start(s, &req, &verify);
    if (verdict != SCHEME_OK) {
        assert_null(verify);
        return verdict;
    }
    while (body.len) {
        size_t n = body.len < piece ? body.len : piece;
        verify_body(verify, slice_make(body.ptr, n));
        body = slice_skip(body, n);
    }
    return verify_end(verify);
}

static void run_vector(struct vector *v)
{
    static const size_t pieces[] = {1, 7, 1 << 20};
    struct scheme *s = NULL;
    struct error e = {0};
    if (scheme_new(&v->spec, &s, &e) != OK)
        fail_msg("%s: %s", v->name, e.text);
    for (size_t i = 0; i < 3 && v->expect; i++) {
        const char *got = verdict_word(judge(s, v, pieces[i]));
        if (strcmp(got, v->expect) != 0)
            fail_msg("%s: %s instead of %s", v->name, got, v->expect);
    }
    if (v->sign) {
        struct buf out;
        buf_init(&out, 4096);
        assert_int_equal(scheme_sign(s, 0, slice_str(v->sign), v->now, buf_slice(&v->body), &out),
                         OK);
        if (!slice_eq(buf_slice(&out), buf_slice(&v->lines)))
            fail_msg("%s: %s", v->name, out.ptr);
        buf_clear(&out);
    }
    scheme_free(s);
}

static void every_vector_gives_its_verdict(void **state)
{
    (void)state;
    FILE *f = fopen("vectors/schemes.txt", "r");
    assert_non_null(f);
    struct vector v;
    char *line = NULL;
    size_t size = 0, cases = 0;
    ssize_t n = 0;
    vector_init(&v);
    while ((n = getline(&line, &size, f)) >= 0) {
        struct slice text = slice_make(line, (size_t)n);
        if (text.len && text.ptr[text.len - 1] == '\n')
            text.len--;
        if (text.len && text.ptr[0] != '#') {
            set_line(&v, text);
        } else if (v.name) {
            run_vector(&v);
            cases++;
            vector_clear(&v);
            vector_init(&v);
        }
    }
    vector_clear(&v);
    free(line);
    fclose(f);
    assert_true(cases > 190);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_vector_gives_its_verdict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
