/* special_headers - the one table of header names that a webhook may not use as it likes, and why.   [pure] */
#ifndef COMMON_WEBHOOK_SPECIAL_HEADERS_H
#define COMMON_WEBHOOK_SPECIAL_HEADERS_H

#include "common/base/slice.h"

enum {
    HEADER_FRAMING =
        1,           /* says where the message ends or what its body is: cannot carry a signature */
    HEADER_HOP = 2,  /* belongs to one connection (RFC 9110 7.6.1) */
    HEADER_OURS = 4, /* the dispatcher sets it itself */
    HEADER_CREDENTIAL = 8, /* shows who the sender is to us, or we to the downstream */
    HEADER_SENDER = 16,    /* is about the sender's own request, not about the event */
    HEADER_PROXY =
        32 /* names proxies, or makes a proxy or framework read the request as another one */
};
/* The configuration may not set these for a destination. */
#define HEADERS_OF_A_REQUEST (HEADER_FRAMING | HEADER_HOP | HEADER_OURS)
/* These never travel with an event. */
#define HEADERS_THAT_STAY                                                                          \
    (HEADER_FRAMING | HEADER_HOP | HEADER_OURS | HEADER_CREDENTIAL | HEADER_SENDER)

/* The flags of NAME (any case, `_` counts as `-`); 0 if nothing is special about it. NAME may be a pattern with `*`: a flag then holds
 * for each name that the pattern matches. */
unsigned special_header(struct slice name);

#endif
