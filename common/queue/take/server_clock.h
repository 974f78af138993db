/* server_clock - what time it is here when a server's clock shows some time.   [pure]
 *
 * A reply with the server's time says only that its clock showed that time between the question and the reply. The reply
 * may have been under way for milliseconds, or have waited for this process. Among many replies some are quick. The
 * difference between both clocks is then nearly known, and holds for the slow ones too:
 *
 *   here       ──asked─────────────────────────replied──▶      the time shown is at most `replied` here, and at most
 *                  ╲              ╱‾‾‾‾‾‾‾‾‾‾‾‾                  what the quickest reply so far makes of it
 *   server     ─────╲────shown───╱────────────────────▶
 */
#ifndef COMMON_QUEUE_SERVER_CLOCK_H
#define COMMON_QUEUE_SERVER_CLOCK_H

#include "common/base/clock.h"

#include <stdbool.h>

struct
    server_clock { /* Plain value. Start with zeros: no reply has come. One for each server, and run of it. */
    bool is_known;
    mono_us ahead; /* by so much, at most, was this clock ahead of the server's at NOTED_AT */
    mono_us noted_at;
};

/* A reply came at REPLIED to what was asked at ASKED, both by this clock. Meanwhile the server's clock showed SHOWN us.
 * Returns when that was by this clock, or a little later. Never earlier, unless the server's clock was set back by less
 * than the question took. */
mono_us server_clock_note(struct server_clock *c, mono_us asked, int64_t shown, mono_us replied);

#endif
