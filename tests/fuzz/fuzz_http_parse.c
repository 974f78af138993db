/* A request's head and chunked body without sockets: our rules and llhttp read the same bytes the
 * same way, in whatever pieces they come. */
#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/net/http_chunks.h"
#include "common/net/http_parse.h"
#include "tests/fuzz/fuzz.h"

#define BODY_MAX 500

static const struct http_scan_limits limits = {200, 1000, 20};

static enum http_scan_verdict scan(struct slice all, uint32_t seed, struct http_scan *s,
                                   enum http_fault *f)
{
    struct fuzz_cuts cuts = {seed};
    struct slice rest = all;
    enum http_scan_verdict v = SCAN_MORE;
    *s = (struct http_scan){0};
    *f = FAULT_NONE;
    while (v == SCAN_MORE && rest.len) {
        (void)fuzz_piece(&cuts, &rest);
        v = http_scan(s, slice_make(all.ptr, all.len - rest.len), &limits, f);
    }
    return v;
}

static void check_fields(const struct http_head *h)
{
    INSIST(h->target.len <= limits.uri_max);
    for (size_t i = 0; i < h->target.len; i++)
        INSIST(h->target.ptr[i] > ' ' && h->target.ptr[i] < 0x7f);
    for (size_t i = 0; i < h->count; i++) {
        const struct http_field *f = &h->fields[i];
        INSIST(f->name.len > 0);
        for (size_t k = 0; k < f->name.len; k++)
            INSIST(f->name.ptr[k] > ' ' && f->name.ptr[k] < 0x7f && f->name.ptr[k] != ':');
        for (size_t k = 0; k < f->value.len; k++)
            INSIST((unsigned char)f->value.ptr[k] >= ' ' || f->value.ptr[k] == '\t');
    }
}

static size_t count_of(const struct http_head *h, const char *name)
{
    size_t n = 0;
    for (size_t i = 0; i < h->count; i++)
        n += slice_eq_nocase(h->fields[i].name, slice_str(name));
    return n;
}

/* The ingredients of request smuggling are refused. */
static void check_framing(const struct http_head *h, const struct http_framing *f, bool complete)
{
    size_t lengths = count_of(h, "Content-Length"), codings = count_of(h, "Transfer-Encoding");
    INSIST(lengths + codings <= 1);
    INSIST(f->chunked == (codings == 1) && f->has_length == (lengths == 1));
    INSIST(h->minor == 0 ? !f->chunked : count_of(h, "Host") == 1);
    INSIST(f->chunked ? f->length == -1 : f->length >= 0 && f->length <= 9999999999);
    INSIST(complete == (f->length == 0));
}

static bool take(void *ctx, struct slice piece)
{
    buf_add_slice(ctx, piece);
    return true;
}

/* Feeds BODY as http_conn.c does: judged, then parsed. */
static enum http_fault read_chunks(struct http_parser *p, struct slice body, uint32_t seed,
                                   struct buf *got, size_t *end, bool *complete)
{
    struct fuzz_cuts cuts = {seed};
    struct http_chunks c = {0};
    enum http_fault f = FAULT_NONE;
    *end = 0;
    while (body.len && f == FAULT_NONE && !*complete) {
        struct slice piece = fuzz_piece(&cuts, &body);
        size_t judged = 0, used = 0;
        f = http_chunks_judge(&c, piece, BODY_MAX, &judged);
        if (f != FAULT_NONE)
            return f;
        f = http_parser_body(p, slice_make(piece.ptr, judged), take, got, &used, complete);
        if (f != FAULT_NONE)
            return f; /* what llhttp refuses beyond our rules is refused too */
        INSIST(used == judged && *complete == c.done);
        *end += used;
    }
    INSIST(got->len <= BODY_MAX);
    return f;
}

static bool open_head(struct http_parser *p, struct slice input, struct http_scan *whole,
                      struct http_framing *framing)
{
    struct http_scan cut;
    enum http_fault f, again;
    enum http_scan_verdict v = scan(input, 0, whole, &f);
    for (uint32_t seed = 1; seed < 3; seed++) {
        INSIST(scan(input, seed + (uint32_t)input.len * 3, &cut, &again) == v && again == f);
        INSIST(v != SCAN_DONE || memcmp(&cut, whole, sizeof cut) == 0);
    }
    if (v != SCAN_DONE)
        return false;
    struct http_head h;
    bool complete = false;
    char *copy = xslicedup(slice_make(input.ptr, whole->pos)); /* ASan sees its end */
    f = http_parser_head(p, slice_make(copy, whole->pos), whole, &h, &complete);
    if (f == FAULT_NONE)
        f = http_rules_head(&h, framing);
    if (f == FAULT_NONE) {
        INSIST(h.count == whole->headers);
        check_fields(&h);
        check_framing(&h, framing, complete);
    } else {
        INSIST(http_fault_answer(f)->status >= 400);
    }
    free(copy);
    return f == FAULT_NONE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http_parser *p, *q;
    struct slice input = slice_make(data, size);
    struct http_scan s;
    struct http_framing framing;
    if (!p) {
        p = http_parser_new();
        q = http_parser_new();
    }
    if (!open_head(q, input, &s, &framing) || !open_head(p, input, &s, &framing) ||
        !framing.chunked)
        return 0;
    struct slice body = slice_skip(input, s.pos);
    struct buf a, b;
    size_t end_a, end_b;
    bool done_a = false, done_b = false;
    buf_init(&a, size + 1);
    buf_init(&b, size + 1);
    enum http_fault fa = read_chunks(p, body, 0, &a, &end_a, &done_a);
    enum http_fault fb = read_chunks(q, body, (uint32_t)size, &b, &end_b, &done_b);
    /* which of two faults is met first may depend on the pieces */
    INSIST((fa == FAULT_NONE) == (fb == FAULT_NONE) && done_a == done_b);
    if (fa == FAULT_NONE)
        INSIST(slice_eq(buf_slice(&a), buf_slice(&b)) && end_a == end_b);
    buf_clear(&a);
    buf_clear(&b);
    return 0;
}
