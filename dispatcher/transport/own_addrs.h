/* own_addrs - the addresses of this machine's interfaces.   [edge: getifaddrs]
 *
 * A public address may be one of them, and a service that listens there is often meant for this machine alone. Addresses
 * that lead here without being on an interface (a NAT in front, a floating address) are not known.
 */
#ifndef DISPATCHER_OWN_ADDRS_H
#define DISPATCHER_OWN_ADDRS_H

#include "common/base/clock.h"
#include "common/net/addr.h"

struct own_addrs {
    struct addr *list;
    size_t count;
    mono_us read_at;
    bool is_read;
};

void own_addrs_init(struct own_addrs *o);
void own_addrs_clear(struct own_addrs *o);
/* Reads them again if the last time was more than ten seconds before NOW: addresses come and go. */
void own_addrs_refresh(struct own_addrs *o, mono_us now);

#endif
