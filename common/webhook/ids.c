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
    if (id.len == 0 || id.len > ID_MAX)
        return false;
    for (size_t i = 0; i < id.len; i++)
        if (!is_word(id.ptr[i]) && id.ptr[i] != '.' && id.ptr[i] != ':')
            return false;
    /* In a URL path these two would be removed by every client on the way. */
    return !slice_eq(id, SLICE_LIT(".")) && !slice_eq(id, SLICE_LIT(".."));
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
