/* companion - decides which headers of a webhook are stored with its event and sent on.   [pure] */
#ifndef COMMON_WEBHOOK_COMPANION_H
#define COMMON_WEBHOOK_COMPANION_H

#include "common/base/slice.h"
#include "common/webhook/scheme.h"

#define COMPANION_BYTES_MAX 4096 /* names, values and separators of one event together */

struct companion_rules { /* all borrowed */
    /* The glob patterns (any case) of the source's keep_headers. NULL means the default: x-*, ce-*, shopify-*, linear-*, webflow-*,
     * traceparent, tracestate and baggage. */
    const char *const *keep;
    size_t keep_count;
    const struct scheme *scheme; /* or NULL */
    bool keep_signature;         /* the headers of SCHEME that carry its signature travel too */
};

/* True if the header NAME travels with the event. These never travel:
 * - headers of HEADERS_THAT_STAY (special_headers.h);
 * - the signature headers of the scheme, unless keep_signature is set.
 * Headers of HEADER_PROXY travel only if a pattern names them, not by a pattern like "x-*". */
bool companion_keeps(struct slice name, const struct companion_rules *rules);
/* Says why no header that PATTERN matches can ever travel; NULL if some can. */
const char *companion_pattern_fault(struct slice pattern, const struct companion_rules *rules);

/* The trace id of W3C Trace Context: by it the logs of several programs fit together. */
#define TRACE_ID_LEN 32

/* Is NAME a header of W3C Trace Context: traceparent or tracestate? */
bool companion_is_trace(struct slice name);
/* The trace id in the value of a traceparent header, 32 hex digits in lower case. Empty if the value is none. */
struct slice trace_id_of(struct slice traceparent);
/* The same for the header in LINES ("Name: value\r\n" each). Empty if there is none. */
struct slice trace_id_in(struct slice lines);

#endif
