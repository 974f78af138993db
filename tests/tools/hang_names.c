/* hang_names - loaded with LD_PRELOAD: looking up a name that starts with "hang" takes ten seconds and fails,
 * as with a name server that does not answer. For those who do not ask libc: if $HANG_RESOLV_CONF names a file,
 * it is read in place of /etc/resolv.conf. */
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef int (*lookup_fn)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
typedef int (*open_fn)(const char *, int, ...);

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **result)
{
    lookup_fn lookup = (lookup_fn)dlsym(RTLD_NEXT, "getaddrinfo");
    bool numeric = hints && hints->ai_flags & AI_NUMERICHOST; /* no name server is asked then */
    if (!name || numeric || strncmp(name, "hang", 4) != 0)
        return lookup(name, service, hints, result);
    nanosleep(&(struct timespec){.tv_sec = 10}, NULL);
    return EAI_AGAIN;
}

static int open_as(const char *function, const char *path, int flags, mode_t mode)
{
    open_fn open_it = (open_fn)dlsym(RTLD_NEXT, function);
    const char *instead = getenv("HANG_RESOLV_CONF");
    return open_it(instead && strcmp(path, "/etc/resolv.conf") == 0 ? instead : path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return open_as("open", path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return open_as("open64", path, flags, mode);
}
