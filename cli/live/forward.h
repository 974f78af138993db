/* forward - reads one event from the receiver and sends it to a server of the user's.   [on cli/client]
 *
 * The steps: the event's page, its body, the request. If the receiver does not answer, the step is tried again for 15 s. The
 * request to the server is sent once.
 */
#ifndef CLI_LIVE_FORWARD_H
#define CLI_LIVE_FORWARD_H

#include "cli/commands.h"

struct forward;
struct url_template;

struct forward_rules { /* borrowed by the forward */
    const struct url_template *to;
    const char *
        destination; /* the requests are as this destination gets them; NULL: as the source got them */
    bool adds_query; /* a GET without variables in its URL gets the id and the tag as its query */
    long timeout_ms;
};

struct forward_outcome { /* all borrowed */
    bool is_nothing;     /* the destination has no delivery of the event yet; all else is empty */
    struct slice id;     /* of the delivery, or of the event */
    struct slice event;  /* the event's id */
    struct slice source, tag;
    const char *method;
    size_t bytes;            /* of the body that was sent */
    long status;             /* of the server's answer; 0: there is none */
    const char *error, *why; /* an error word and a sentence; NULL: there is an answer */
    int64_t ms;              /* the request took so long */
};

/* DONE is called for each forward_begin once. It may begin the next. */
struct forward *forward_new(struct client *c, const struct forward_rules *rules,
                            void (*done)(void *ctx, const struct forward_outcome *o), void *ctx);
void forward_free(struct forward *f); /* NULL is fine; ends what is under way */
bool forward_is_busy(const struct forward *f);
/* EVENT: the event's id; it is copied. ATTEMPT: what Hookpace-Attempt says. Only while F is not busy. */
void forward_begin(struct forward *f, struct slice event, int64_t attempt);
/* Goes on if it is time to. Returns after how many milliseconds it must run again. */
int64_t forward_turn(struct forward *f);

#endif
