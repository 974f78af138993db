/* hang_names - loaded with LD_PRELOAD: looking up a name that starts with "hang" takes ten seconds and fails,
 * as with a name server that does not answer. Of names under .lookup.example "unknown" does not exist, "refused"
 * is refused, "private" has the address 10.0.0.1 and "many" has a thousand of loopback. For those who do not ask libc: if $HANG_RESOLV_CONF names a file,
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

/* A thousand addresses are one list; freeaddrinfo() takes it, as glibc's are made piece by piece too. */
static int many(lookup_fn lookup, const char *service, const struct addrinfo *hints,
                struct addrinfo **result)
{
    struct addrinfo **tail = result;
    *result = NULL;
    for (int i = 0; i < 1000; i++) {
        int rc = lookup("127.0.0.1", service, hints, tail);
        if (rc != 0)
            return rc;
        while (*tail)
            tail = &(*tail)->ai_next;
    }
    return 0;
}

static bool is_of(const char *name, const char *kind)
{
    size_t len = strlen(kind);
    return strncmp(name, kind, len) == 0 && strcmp(name + len, ".lookup.example") == 0;
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **result)
{
    lookup_fn lookup = (lookup_fn)dlsym(RTLD_NEXT, "getaddrinfo");
    bool numeric = hints && hints->ai_flags & AI_NUMERICHOST; /* no name server is asked then */
    if (name && !numeric) {
        if (is_of(name, "unknown"))
            return EAI_NONAME;
        if (is_of(name, "refused"))
            return EAI_AGAIN;
        if (is_of(name, "private"))
            return lookup("10.0.0.1", service, hints, result);
        if (is_of(name, "many"))
            return many(lookup, service, hints, result);
    }
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
