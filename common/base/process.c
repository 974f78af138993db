#include "common/base/process.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

void process_raise_files(void)
{
    struct rlimit l;
    if (getrlimit(RLIMIT_NOFILE, &l) != 0 || l.rlim_cur == l.rlim_max)
        return;
    l.rlim_cur = l.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &l);
}

unsigned process_files_max(void)
{
    struct rlimit l;
    return getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur < UINT_MAX ? (unsigned)l.rlim_cur
                                                                      : UINT_MAX;
}

static double open_files(void)
{
    DIR *dir = opendir("/proc/self/fd");
    if (!dir)
        return -1;
    double n = -3; /* "." and "..", and the directory itself */
    /* cppcheck-suppress readdirCalled ; the stream is this call's own, and readdir_r is deprecated */
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

/* The fields of /proc/self/stat behind the name of the program, which may have spaces and brackets (proc(5)). */
static void read_stat(struct process_usage *out)
{
    char text[1024];
    FILE *file = fopen("/proc/self/stat", "re");
    size_t len = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file)
        fclose(file);
    text[len] = 0;
    const char *rest = strrchr(text, ')');
    unsigned long long started, virtual_bytes;
    long pages;
    /* NOLINTNEXTLINE(cert-err34-c): the kernel's own numbers */
    if (!rest || sscanf(rest + 1,
                        " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d "
                        "%*d %llu %llu %ld",
                        &started, &virtual_bytes, &pages) != 3)
        return;
    struct timespec up, wall;
    clock_gettime(CLOCK_BOOTTIME, &up);
    clock_gettime(CLOCK_REALTIME, &wall);
    double booted =
        (double)wall.tv_sec - (double)up.tv_sec + (double)(wall.tv_nsec - up.tv_nsec) / 1e9;
    out->started_s = booted + (double)started / (double)sysconf(_SC_CLK_TCK);
    out->virtual_bytes = (double)virtual_bytes;
    out->rss_bytes = (double)pages * (double)sysconf(_SC_PAGESIZE);
}

void process_read_usage(struct process_usage *out)
{
    struct timespec cpu;
    *out = (struct process_usage){-1, -1, -1, -1, -1};
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu) == 0)
        out->cpu_s = (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9;
    out->open_files = open_files();
    read_stat(out);
}

void process_hide_memory(void)
{
    const char *wanted = getenv("HOOKPACE_CORE_DUMPS");
    if (wanted && strcmp(wanted, "1") == 0)
        return;
    struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none);
    /* The limit does not hold for a core_pattern that is a pipe, such as systemd-coredump. */
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}
