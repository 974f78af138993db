#include "dispatcher/transport/own_addrs.h"

#include <errno.h>
#include <ifaddrs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/alloc.h"
#include "common/base/log.h"

#define AGE_MAX_US 10000000

void own_addrs_init(struct own_addrs *o)
{
    *o = (struct own_addrs){0};
}

void own_addrs_clear(struct own_addrs *o)
{
    free(o->list);
    own_addrs_init(o);
}

void own_addrs_refresh(struct own_addrs *o, mono_us now)
{
    struct ifaddrs *all;
    if (o->is_read && now - o->read_at < AGE_MAX_US)
        return;
    o->is_read = true;
    o->read_at = now;
    if (getifaddrs(&all) != 0) { /* those known so far stay known */
        LOG_RARELY(LL_WARN, "addresses.unknown", LS("error", strerror(errno)));
        return;
    }
    o->count = 0;
    for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
        if (!i->ifa_addr ||
            (i->ifa_addr->sa_family != AF_INET && i->ifa_addr->sa_family != AF_INET6))
            continue;
        o->list = xrealloc(o->list, o->count + 1, sizeof *o->list);
        addr_from_sockaddr(i->ifa_addr, &o->list[o->count++]);
    }
    freeifaddrs(all);
}
