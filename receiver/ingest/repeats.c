/* A repeat and the first webhook have this in common:
 *
 *                                   repeats: message          repeats: body            repeats: none
 *   there is a message id           message id, body          (the lines below)        nothing is a repeat
 *   the body or query names an id   id, body                  id, body
 *   the signature covers the body   signed timestamp, body    signed timestamp, body
 *   none of these                   nothing is a repeat       nothing is a repeat
 *
 * The third line is about the same bytes under the same signature. The text of the signature header does not count: a header may
 * list several signatures, and who captured a request could take one away. */
#include "receiver/ingest/repeats.h"

#include "common/base/text.h"
#include "common/crypto/crypto.h"

/* The length goes before the text, so that no two lists of texts are alike. */
static void add_text(struct sha256 *sha, struct slice s)
{
    uint32_t len = (uint32_t)s.len;
    sha256_add(sha, slice_make((const char *)&len, sizeof len));
    sha256_add(sha, s);
}

static enum repeat_key write_name(struct slice kind, struct slice a, struct slice b,
                                  struct slice digest, char name[REPEAT_NAME_LEN])
{
    unsigned char bytes[32];
    struct sha256 *sha = sha256_start();
    add_text(sha, kind);
    add_text(sha, a);
    add_text(sha, b);
    add_text(sha, digest);
    sha256_end(sha, bytes);
    text_hex(bytes, REPEAT_NAME_LEN / 2, name);
    return REPEAT_BY_NAME;
}

enum repeat_key repeat_key(const struct repeat_facts *f, char name[REPEAT_NAME_LEN])
{
    if (f->rule == REPEATS_NONE)
        return REPEAT_NEVER;
    if (f->rule == REPEATS_MESSAGE && f->message_id.len)
        return write_name(SLICE_LIT("message"), f->message_origin, f->message_id, f->digest, name);
    if (f->names_id)
        return REPEAT_BY_EVENT;
    if (f->is_signed)
        return write_name(SLICE_LIT("signature"), f->signed_timestamp, SLICE_LIT(""), f->digest,
                          name);
    return REPEAT_NEVER;
}
