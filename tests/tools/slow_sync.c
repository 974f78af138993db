/* slow_sync - loaded with LD_PRELOAD: a slow disk that logs each byte range that is safe.
 *
 * Each fsync and fdatasync takes $SLOW_SYNC_MS longer. $SLOW_SYNC_LOG gets a line for each that is done:
 * CLOCK_MONOTONIC (ns) and size when it began, path. After a loss of power the file has at least these bytes. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

typedef int (*sync_fn)(int);

static void note(const struct timespec *at, const struct stat *before, int fd)
{
    const char *log = getenv("SLOW_SYNC_LOG");
    FILE *out = log ? fopen(log, "ae") : NULL;
    if (!out)
        return;
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    fprintf(out, "%lld %lld %s\n", (long long)at->tv_sec * 1000000000 + at->tv_nsec,
            (long long)before->st_size, path);
    fclose(out);
}

static int slowly(const char *function, int fd)
{
    sync_fn sync_it = (sync_fn)dlsym(RTLD_NEXT, function);
    const char *text = getenv("SLOW_SYNC_MS");
    long ms = text ? strtol(text, NULL, 10) : 0;
    struct timespec at;
    struct stat before = {0};
    clock_gettime(CLOCK_MONOTONIC, &at);
    fstat(fd, &before);
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
    int rc = sync_it(fd);
    if (rc == 0)
        note(&at, &before, fd);
    return rc;
}

int fsync(int fd)
{
    return slowly("fsync", fd);
}

int fdatasync(int fd)
{
    return slowly("fdatasync", fd);
}
