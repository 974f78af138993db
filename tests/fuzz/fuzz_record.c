/* An event's record in Redis: a written record is read again, and a damaged one is refused. */
#include "common/base/text.h"
#include "common/queue/record.h"
#include "tests/fuzz/fuzz.h"

#define MOST ((size_t)1 << 20)

static bool same(const struct event *a, const struct event *b)
{
    return slice_eq(a->tag, b->tag) && slice_eq(a->source, b->source) &&
           slice_eq(a->content_type, b->content_type) &&
           slice_eq(a->content_encoding, b->content_encoding) && slice_eq(a->headers, b->headers) &&
           a->received_at == b->received_at && slice_eq(a->digest, b->digest) &&
           a->has_body == b->has_body && slice_eq(a->body, b->body);
}

static void write_and_read(const struct event *e, struct packer *packer)
{
    struct buf record, scratch;
    struct event got;
    buf_init(&record, MOST);
    buf_init(&scratch, MOST);
    if (record_write(e, packer, &record) == OK) {
        INSIST(record_read(e->id, buf_slice(&record), &scratch, &got) == OK);
        INSIST(same(e, &got) && slice_eq(got.id, e->id));
    }
    buf_reset(&record);
    if (record_write_head(e, &record) == OK) { /* a large body goes behind it as it is */
        INSIST(record.len <= RECORD_HEAD_MAX);
        buf_add_slice(&record, e->body);
        INSIST(record_read(e->id, buf_slice(&record), &scratch, &got) == OK && same(e, &got));
    }
    buf_clear(&record);
    buf_clear(&scratch);
}

/* Text that the receiver would accept for a line. */
static struct slice clean(struct buf *keep, struct slice s, const char *otherwise)
{
    size_t from = keep->len;
    for (size_t i = 0; i < s.len; i++)
        buf_add_char(keep, (unsigned char)s.ptr[i] <= ' ' ? '_' : s.ptr[i]);
    if (keep->len == from)
        buf_add_str(keep, otherwise);
    return slice_make(keep->ptr + from, keep->len - from);
}

static void made_up(struct slice in, struct packer *packer)
{
    struct buf keep, headers;
    buf_init(&keep, MOST);
    buf_init(&headers, MOST);
    (void)buf_reserve(&keep, 2 * in.len + 64); /* slices into it must not move */
    unsigned flags = fuzz_byte(&in);
    struct event e = {.id = SLICE_LIT("some-id"), .digest = SLICE_LIT("9f86d081884c7d65")};
    e.received_at = (int64_t)fuzz_byte(&in) << 35;
    e.kind = (enum event_kind)(flags % 3);
    *(e.kind == EVENT_TASK ? &e.account : &e.source) = clean(&keep, fuzz_line(&in), "source");
    e.tag = flags & 1 ? clean(&keep, fuzz_line(&in), "t") : slice_make(NULL, 0);
    e.content_type = flags & 2 ? clean(&keep, fuzz_line(&in), "c") : slice_make(NULL, 0);
    e.content_encoding = flags & 4 ? SLICE_LIT("gzip") : slice_make(NULL, 0);
    for (unsigned n = flags >> 5; n; n--) {
        buf_add_str(&headers, "X-Name: ");
        buf_add_slice(&headers, clean(&keep, fuzz_line(&in), "h"));
        buf_add_str(&headers, "\r\n");
    }
    e.headers = buf_slice(&headers);
    e.has_body = !(flags & 8);
    e.body = e.has_body ? in : slice_make(NULL, 0);
    write_and_read(&e, flags & 16 ? packer : NULL);
    buf_clear(&keep);
    buf_clear(&headers);
}

/* The sixth word of the first line. */
static uint64_t said_length(struct slice record)
{
    uint64_t n = 0;
    for (int i = 0; i < 5; i++)
        (void)slice_cut(&record, ' ');
    INSIST(text_u64(slice_cut(&record, ' '), UINT64_MAX, &n) == OK);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct packer *packer;
    struct slice in = slice_make(data, size);
    struct buf scratch;
    struct event e;
    if (!packer)
        packer = packer_new();
    buf_init(&scratch, MOST);
    if (record_read(SLICE_LIT("key"), in, &scratch, &e) == OK) {
        INSIST(e.id.len == 3 || (e.id.ptr >= in.ptr && e.id.ptr <= in.ptr + in.len));
        INSIST(e.body.len == said_length(in));
    }
    buf_clear(&scratch);
    made_up(in, packer);
    return 0;
}
