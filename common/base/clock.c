#include "common/base/clock.h"

#include <string.h>
#include <time.h>

#define ISO_LAST_MS INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */

static int64_t read_clock(clockid_t id, int64_t per_s)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * per_s + ts.tv_nsec / (1000000000 / per_s);
}

mono_us clock_mono_us(void)
{
    return read_clock(CLOCK_MONOTONIC, 1000000);
}

wall_ms clock_wall_ms(void)
{
    return read_clock(CLOCK_REALTIME, 1000);
}

/* The last DIGITS of N, right before END. */
static void put_digits(char *end, int n, int digits)
{
    for (; digits > 0; digits--, n /= 10)
        *--end = (char)('0' + n % 10);
}

/* By hand: snprintf took a twentieth of what accepting an event takes. */
void clock_iso(wall_ms at, char out[CLOCK_ISO_LEN + 1])
{
    if (at < 0)
        at = 0;
    if (at > ISO_LAST_MS)
        at = ISO_LAST_MS;
    time_t s = (time_t)(at / 1000);
    struct tm tm;
    gmtime_r(&s, &tm);
    memcpy(out, "0000-00-00T00:00:00.000Z", CLOCK_ISO_LEN + 1);
    put_digits(out + 4, tm.tm_year + 1900, 4);
    put_digits(out + 7, tm.tm_mon + 1, 2);
    put_digits(out + 10, tm.tm_mday, 2);
    put_digits(out + 13, tm.tm_hour, 2);
    put_digits(out + 16, tm.tm_min, 2);
    put_digits(out + 19, tm.tm_sec, 2);
    put_digits(out + 23, (int)(at % 1000), 3);
}

const char *clock_iso_again(struct clock_text *last, wall_ms at)
{
    if (last->text[0] && at >= 0 && at <= ISO_LAST_MS && at / 1000 == last->second)
        put_digits(last->text + 23, (int)(at % 1000), 3);
    else
        clock_iso(at, last->text);
    last->second = at / 1000;
    return last->text;
}

/* The number of DIGITS digits at P, or -1. */
static int read_digits(const char *p, int digits)
{
    int n = 0;
    for (; digits > 0; digits--, p++) {
        if (*p < '0' || *p > '9')
            return -1;
        n = n * 10 + (*p - '0');
    }
    return n;
}

/* "Z", "+01:00" or "-01:00": all of the LEN bytes at P. */
static bool read_zone(const char *p, size_t len, int *seconds)
{
    *seconds = 0;
    if (len == 1)
        return *p == 'Z' || *p == 'z';
    if (len != 6 || (*p != '+' && *p != '-') || p[3] != ':')
        return false;
    int hours = read_digits(p + 1, 2), minutes = read_digits(p + 4, 2);
    *seconds = (hours * 60 + minutes) * (*p == '-' ? -60 : 60);
    return hours >= 0 && hours <= 23 && minutes >= 0 && minutes <= 59;
}

/* ".123": returns how many bytes it takes; 0 if there is none. */
static size_t read_fraction(const char *p, size_t len, int *ms)
{
    size_t n = 1;
    int weight = 100;
    *ms = 0;
    if (len < 2 || *p != '.')
        return 0;
    for (; n < len && p[n] >= '0' && p[n] <= '9'; n++, weight /= 10)
        *ms += (p[n] - '0') * weight;
    return n > 1 ? n : 0;
}

bool clock_read_iso(const char *text, size_t len, wall_ms *at)
{
    enum { BARE = 19 };
    if (len <= BARE || text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != 't') ||
        text[13] != ':' || text[16] != ':')
        return false;
    int ms, offset;
    size_t fraction = read_fraction(text + BARE, len - BARE, &ms);
    if (!read_zone(text + BARE + fraction, len - BARE - fraction, &offset))
        return false;
    struct tm tm = {.tm_year = read_digits(text, 4) - 1900,
                    .tm_mon = read_digits(text + 5, 2) - 1,
                    .tm_mday = read_digits(text + 8, 2),
                    .tm_hour = read_digits(text + 11, 2),
                    .tm_min = read_digits(text + 14, 2),
                    .tm_sec = read_digits(text + 17, 2)};
    struct tm real = tm;
    time_t s = timegm(&real); /* changes REAL if a field is out of its range */
    if (tm.tm_year < 70 || tm.tm_mon < 0 || real.tm_mon != tm.tm_mon ||
        real.tm_mday != tm.tm_mday || real.tm_hour != tm.tm_hour || real.tm_min != tm.tm_min ||
        real.tm_sec != tm.tm_sec)
        return false;
    *at = ((wall_ms)s - offset) * 1000 + ms;
    return true;
}
