#include "common/base/fault.h"

#ifdef HOOKPACE_FAULTS

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

void fault_point(const char *name)
{
    static atomic_ulong passes; /* of the one chosen point, over all threads */
    const char *chosen = getenv("HOOKPACE_FAULT_AT");
    size_t len = strlen(name);
    if (!chosen || strncmp(chosen, name, len) != 0)
        return;
    const char *rest = chosen + len;
    if (*rest && *rest != ':' && *rest != '!')
        return;
    unsigned long nth = *rest == ':' ? strtoul(rest + 1, NULL, 10) : 1;
    if (atomic_fetch_add(&passes, 1) + 1 == nth)
        raise(strstr(rest, "!stop") ? SIGSTOP : SIGKILL);
}

#endif
