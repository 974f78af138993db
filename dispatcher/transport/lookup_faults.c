#include "dispatcher/transport/lookup_faults.h"

#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>
#include <string.h>

#define NAME_BYTES 256
/* The transport asks soon after the lookup, and runs few of them at a time (RESOLVING_MAX). */
#define NOTES_MAX 128

/* Global, because getaddrinfo has no context: libcurl calls it in a thread of its own for each lookup. */
static struct {
    pthread_mutex_t lock;
    struct note {
        char name[NAME_BYTES];
        int reason;
    } notes[NOTES_MAX];
    unsigned next; /* to be overwritten */
} faults = {.lock = PTHREAD_MUTEX_INITIALIZER};

typedef int (*lookup_fn)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

static struct note *find_note(struct slice name)
{
    for (size_t i = 0; i < NOTES_MAX; i++)
        if (slice_eq(slice_str(faults.notes[i].name), name))
            return &faults.notes[i];
    return NULL;
}

static void note_fault(const char *name, int reason)
{
    size_t len = strlen(name);
    if (len == 0 || len >= NAME_BYTES)
        return;
    pthread_mutex_lock(&faults.lock);
    struct note *n = find_note(slice_make(name, len));
    if (!n)
        n = &faults.notes[faults.next++ % NOTES_MAX];
    memcpy(n->name, name, len + 1);
    n->reason = reason;
    pthread_mutex_unlock(&faults.lock);
}

bool lookup_failed_for_now(struct slice host)
{
    if (host.len == 0)
        return false;
    pthread_mutex_lock(&faults.lock);
    const struct note *n = find_note(host);
    int reason = n ? n->reason : EAI_NONAME;
    pthread_mutex_unlock(&faults.lock);
    return reason != EAI_NONAME && reason != EAI_NODATA && reason != EAI_ADDRFAMILY;
}

/* libcurl finds this one, because the program's own symbols come before those of libc. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **out)
{
    lookup_fn lookup = (lookup_fn)dlsym(RTLD_NEXT, "getaddrinfo");
    if (!lookup)
        return EAI_FAIL;
    int rc = lookup(name, service, hints, out);
    if (rc != 0 && name)
        note_fault(name, rc);
    return rc;
}
