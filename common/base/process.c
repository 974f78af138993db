#include "common/base/process.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define KEPT_MIN 16
#define KEPT_MAX 320 /* 256 connections of the admin listener, and 64 */
#define KEPT_SHARE 8

void process_raise_files(void)
{
    struct rlimit l;
    if (getrlimit(RLIMIT_NOFILE, &l) != 0 || l.rlim_cur == l.rlim_max)
        return;
    l.rlim_cur = l.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &l);
}

unsigned process_files(void)
{
    struct rlimit l;
    if (getrlimit(RLIMIT_NOFILE, &l) != 0 || l.rlim_cur > UINT_MAX)
        return UINT_MAX;
    return (unsigned)l.rlim_cur;
}

unsigned process_files_for_clients(void)
{
    unsigned all = process_files(), kept = all / KEPT_SHARE;
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
