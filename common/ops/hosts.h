/* hosts - judges the Host header of a request against the names that the operators' listener has.   [pure]
 *
 * It keeps off DNS rebinding: a page of another site makes its own name lead to our address, and the browser then takes us for that
 * site. Such a request has the other site's name as Host. Nobody can rebind an address, so addresses and "localhost" always fit.
 */
#ifndef COMMON_OPS_HOSTS_H
#define COMMON_OPS_HOSTS_H

#include "common/base/slice.h"

#include <stdbool.h>
#include <stddef.h>

struct host_names {
    char *const *items;
    size_t count; /* 0: any name fits */
};

/* HOST is the value of the header, with or without a port. An empty HOST fits: only clients that are no browsers send none. */
bool hosts_fit(struct host_names names, struct slice host);

#endif
