/* shift_clock - loaded with LD_PRELOAD: the wall clock of one process, set by a test while it runs.
 *
 * $SHIFT_CLOCK names a file that begins with an int64_t in the machine's byte order: microseconds to add. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND INT64_C(1000000)

typedef int (*clock_fn)(clockid_t, struct timespec *);

static int64_t shift(void)
{
    static volatile const int64_t *shared;
    if (!shared) {
        const char *path = getenv("SHIFT_CLOCK");
        int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        if (fd < 0)
            abort();
        void *at = mmap(NULL, sizeof *shared, PROT_READ, MAP_SHARED, fd, 0);
        close(fd);
        if (at == MAP_FAILED)
            abort();
        shared = at;
    }
    return *shared;
}

static int64_t now_us(void)
{
    static clock_fn real;
    if (!real)
        real = (clock_fn)dlsym(RTLD_NEXT, "clock_gettime");
    struct timespec t;
    real(CLOCK_REALTIME, &t);
    return t.tv_sec * SECOND + t.tv_nsec / 1000 + shift();
}

int gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
    (void)tz;
    int64_t us = now_us();
    *tv = (struct timeval){.tv_sec = us / SECOND, .tv_usec = us % SECOND};
    return 0;
}

time_t time(time_t *out)
{
    time_t seconds = now_us() / SECOND;
    if (out)
        *out = seconds;
    return seconds;
}

int clock_gettime(clockid_t clock, struct timespec *t)
{
    if (clock == CLOCK_REALTIME) {
        int64_t us = now_us();
        *t = (struct timespec){.tv_sec = us / SECOND, .tv_nsec = us % SECOND * 1000};
        return 0;
    }
    clock_fn real = (clock_fn)dlsym(RTLD_NEXT, "clock_gettime");
    return real(clock, t);
}
