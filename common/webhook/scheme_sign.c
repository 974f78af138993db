/* scheme_sign - the header lines that sign what we send.   [pure, on common/crypto] */
#include "common/webhook/scheme_model.h"

#include <assert.h>
#include <stdio.h>

#include "common/base/text.h"
#include "common/net/http_line.h"
#include "common/webhook/scheme_parse.h"

#define MESSAGE_ID_MAX 1024
#define TIMESTAMP_MAX 24

struct message {
    struct slice id, timestamp, body;
};

/* A message id may hold what the signed text puts next to it ("." in Standard Webhooks, whose rules forbid it there). Such a
 * character is sent as "%2E", the same way for every attempt. The queue's ids have a "%" only where they encode
 * another byte, and never encode these, so that two ids never become one. */
static enum err write_id(const struct scheme *s, struct slice id, char out[MESSAGE_ID_MAX],
                         size_t *len)
{
    static const char digits[] = "0123456789ABCDEF";
    *len = 0;
    for (size_t i = 0; i < id.len; i++) {
        unsigned char c = (unsigned char)id.ptr[i];
        if (c <= ' ' || c > '~' || *len + 3 > MESSAGE_ID_MAX)
            return ERR_INVALID; /* it could end the header line */
        if (!signed_id_is_ambiguous(&s->text, slice_make(id.ptr + i, 1))) {
            out[(*len)++] = (char)c;
            continue;
        }
        out[(*len)++] = '%';
        out[(*len)++] = digits[c >> 4];
        out[(*len)++] = digits[c & 15];
    }
    return id.len && !signed_id_is_ambiguous(&s->text, slice_make(out, *len)) ? OK : ERR_INVALID;
}

static void compute(const struct scheme *s, size_t secret, const struct message *m,
                    unsigned char digest[DIGEST_MAX])
{
    struct hmac *h = hmac_start(s->secrets[secret].key);
    for (size_t i = 0; i < s->text.count; i++) {
        const struct part *part = &s->text.parts[i];
        hmac_add(h, part->kind == PART_BODY        ? m->body
                    : part->kind == PART_ID        ? m->id
                    : part->kind == PART_TIMESTAMP ? m->timestamp
                                                   : part->text);
    }
    hmac_end(h, digest);
}

static void add_signature(const struct scheme *s, const unsigned char *digest,
                          struct slice timestamp, struct buf *headers)
{
    const struct scheme_rules *r = &s->rules;
    char text[2 * DIGEST_MAX];
    size_t len = digest_len(r->digest), n = 2 * len;
    if (r->encoding == ENCODING_HEX)
        text_hex(digest, len, text);
    else
        n = text_base64(digest, len, text);
    buf_add_str(headers, r->signature.name);
    buf_add(headers, ": ", 2);
    if (r->list == LIST_STRIPE) {
        buf_add(headers, "t=", 2);
        buf_add_slice(headers, timestamp);
        buf_add_char(headers, ',');
    }
    buf_add_str(headers, r->prefix);
    buf_add(headers, text, n);
    buf_add(headers, "\r\n", 2);
}

enum err scheme_sign(const struct scheme *s, size_t secret, struct slice message_id, wall_ms now,
                     struct slice body, struct buf *headers)
{
    const struct scheme_rules *r = &s->rules;
    char id[MESSAGE_ID_MAX], timestamp[TIMESTAMP_MAX];
    unsigned char digest[DIGEST_MAX];
    assert(scheme_can_sign(s) && secret < s->secret_count && now >= 0);
    bool has_id = r->sends_id && r->id.name;
    size_t id_len = 0;
    if (has_id && write_id(s, message_id, id, &id_len) != OK)
        return ERR_INVALID;
    int n = snprintf(timestamp, sizeof(timestamp), "%lld", (long long)(now / 1000));
    struct message m = {slice_make(id, id_len), slice_make(timestamp, (size_t)n), body};
    compute(s, secret, &m, digest);
    if (has_id)
        http_line_add(headers, slice_str(r->id.name), m.id);
    if (r->timestamp.name)
        http_line_add(headers, slice_str(r->timestamp.name), m.timestamp);
    add_signature(s, digest, m.timestamp, headers);
    return headers->failed ? ERR_TOO_BIG : OK;
}
