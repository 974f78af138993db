/* kinds - what an event or a delivery is, and the words for it in Redis.   [pure]
 *
 * Nothing reads a kind off a name: names of sources, destinations, lanes and accounts are only names.
 */
#ifndef COMMON_CONFIG_KINDS_H
#define COMMON_CONFIG_KINDS_H

#include "common/base/slice.h"

#include <stdbool.h>

enum event_kind {
    EVENT_WEBHOOK,     /* came through a source, or was fetched after an announcement */
    EVENT_TASK,        /* an account set it through the API */
    EVENT_ANNOUNCEMENT /* says that a result is ready, which the dispatcher then fetches */
};

enum delivery_kind {
    DELIVERY_POSTBACK, /* a POST that carries the event */
    DELIVERY_PINGBACK, /* a GET that only announces the event */
    DELIVERY_FETCH     /* a GET that brings the result of an announcement */
};

/* The kind of body that a source's webhooks carry. The order is that of the words in config_table.c. */
enum payload_kind {
    PAYLOAD_JSON,
    PAYLOAD_FORM, /* application/x-www-form-urlencoded */
    PAYLOAD_ANY
};

/* Where an id or tag is looked for. */
enum pick_kind {
    PICK_JSON,   /* a JSON pointer into the body */
    PICK_HEADER, /* a header of the request */
    PICK_FORM    /* a field of a form */
};

/* How the servers of the queue are found. */
enum redis_mode {
    REDIS_SINGLE,   /* there is one server, at an address that is known */
    REDIS_SENTINEL, /* sentinels say which server is the master */
    REDIS_CLUSTER   /* the servers of a cluster say which of them has what */
};

/* "webhook", "task", "announcement" */
const char *event_kind_word(enum event_kind kind);
/* "postback", "pingback", "fetch" */
const char *delivery_kind_word(enum delivery_kind kind);
/* False if WORD names no kind; *OUT is then left alone. */
bool event_kind_read(struct slice word, enum event_kind *out);
bool delivery_kind_read(struct slice word, enum delivery_kind *out);
/* "standalone", "sentinel", "cluster" */
const char *redis_mode_word(enum redis_mode mode);

#endif
