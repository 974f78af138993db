/* config_table - every key of the configuration, one row each.   [pure]
 *
 * These rows drive the reader, the defaults, the ranges, "did you mean", the freeing of what was read, the warnings at a
 * reload and the test of docs/reference/configuration.md. A new key needs a row here, a row in the docs, and nothing else.
 */
#ifndef COMMON_CONFIG_CONFIG_TABLE_H
#define COMMON_CONFIG_CONFIG_TABLE_H

#include "common/base/slice.h"

#include <stdint.h>

enum key_type {
    KEY_OBJECT,   /* always there: missing is the same as {} */
    KEY_OPTIONAL, /* an object that may be missing; enum config_given at its offset */
    KEY_MAP,      /* name -> object; struct raw_list */
    KEY_SHARED, /* no key: all rows of `children` belong to the object too, with their offsets from this one */
    KEY_INT,      /* int64_t; null, where that is the default, is -1 */
    KEY_UINT,     /* unsigned */
    KEY_SIZE,     /* size_t, bytes */
    KEY_DELAY,    /* int64_t by the delay rule (config_build); null is RAW_NO_DELAY */
    KEY_BOOL,     /* bool */
    KEY_SHARE,    /* double */
    KEY_CHOICE,   /* int: place in `choices`; null, where that is the default, is -1 */
    KEY_TEXT,     /* char *; min..max bytes */
    KEY_SECRET,   /* char *; min..max bytes, never shown */
    KEY_PATH,     /* char *; relative to the configuration's directory */
    KEY_TEXTS,    /* struct raw_texts; at most max */
    KEY_SECRETS,  /* struct raw_texts of secrets; at most max */
    KEY_WAITS,    /* struct raw_waits: seconds, each up to max */
    KEY_STATUSES, /* struct status_set: HTTP statuses from min to max */
    KEY_HEADERS,  /* struct raw_headers: name -> text */
};

#define SECRET_MIN 8
#define CONFIG_WAITS_MAX 50 /* of a KEY_WAITS */
#define CONFIG_VARIABLE_MAX 64

struct config_key {
    const char *path; /* "receiver.threads", "sources.*.id" */
    enum key_type type;
    size_t offset;        /* in the struct of the enclosing object */
    const char *children; /* objects: what the paths of their keys start with */
    size_t item_size;     /* KEY_MAP: bytes of an item */
    int64_t min, max;     /* of the value, or of its length */
    const char *choices;  /* KEY_CHOICE: "requeue|fifo" */
    const char *(*words)(
        size_t i); /* KEY_TEXT: the I-th word that it may be, NULL past the last; NULL: any */
    const char *fallback; /* the default as JSON; NULL: there is none, the key must be given */
    const char *override; /* environment variable that wins over the file, or NULL */
    bool restart;         /* a change needs a restart, not only SIGHUP */
    bool fixed;           /* a reload with another value is refused */
};

extern const struct config_key config_keys[];
extern const size_t config_key_count;

/* The name of ROW's key if the key is directly in the object whose keys start with PREFIX; else NULL. The name of a
 * KEY_SHARED is empty. */
const char *config_key_leaf(const struct config_key *row, const char *prefix);
/* Writes the name of the variable that sets KEY: HOOKPACE_RECEIVER_THREADS for "receiver.threads". False if there is none: KEY
 * is a list or an object, or it is in an object that the file names, such as a source. */
bool config_key_variable(const struct config_key *key, char variable[CONFIG_VARIABLE_MAX]);
/* True if the value of KEY is one text, and no number or switch. */
bool config_key_is_text(const struct config_key *key);
/* The row of the key LEAF of that object, its own or a shared one; or NULL. */
const struct config_key *config_key_find(const char *prefix, struct slice leaf);

#endif
