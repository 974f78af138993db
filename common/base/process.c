#include "common/base/process.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define KEPT_ALWAYS 280 /* 256 connections of the admin listener, and what a process has */
#define KEPT_THREAD 72  /* refusals, and what a thread has */
#define REFUSALS 64
#define KEPT_MIN 16 /* of a dispatcher */
#define KEPT_MAX 320
#define KEPT_SHARE 8

void process_raise_files(void)
{
    struct rlimit l;
    if (getrlimit(RLIMIT_NOFILE, &l) != 0 || l.rlim_cur == l.rlim_max)
        return;
    l.rlim_cur = l.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &l);
}

static unsigned files_max(void)
{
    struct rlimit l;
    return getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur < UINT_MAX ? (unsigned)l.rlim_cur
                                                                      : UINT_MAX;
}

struct process_files process_share_files(unsigned threads)
{
    struct process_files f = {.open = files_max(), .refusals = REFUSALS};
    unsigned kept = KEPT_ALWAYS + KEPT_THREAD * threads;
    if (kept > f.open / 2) {
        kept = f.open / 2;
        f.refusals = kept / 4 / threads + 1;
    }
    f.clients = f.open - kept;
    return f;
}

unsigned process_files_for_calls(void)
{
    unsigned all = files_max(), kept = all / KEPT_SHARE;
    if (kept < KEPT_MIN)
        kept = KEPT_MIN;
    if (kept > KEPT_MAX)
        kept = KEPT_MAX;
    return all > kept ? all - kept : 1;
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
