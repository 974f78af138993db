/* repeats - decides by what a repeat of a webhook is known.   [pure, on common/crypto] */
#ifndef RECEIVER_REPEATS_H
#define RECEIVER_REPEATS_H

#include "common/base/slice.h"
#include "common/config/config.h"

#define REPEAT_NAME_LEN 32

/* The facts about one webhook; all slices are borrowed. */
struct repeat_facts {
    enum source_repeats rule;
    struct slice message_id;       /* empty: the sender names no message */
    struct slice message_origin;   /* where that message id is unique (ce-source), or empty */
    struct slice signed_timestamp; /* its text, or empty */
    bool is_signed;                /* the signature covers the body */
    bool
        names_id; /* the body or the query names the event's id, or a header where nothing is signed */
    struct slice digest; /* of the body */
};

enum repeat_key {
    REPEAT_BY_EVENT, /* the source, id and body of the event that is stored */
    REPEAT_BY_NAME,
    REPEAT_NEVER
};

/* With REPEAT_BY_NAME, NAME gets REPEAT_NAME_LEN hex digits: a repeat has the same ones, and the same source. */
enum repeat_key repeat_key(const struct repeat_facts *f, char name[REPEAT_NAME_LEN]);

#endif
