/* prefetch_rule - does a destination answer so fast that its next deliveries should be claimed ahead?   [pure]
 *
 * deliver.c explains what prefetching is for.
 */
#ifndef DISPATCHER_PREFETCH_RULE_H
#define DISPATCHER_PREFETCH_RULE_H

#include <stdbool.h>
#include <stdint.h>

struct prefetch_rule { /* Plain value. Start with zeros: no prefetching. */
    double mean_ms;    /* duration of the last attempts; newer ones weigh more */
    unsigned seen;     /* successes in a row, up to the number that is needed */
    bool is_on;
};

/* An attempt ended after DURATION_MS; OK if with a 2xx. True if is_on changed. */
bool prefetch_rule_note(struct prefetch_rule *p, int64_t duration_ms, bool ok);

#endif
