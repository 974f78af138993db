/* json_events - reads one JSON document in pieces and reports its keys and values.   [pure]
 *
 * The only code here that knows the grammar of JSON (RFC 8259). json_scan, json_cut and json_parse are three users of
 * it. A document may arrive in pieces of any size: the events and the errors are the same however it is cut. Nothing is
 * allocated and no tree is built.
 *
 * It refuses NaN, comments, control characters, invalid UTF-8, and bytes other than white space around the document. Half a
 * surrogate pair and a byte order mark are accepted in what others send, not in our configuration: senders cut texts in the middle of an emoji. It also refuses numbers of over JSON_NUMBER_MAX bytes, and more nesting than the
 * rules allow.
 */
#ifndef COMMON_JSON_JSON_EVENTS_H
#define COMMON_JSON_JSON_EVENTS_H

#include "common/base/buf.h"
#include "common/base/slice.h"

#include <stdint.h>

#define JSON_NUMBER_MAX 1024 /* bytes of the longest number */
#define JSON_DEPTH_MAX 64    /* largest `depth` of json_rules */

struct json_rules {
    unsigned depth;      /* most arrays and objects inside each other */
    bool no_nul_in_keys; /* refuse \u0000 in a key, for readers that would end the key there */
    /* Accept a byte order mark in front of the document, and \ud800 without its other half, which
     * then reads as U+FFFD. */
    bool is_lenient;
};
extern const struct json_rules json_rules_body; /* of bodies: 64 deep, lenient */
extern const struct json_rules
    json_rules_tree; /* of documents that become trees: 32 deep, no NUL in keys */
extern const struct json_rules json_rules_received; /* the same for what others send: lenient */

enum json_event {
    JSON_EVENT_NONE, /* all bytes were read */
    JSON_EVENT_KEY, /* a key has ended; its first quote is at `token`, the byte behind it at `offset` */
    JSON_EVENT_BEGIN, /* a value begins; its first byte is at `token` */
    JSON_EVENT_END,   /* a value has ended; the byte behind it is at `offset` */
    JSON_EVENT_WRONG  /* the text is no such document: `wrong` says why, `wrong_at` where */
};

struct json_events { /* plain value; json_events_start fills it */
    /* The caller may read these between two calls, and set the first two. */
    int watch; /* report keys and values that lie in at most this many arrays and objects; -1: none */
    bool takes_text;  /* set it at BEGIN: append the text of this string or number to `text` */
    struct buf *text; /* of the caller, or NULL. Each reported key replaces what is in it */
    unsigned depth;   /* how many arrays and objects the reported key or value lies in */
    char kind;        /* of the reported value: its first byte, { [ " t f n - or a digit */
    size_t token, offset;
    const char *wrong; /* NULL while nothing is wrong */
    size_t wrong_at;

    /* Private. Positions count bytes from the start of the document. */
    const struct json_rules *rules;
    const char *piece; /* what `offset` is the position of */
    unsigned char state, number;
    bool in_key;
    uint64_t arrays;                 /* bit N: the container N levels up is an array */
    const char *literal;             /* what must follow */
    size_t mark;                     /* where the character or escape at hand begins */
    unsigned char more, least, most; /* bytes this character still has; range of the next one */
    unsigned char digits;            /* of \uXXXX still to come */
    uint32_t code, high;             /* of \uXXXX; the first half of a pair */
};

/* Gets E ready for a new document. RULES and TEXT (may be NULL) must live as long as E is used. */
void json_events_start(struct json_events *e, const struct json_rules *rules, int watch,
                       struct buf *text);
/* Reads on to the next event and takes what it has read off *REST. */
enum json_event json_events_next(struct json_events *e, struct slice *rest);
/* The document ends here. END if that ends a number, then call again; NONE if the document is complete, else WRONG. */
enum json_event json_events_finish(struct json_events *e);

#endif
