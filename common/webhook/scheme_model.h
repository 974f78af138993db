/* scheme_model - the parts of a compiled scheme, for the scheme*.c files only.   [pure] */
#ifndef COMMON_WEBHOOK_SCHEME_MODEL_H
#define COMMON_WEBHOOK_SCHEME_MODEL_H

#include "common/crypto/crypto.h"
#include "common/webhook/scheme.h"

enum scheme_kind {
    SCHEME_SIGNED,
    SCHEME_TOKEN, /* a secret in the query, in the header `signature` or as a bearer token */
    SCHEME_BASIC, /* RFC 7617, the secret is "user:password" */
    SCHEME_NONE,
};

enum encoding { ENCODING_HEX, ENCODING_BASE64 };

/* The form of a header with signatures. */
enum signature_list {
    LIST_SINGLE, /* PREFIX SIGNATURE */
    LIST_SPACES, /* "v1,SIGNATURE v1,SIGNATURE v1a,other" (Standard Webhooks) */
    LIST_STRIPE, /* "t=TIMESTAMP,v1=SIGNATURE,v1=SIGNATURE,v0=other" */
};

/* A header that some senders spell in a second way, which then wins. NAME is what we send. */
struct header_names {
    const char *name, *preferred; /* either may be NULL */
};

struct scheme_rules { /* A row of the table; strings are borrowed from it or from the scheme. */
    const char *name;
    enum scheme_kind kind;
    struct header_names signature, id, timestamp;
    const char *prefix; /* of each signature, kept apart from other versions by it */
    enum encoding encoding;
    enum digest digest;
    enum signature_list list;
    const char *signed_text;
    int64_t tolerance_s;
    bool secret_is_base64;
    bool sends_id; /* the id header is sent when signing */
    /* Anyone may send in this way: a message id is looked for under the names that senders use. */
    bool takes_any_id;
    const char *also_own; /* one more header that is this scheme's: an older signature */
    enum scheme_challenge challenge;
    /* Where the provider documents the event's id and tag, in the words of a source's `id` and `tag`. */
    const char *id_picks[SCHEME_PICKS_MAX], *tag_picks[SCHEME_PICKS_MAX];
    const char *authenticate; /* the header line of a 401; NULL: HTTP has no name for the scheme */
};

/* A `signed` text in pieces: "{id}.{timestamp}.{body}" has five. */
enum part_kind { PART_TEXT, PART_ID, PART_TIMESTAMP, PART_BODY };
#define PARTS_MAX 8

struct part {
    enum part_kind kind;
    struct slice text; /* of PART_TEXT, borrowed from the rules */
};

struct signed_text {
    struct part parts[PARTS_MAX];
    size_t count;
    bool has_id, has_timestamp;
    /* Digits may stand next to {timestamp}, so only a timestamp's size tells where it ends. */
    bool has_open_timestamp;
    /* Characters that stand next to {id}: an id with one of them could be cut in two ways. */
    char id_stops[2];
    size_t id_stop_count;
};

struct scheme_secret {
    struct hmac_key *key;     /* SCHEME_SIGNED */
    unsigned char digest[32]; /* the others: SHA-256 of the secret, compared instead of it */
    char *shown;              /* the others: the secret, for scheme_show */
    char id[SCHEME_SECRET_ID_LEN + 1];
};

#define OWNED_MAX 6

struct scheme { /* Immutable after scheme_new. */
    struct scheme_rules rules;
    struct signed_text text;
    struct scheme_secret secrets[SCHEME_SECRETS_MAX];
    size_t secret_count;
    char *owned[OWNED_MAX]; /* copies of a custom scheme's strings */
    size_t owned_count;
};

/* The table: COUNT rows, the one with the name "hmac" holds the defaults of a custom scheme. */
extern const struct scheme_rules scheme_rows[];
extern const size_t scheme_row_count;
const struct scheme_rules *scheme_row(struct slice name); /* NULL if there is none */

#endif
