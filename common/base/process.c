#include "common/base/process.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

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
