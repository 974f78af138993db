#include "common/webhook/ids.h"

#include "common/base/text.h"
#include "common/crypto/crypto.h"

/* Not isalnum(), which depends on the locale. */
static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

bool id_is_valid(struct slice id)
{
    return id.len > 0 && id.len <= ID_MAX && !text_has_control(id) && text_is_utf8(id);
}

void id_add_key(struct buf *out, struct slice id)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < id.len; i++) {
        unsigned char c = (unsigned char)id.ptr[i];
        if (is_word(id.ptr[i]) || c == '.' || c == ':')
            buf_add_char(out, id.ptr[i]);
        else
            buf_add(out, (char[]){'%', digits[c >> 4], digits[c & 15]}, 3);
    }
}

void id_add_named_key(struct buf *out, struct slice name)
{
    const char *mark = name.len ? memrchr(name.ptr, '~', name.len) : NULL;
    size_t len = mark ? (size_t)(mark - name.ptr) : name.len;
    uint64_t n;
    if (len && mark && text_u64(slice_skip(name, len + 1), 1000, &n) == OK) {
        id_add_key(out, slice_make(name.ptr, len));
        buf_add_slice(out, slice_skip(name, len));
    } else {
        id_add_key(out, name);
    }
}

void id_add_shown(struct buf *out, struct slice key)
{
    size_t len = out->len;
    if (text_unpercent(out, key, false) == OK)
        return;
    out->len = len;
    buf_add_slice(out, key);
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
    return tag.len <= TAG_BYTES && !text_has_control(tag) && text_is_utf8(tag) &&
           characters(tag) <= TAG_MAX;
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
