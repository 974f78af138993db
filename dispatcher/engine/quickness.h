/* quickness - does a destination answer so quickly that its next deliveries should be at hand?   [pure]
 */
#ifndef DISPATCHER_QUICKNESS_H
#define DISPATCHER_QUICKNESS_H

#include <stdbool.h>
#include <stdint.h>

struct quickness {  /* plain value; zero to begin with: not quick */
    double mean_ms; /* of the last attempts, the newest counting most */
    unsigned seen;
    bool is_quick;
};

/* An attempt ended after DURATION_MS; OK if with a 2xx. True if the judgement changed. */
bool quickness_note(struct quickness *q, int64_t duration_ms, bool ok);

#endif
