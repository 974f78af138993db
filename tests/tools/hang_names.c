/* hang_names - loaded with LD_PRELOAD: looking up a name that starts with "hang" takes ten seconds and fails,
 * as with a name server that does not answer. */
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <time.h>

typedef int (*lookup_fn)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **result)
{
    lookup_fn lookup = (lookup_fn)dlsym(RTLD_NEXT, "getaddrinfo");
    if (!name || strncmp(name, "hang", 4) != 0)
        return lookup(name, service, hints, result);
    nanosleep(&(struct timespec){.tv_sec = 10}, NULL);
    return EAI_AGAIN;
}
