#include "common/queue/take/server_clock.h"

/* Each clock is slewed by at most 500 us a second, so both together differ by 1 in DRIFT. */
#define DRIFT 1000
#define SHOWN_MAX (INT64_C(1) << 53) /* scripts count in doubles */

mono_us server_clock_note(struct server_clock *c, mono_us asked, int64_t shown, mono_us replied)
{
    if (shown <= 0 || shown > SHOWN_MAX)
        return replied;
    mono_us ahead = replied - shown;
    mono_us before = c->ahead + (replied - c->noted_at) / DRIFT + 1;
    bool is_set_back = shown + before < asked; /* it would have shown this before the question */
    if (c->is_known && before < ahead && !is_set_back)
        return shown + before;
    *c = (struct server_clock){true, ahead, replied};
    return replied;
}
