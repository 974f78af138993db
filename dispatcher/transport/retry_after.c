#include "dispatcher/transport/retry_after.h"

#include "common/base/text.h"
#include "dispatcher/transport/transport.h"

#include <curl/curl.h>

#define VALUE_MAX 64 /* the longest legal date has 33 bytes */

static int64_t from_seconds(struct slice digits)
{
    uint64_t seconds;
    if (text_u64(digits, UINT64_MAX, &seconds) != OK || seconds > RETRY_AFTER_MAX_MS / 1000)
        return RETRY_AFTER_MAX_MS; /* a number that does not fit is a long time too */
    return (int64_t)seconds * 1000;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* In SHAPE `a` means a letter, `d` a digit, and any other character itself. */
static bool has_shape(struct slice s, const char *shape)
{
    if (s.len != strlen(shape))
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (shape[i] == 'a'   ? !is_letter(s.ptr[i])
            : shape[i] == 'd' ? !is_digit(s.ptr[i])
                              : s.ptr[i] != shape[i])
            return false;
    return true;
}

/* curl_getdate guesses at a date in almost any text ("noon", "2024", half a date). A server that sent such a thing
 * did not say when to come back, so only the three formats of the standard reach it. */
static bool is_http_date(struct slice value)
{
    struct slice behind = value;
    struct slice day = slice_cut(&behind, ',');
    if (behind.ptr) /* a comma: IMF-fixdate, or the older format of RFC 850 */
        return day.len >= 3 && (has_shape(behind, " dd aaa dddd dd:dd:dd GMT") ||
                                has_shape(behind, " dd-aaa-dd dd:dd:dd GMT"));
    return has_shape(value, "aaa aaa dd dd:dd:dd dddd") ||
           has_shape(value, "aaa aaa  d dd:dd:dd dddd"); /* asctime */
}

int64_t retry_after_ms(struct slice value, wall_ms now)
{
    char text[VALUE_MAX + 1];
    value = slice_trim(value);
    if (value.len == 0 || value.len > VALUE_MAX)
        return -1;
    memcpy(text, value.ptr, value.len);
    text[value.len] = '\0';
    if (strspn(text, "0123456789") == value.len)
        return from_seconds(value);
    if (!is_http_date(value))
        return -1;
    int64_t at_s = curl_getdate(text, NULL);
    if (at_s < 0)
        return -1;
    int64_t wait = at_s * 1000 - now;
    if (wait < 0)
        return 0;
    return wait < RETRY_AFTER_MAX_MS ? wait : RETRY_AFTER_MAX_MS;
}
