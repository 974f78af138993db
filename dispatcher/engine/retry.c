#include "dispatcher/engine/retry.h"

#include "common/base/text.h"

#define VALUE_MAX 64 /* the longest legal date has 33 bytes */

bool retry_is_left(const struct retry_schedule *s, unsigned attempt)
{
    return attempt <= s->count;
}

int64_t retry_wait_ms(const struct retry_schedule *s, unsigned attempt, double random,
                      int64_t after_ms)
{
    size_t row = attempt ? attempt - 1 : 0;
    int64_t wait = 0;
    if (s->count)
        wait = s->waits_ms[row < s->count ? row : s->count - 1];
    wait += (int64_t)((double)wait * s->jitter * random);
    return after_ms > wait ? after_ms : wait;
}

static bool all_digits(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
    return s.len > 0;
}

static int64_t from_seconds(struct slice digits)
{
    uint64_t seconds;
    if (text_u64(digits, UINT64_MAX, &seconds) != OK || seconds > RETRY_AFTER_MAX_MS / 1000)
        return RETRY_AFTER_MAX_MS; /* more digits than fit are a long time too */
    return (int64_t)seconds * 1000;
}

/* Reads a number of exactly N digits off the front of *S. */
static bool take_number(struct slice *s, size_t n, unsigned *out)
{
    uint64_t v;
    if (s->len < n || text_u64(slice_make(s->ptr, n), 9999, &v) != OK)
        return false;
    *out = (unsigned)v;
    *s = slice_skip(*s, n);
    return true;
}

static bool take_char(struct slice *s, char c)
{
    if (!s->len || s->ptr[0] != c)
        return false;
    *s = slice_skip(*s, 1);
    return true;
}

static bool take_month(struct slice *s, unsigned *month)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    if (s->len < 3)
        return false;
    for (unsigned i = 0; i < 12; i++)
        if (memcmp(names + 3 * i, s->ptr, 3) == 0) {
            *month = i + 1;
            *s = slice_skip(*s, 3);
            return true;
        }
    return false;
}

struct date {
    unsigned year, month, day, hour, minute, second;
};

static bool take_clock(struct slice *s, struct date *d)
{
    return take_number(s, 2, &d->hour) && take_char(s, ':') && take_number(s, 2, &d->minute) &&
           take_char(s, ':') && take_number(s, 2, &d->second);
}

static bool ends_gmt(struct slice s)
{
    return slice_eq(s, SLICE_LIT(" GMT"));
}

/* "Sun, 06 Nov 1994 08:49:37 GMT", behind the comma and its space. */
static bool read_imf(struct slice s, struct date *d)
{
    return take_number(&s, 2, &d->day) && take_char(&s, ' ') && take_month(&s, &d->month) &&
           take_char(&s, ' ') && take_number(&s, 4, &d->year) && take_char(&s, ' ') &&
           take_clock(&s, d) && ends_gmt(s);
}

/* "Sunday, 06-Nov-94 08:49:37 GMT", behind the comma and its space. A two-digit year that looks
 * more than 50 years ahead is of the past century; dates here are near, so the pivot 70 does the
 * same. */
static bool read_rfc850(struct slice s, struct date *d)
{
    if (!take_number(&s, 2, &d->day) || !take_char(&s, '-') || !take_month(&s, &d->month) ||
        !take_char(&s, '-') || !take_number(&s, 2, &d->year) || !take_char(&s, ' ') ||
        !take_clock(&s, d) || !ends_gmt(s))
        return false;
    d->year += d->year < 70 ? 2000 : 1900;
    return true;
}

/* "Nov  6 08:49:37 1994", behind the name of the day. */
static bool read_asctime(struct slice s, struct date *d)
{
    if (!take_month(&s, &d->month) || !take_char(&s, ' '))
        return false;
    bool one_digit = take_char(&s, ' ');
    return take_number(&s, one_digit ? 1 : 2, &d->day) && take_char(&s, ' ') && take_clock(&s, d) &&
           take_char(&s, ' ') && take_number(&s, 4, &d->year) && s.len == 0;
}

static bool is_possible(const struct date *d)
{
    return d->year >= 1970 && d->day >= 1 && d->day <= 31 && d->hour < 24 && d->minute < 60 &&
           d->second <= 60;
}

/* Days since 1970-01-01 of a date of the Gregorian calendar, counted from 1 March so that the leap
 * day comes last (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms"). */
static int64_t days_since_1970(const struct date *d)
{
    int64_t y = (int64_t)d->year - (d->month <= 2);
    int64_t era = y / 400;
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * ((int64_t)d->month + (d->month > 2 ? -3 : 9)) + 2) / 5 + d->day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool read_date(struct slice value, struct date *d)
{
    struct slice rest = value;
    struct slice name = slice_cut(&rest, ',');
    if (rest.ptr) /* a comma: one of the first two formats */
        return name.len >= 3 && take_char(&rest, ' ') &&
               (read_imf(rest, d) || read_rfc850(rest, d));
    rest = value;
    name = slice_cut(&rest, ' ');
    return name.len == 3 && read_asctime(rest, d);
}

int64_t retry_after_ms(struct slice value, wall_ms now)
{
    value = slice_trim(value);
    if (value.len == 0 || value.len > VALUE_MAX)
        return -1;
    if (all_digits(value))
        return from_seconds(value);
    struct date d = {0};
    if (!read_date(value, &d) || !is_possible(&d))
        return -1;
    int64_t at = (days_since_1970(&d) * 86400 + d.hour * 3600 + d.minute * 60 + d.second) * 1000;
    int64_t wait = at - now;
    if (wait < 0)
        return 0;
    return wait < RETRY_AFTER_MAX_MS ? wait : RETRY_AFTER_MAX_MS;
}
