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

/* In SHAPE `a` means a letter, `d` a digit, `y` a digit that is not 0, and any other character itself. */
static bool has_shape(struct slice s, const char *shape)
{
    if (s.len != strlen(shape))
        return false;
    for (size_t i = 0; i < s.len; i++) {
        bool fits = s.ptr[i] == shape[i];
        if (shape[i] == 'a')
            fits = is_letter(s.ptr[i]);
        else if (shape[i] == 'd' || shape[i] == 'y')
            fits = is_digit(s.ptr[i]) && (shape[i] == 'd' || s.ptr[i] != '0');
        if (!fits)
            return false;
    }
    return true;
}

/* "Sun" and "Sunday" are. libcurl itself refuses longer words that are none. */
static bool is_weekday(struct slice word)
{
    static const char names[] = "SunMonTueWedThuFriSat";
    bool is_known = false;
    for (size_t i = 0; i < word.len; i++)
        if (!is_letter(word.ptr[i]))
            return false;
    for (size_t i = 0; word.len >= 3 && i < 7; i++)
        is_known |= memcmp(names + 3 * i, word.ptr, 3) == 0;
    return is_known;
}

/* DAY points to two characters: two digits, or a space and a digit. */
static bool is_day_of_month(const char *day)
{
    int n = (day[0] == ' ' ? 0 : day[0] - '0') * 10 + day[1] - '0';
    return n >= 1 && n <= 31;
}

static bool is_asctime(struct slice value)
{
    return (has_shape(value, "aaa aaa dd dd:dd:dd yddd") ||
            has_shape(value, "aaa aaa  d dd:dd:dd yddd")) &&
           is_weekday(slice_make(value.ptr, 3)) && is_day_of_month(value.ptr + 8);
}

/* curl_getdate guesses at a date in almost any text ("noon", "2024", half a date, a 44th of November). A server that sent
 * such a thing did not say when to come back, so only the three formats of the standard reach it. */
static bool is_http_date(struct slice value)
{
    struct slice behind = value;
    struct slice day = slice_cut(&behind, ',');
    if (!behind.ptr) /* no comma */
        return is_asctime(value);
    return is_weekday(day) &&
           (has_shape(behind, " dd aaa yddd dd:dd:dd GMT") || /* IMF-fixdate */
            has_shape(behind, " dd-aaa-dd dd:dd:dd GMT")) &&  /* RFC 850 */
           is_day_of_month(behind.ptr + 1);
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
