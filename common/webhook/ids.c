#include "common/webhook/ids.h"

#include "common/base/text.h"
#include "common/crypto/crypto.h"

#define FIRST_MARK "~1" /* of the first event of an id, where the id alone is ambiguous */

/* Not isalnum(), which depends on the locale. */
static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

/* UTF-8 without the control characters of ASCII (U+0000 to U+001F, U+007F) and of Latin-1 (U+0080 to U+009F), which
 * terminals obey as well. */
static bool is_plain_text(struct slice s)
{
    if (text_has_control(s) || !text_is_utf8(s))
        return false;
    for (size_t i = 1; i < s.len; i++)
        if (s.ptr[i - 1] == '\xc2' && (unsigned char)s.ptr[i] < 0xa0)
            return false;
    return true;
}

bool id_is_valid(struct slice id)
{
    return id.len > 0 && id.len <= ID_MAX && is_plain_text(id);
}

static bool is_plain_in_key(char c)
{
    return is_word(c) || c == '.' || c == ':';
}

void id_add_key(struct buf *out, struct slice id)
{
    text_add_percent_but(out, id, is_plain_in_key);
}

#define TASK_ESCAPE '~' /* before an id of a sender that looks like "@<account>/<id>" */
#define FETCH_MARK "~f" /* of the announcement that is kept beside its result */
#define REVISION_MAX 4294967295u

/* Cuts the marks of a name off its end. Returns the id in front of them. */
static struct slice cut_marks(struct slice name, struct slice *revision, struct slice *fetch)
{
    static const struct slice mark = {FETCH_MARK, sizeof FETCH_MARK - 1};
    struct slice id = name;
    uint64_t n;
    *revision = *fetch = slice_make("", 0);
    if (id.len > mark.len && slice_eq(slice_skip(id, id.len - mark.len), mark)) {
        id.len -= mark.len;
        *fetch = mark;
    }
    const char *at = id.len ? memrchr(id.ptr, '~', id.len) : NULL;
    size_t len = at ? (size_t)(at - id.ptr) : 0;
    if (len && text_u64(slice_skip(id, len + 1), REVISION_MAX, &n) == OK) {
        *revision = slice_skip(id, len);
        id.len = len;
    }
    return id;
}

/* Does ID, which a sender gave, look like the key of a task, perhaps behind some TASK_ESCAPEs? */
static bool looks_like_task(struct slice id)
{
    while (id.len && id.ptr[0] == TASK_ESCAPE)
        id = slice_skip(id, 1);
    return id.len && id.ptr[0] == '@' && memchr(id.ptr, '/', id.len);
}

void id_add_named_key(struct buf *out, struct slice name)
{
    struct slice revision, fetch, id = cut_marks(name, &revision, &fetch);
    if (looks_like_task(id) && id.ptr[0] == TASK_ESCAPE)
        id = slice_skip(id, 1);
    id_add_key(out, id);
    if (!slice_eq(revision, slice_str(FIRST_MARK)))
        buf_add_slice(out, revision);
    buf_add_slice(out, fetch);
}

/* Does ID, which a sender gave, look like one with a mark of ours? */
static bool looks_marked(struct slice id)
{
    struct slice revision, fetch;
    return cut_marks(id, &revision, &fetch).len != id.len;
}

void id_add_shown(struct buf *out, struct slice key)
{
    size_t at = out->len;
    struct slice marks = key, id = slice_cut(&marks, '~');
    bool is_task = key.len && memchr(key.ptr, '/', key.len); /* a task of an account has no marks */
    bool has_mark = id.len < key.len;
    if (is_task || text_unpercent(out, id, false) != OK) {
        out->len = at;
        if (text_unpercent(out, key, false) == OK)
            return;
        out->len = at;
        buf_add_slice(out, key);
        return;
    }
    if (looks_like_task(slice_skip(buf_slice(out), at))) {
        out->len = at;
        buf_add_char(out, TASK_ESCAPE);
        if (text_unpercent(out, id, false) != OK)
            out->failed = true;
    }
    bool has_revision = has_mark && marks.len && marks.ptr[0] >= '0' && marks.ptr[0] <= '9';
    if (!has_revision && looks_marked(slice_skip(buf_slice(out), at)))
        buf_add_str(out, FIRST_MARK);
    buf_add_slice(out, slice_skip(key, id.len));
}

/* Counts all bytes of UTF-8 that do not continue a character. */
static size_t characters(struct slice utf8)
{
    size_t n = 0;
    for (size_t i = 0; i < utf8.len; i++)
        n += ((unsigned char)utf8.ptr[i] & 0xc0) != 0x80;
    return n;
}

bool tag_is_valid(struct slice tag)
{
    return tag.len <= TAG_BYTES && is_plain_text(tag) && characters(tag) <= TAG_MAX;
}

bool name_is_valid(struct slice name)
{
    if (name.len == 0 || name.len > NAME_MAX_LEN)
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (!is_word(name.ptr[i]))
            return false;
    return true;
}

void uuid7(wall_ms now, char out[UUID_LEN + 1])
{
    unsigned char b[16];
    crypto_random(b + 6, sizeof(b) - 6);
    for (int i = 0; i < 6; i++)
        b[i] = (unsigned char)((uint64_t)now >> (40 - 8 * i));
    b[6] = (unsigned char)(0x70 | (b[6] & 0x0f)); /* version 7 */
    b[8] = (unsigned char)(0x80 | (b[8] & 0x3f)); /* variant of RFC 9562 */
    text_hex(b, 4, out);
    out[8] = '-';
    text_hex(b + 4, 2, out + 9);
    out[13] = '-';
    text_hex(b + 6, 2, out + 14);
    out[18] = '-';
    text_hex(b + 8, 2, out + 19);
    out[23] = '-';
    text_hex(b + 10, 6, out + 24);
    out[36] = '\0';
}
