#include "common/base/clock.h"

#include <stdio.h>
#include <time.h>

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

void clock_iso(wall_ms at, char out[CLOCK_ISO_LEN + 1])
{
    time_t s = (time_t)(at / 1000);
    struct tm tm;
    gmtime_r(&s, &tm);
    char text[64];
    snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900,
             tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(at % 1000));
    snprintf(out, CLOCK_ISO_LEN + 1, "%.*s", CLOCK_ISO_LEN, text);
}
