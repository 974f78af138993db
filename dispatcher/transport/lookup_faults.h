/* lookup_faults - did a name lookup fail for now, or is there no such name?   [edge: getaddrinfo]
 *
 * libcurl reports every failed lookup as "Could not resolve host", and keeps getaddrinfo's reason to itself. An unknown
 * name and a name server that is away need different people, so this module notes the reason. It defines getaddrinfo
 * for the whole program, passes each call on to libc, and remembers the last failures.
 */
#ifndef DISPATCHER_LOOKUP_FAULTS_H
#define DISPATCHER_LOOKUP_FAULTS_H

#include "common/base/slice.h"

#include <stdbool.h>

/* True if the last failed lookup of HOST got no certain answer: the name may exist. Thread-safe. */
bool lookup_failed_for_now(struct slice host);

#endif
