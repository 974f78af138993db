/* request - builds what one attempt sends: URL, header lines and body.   [pure]
 *
 * The body leaves as it was received: providers' signatures and clients' parsers depend on every byte. Exception: the
 * destination's `gzip` rule. The signature covers the bytes that are sent.
 */
#ifndef DISPATCHER_REQUEST_H
#define DISPATCHER_REQUEST_H

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/config/config.h"
#include "common/queue/record.h"

struct request_rules { /* of one destination; everything borrowed */
    const struct url_template *url;
    enum delivery_kind
        kind;        /* only a postback has a body; nothing of the event travels with a fetch */
    bool is_account; /* the URL came with the event, which is a task */
    enum account_payload payload; /* of an account's postback */
    enum gzip_mode gzip;
    struct slice headers;      /* "Name: value\r\n" lines */
    const struct scheme *sign; /* or NULL */
    size_t inflated_max;       /* ceiling for GZIP_NEVER, bytes */
};

struct request_input { /* of one attempt; everything borrowed */
    const struct event *event;
    struct slice delivery_id;
    struct slice message_id; /* the same on all attempts */
    struct slice secret_id;  /* of the signing secret captured at acceptance */
    unsigned attempt;
    wall_ms now;
    size_t made_max; /* ceiling for an inflated body, bytes */
};

struct request {        /* Owned by whoever holds it; reused from attempt to attempt. */
    struct buf url;     /* ends in a NUL */
    struct buf headers; /* "Name: value\r\n" lines */
    struct buf made;    /* the body, where it is not the event's own bytes */
    struct slice body;  /* into `made` or the event; empty for a pingback */
};

enum request_verdict {
    REQUEST_OK,
    REQUEST_BAD_URL,  /* a value would change the URL's path, or it is too long */
    REQUEST_OVER_MAX, /* the body inflates to more than made_max, which is less than inflated_max */
    REQUEST_BAD_BODY, /* the body is damaged gzip or inflates to too much, or the headers pass their ceiling */
    REQUEST_LOCAL, /* signing failed in the library */
};

void request_init(struct request *r);
void request_clear(struct request *r);
/* Empties R and frees the memory of an unusually large body. */
void request_reset(struct request *r);

/* True if the body of E must be inflated for the request: the one case in which a request can be far larger than E. */
bool request_inflates(const struct request_rules *rules, const struct event *e);
/* About how many bytes request_build makes for a body of LEN bytes beside it. Inflated bytes do not count. */
size_t request_makes(const struct request_rules *rules, const struct event *e, size_t len);
/* True if request_build may take more than a few milliseconds. */
bool request_is_long(const struct request_rules *rules, const struct event *e);
/* Builds R. Its body may point into the event, so the event must outlive the attempt. */
enum request_verdict request_build(const struct request_rules *rules,
                                   const struct request_input *in, struct request *r);

#endif
