#include "dispatcher/transport/response.h"

#include "common/base/text.h"

#define STATUS_FINAL_MIN 200

void response_reset(struct response *r)
{
    r->status = r->pending_status = 0;
    r->headers_done = false;
    r->interim = 0;
    r->header_bytes = r->body_bytes = 0;
    r->kept_len = r->retry_after_len = 0;
    r->type.seen = r->encoding.seen = 0;
}

/* "HTTP/1.1 200 OK" */
static int line_status(struct slice line)
{
    uint64_t status = 0;
    slice_cut(&line, ' ');
    if (line.len < 3 || text_u64(slice_make(line.ptr, 3), 999, &status) != OK)
        return 0;
    return (int)status;
}

static bool response_end_headers(struct response *r)
{
    if (r->pending_status >= STATUS_FINAL_MIN) {
        r->status = r->pending_status;
        r->headers_done = true;
        return true;
    }
    r->interim++;
    r->retry_after_len = 0;
    r->type.seen = r->encoding.seen = 0;
    return r->interim <= RESPONSE_INTERIM_MAX;
}

static void response_keep_retry_after(struct response *r, struct slice line)
{
    slice_cut(&line, ':');
    struct slice value = slice_trim(line);
    r->retry_after_len = value.len <= RETRY_AFTER_BYTES_MAX ? value.len : 0;
    if (r->retry_after_len)
        memcpy(r->retry_after, value.ptr, r->retry_after_len);
}

static void keep_field(struct content_field *f, struct slice line)
{
    slice_cut(&line, ':');
    struct slice value = slice_trim(line);
    f->len = value.len <= ATTEMPT_FIELD_MAX && !text_has_control(value) ? value.len : 0;
    if (f->len)
        memcpy(f->text, value.ptr, f->len);
    f->seen++;
}

bool response_add_line(struct response *r, struct slice line)
{
    r->header_bytes += line.len;
    if (r->header_bytes > RESPONSE_HEADERS_MAX)
        return false;
    if (r->headers_done)
        return true;
    while (line.len && (line.ptr[line.len - 1] == '\n' || line.ptr[line.len - 1] == '\r'))
        line.len--;
    if (!line.len)
        return response_end_headers(r);
    if (slice_starts(line, SLICE_LIT("HTTP/")))
        r->pending_status = line_status(line);
    else if (slice_starts_nocase(line, SLICE_LIT("retry-after:")))
        response_keep_retry_after(r, line);
    else if (slice_starts_nocase(line, SLICE_LIT("content-type:")))
        keep_field(&r->type, line);
    else if (slice_starts_nocase(line, SLICE_LIT("content-encoding:")))
        keep_field(&r->encoding, line);
    return true;
}

bool response_add_body(struct response *r, struct slice piece)
{
    size_t keep = ATTEMPT_RESPONSE_MAX - r->kept_len;
    if (keep > piece.len)
        keep = piece.len;
    if (keep)
        memcpy(r->kept + r->kept_len, piece.ptr, keep);
    r->kept_len += keep;
    r->body_bytes += piece.len;
    return r->body_bytes <= RESPONSE_READ_MAX;
}

struct slice response_retry_after(const struct response *r)
{
    return slice_make(r->retry_after, r->retry_after_len);
}

static struct slice field_value(const struct content_field *f)
{
    return slice_make(f->text, f->seen == 1 ? f->len : 0);
}

struct slice response_content_type(const struct response *r)
{
    return field_value(&r->type);
}

struct slice response_content_encoding(const struct response *r)
{
    return field_value(&r->encoding);
}

struct slice response_kept(const struct response *r)
{
    return slice_make(r->kept, r->kept_len);
}
