#include "receiver/api/api_time.h"

#include "common/base/text.h"

#include <stdio.h>
#include <time.h>

#define DAY_S 86400
#define BARE_LEN 19 /* without the offset */

void api_time_write(wall_ms at, char out[API_TIME_LEN + 1])
{
    char iso[CLOCK_ISO_LEN + 1];
    clock_iso(at, iso);
    snprintf(out, API_TIME_LEN + 1, "%.10s %.8s +00:00", iso, iso + 11);
}

/* The two digits at S + AT, at most MAX. */
static bool two_digits(struct slice s, size_t at, unsigned min, unsigned max, unsigned *out)
{
    uint64_t n;
    if (text_u64(slice_make(s.ptr + at, 2), max, &n) != OK || n < min)
        return false;
    *out = (unsigned)n;
    return true;
}

static bool read_offset(struct slice s, int *seconds)
{
    unsigned hours, minutes;
    *seconds = 0;
    if (s.len == 0)
        return true;
    if (s.len != 7 || s.ptr[0] != ' ' || (s.ptr[1] != '+' && s.ptr[1] != '-') || s.ptr[4] != ':' ||
        !two_digits(s, 2, 0, 14, &hours) || !two_digits(s, 5, 0, 59, &minutes))
        return false;
    *seconds = (int)(hours * 3600 + minutes * 60);
    if (s.ptr[1] == '-')
        *seconds = -*seconds;
    return true;
}

bool api_time_read(struct slice text, wall_ms *at)
{
    unsigned century, year, month, day, hour, minute, second;
    int offset;
    if (text.len < BARE_LEN || text.ptr[4] != '-' || text.ptr[7] != '-' || text.ptr[10] != ' ' ||
        text.ptr[13] != ':' || text.ptr[16] != ':')
        return false;
    if (!two_digits(text, 0, 19, 99, &century) || !two_digits(text, 2, 0, 99, &year) ||
        !two_digits(text, 5, 1, 12, &month) || !two_digits(text, 8, 1, 31, &day) ||
        !two_digits(text, 11, 0, 23, &hour) || !two_digits(text, 14, 0, 59, &minute) ||
        !two_digits(text, 17, 0, 59, &second) || !read_offset(slice_skip(text, BARE_LEN), &offset))
        return false;
    struct tm tm = {.tm_year = (int)(century * 100 + year) - 1900,
                    .tm_mon = (int)month - 1,
                    .tm_mday = (int)day,
                    .tm_hour = (int)hour,
                    .tm_min = (int)minute,
                    .tm_sec = (int)second};
    time_t t = timegm(&tm);
    if (tm.tm_mday != (int)day) /* the 31st of a shorter month */
        return false;
    *at = ((wall_ms)t - offset) * 1000;
    return true;
}
