/* config_draft - a configuration as it was read, before it is checked and compiled.   [pure]
 *
 * config_read fills it by the rows of config_table; config_build checks it and moves its values
 * into the struct config. What needs no compiling is read into the final structs (`out`) at once.
 */
#ifndef COMMON_CONFIG_CONFIG_DRAFT_H
#define COMMON_CONFIG_CONFIG_DRAFT_H

#include "common/config/config.h"

#define DRAFT_NO_DELAY INT64_MIN /* not given: a negative number that nobody writes by chance */

struct draft_texts {
    char **items;
    size_t count;
    bool given;  /* false if the key was missing or null */
    bool broken; /* an item was left out */
};

struct draft_headers {
    struct draft_texts names, values; /* as many of the one as of the other */
};

struct draft_waits {
    int64_t *ms;
    size_t count;
};

enum draft_state {
    DRAFT_ABSENT,
    DRAFT_GIVEN,
    DRAFT_BROKEN /* a problem in it was told already: no more conclusions from it */
};

struct draft_scheme {
    enum draft_state state;
    char *scheme;
    char *header, *prefix, *encoding, *digest, *signed_text, *id_header, *timestamp_header;
    int64_t tolerance_s; /* -1: not given */
    struct draft_texts secrets, allow;
};

struct draft_tls {
    enum draft_state state;
    char *cert, *key;
};

/* The items of a list start with `char *name`. */
struct draft_list {
    void *items;
    size_t count;
};

struct draft_account {
    struct config_account out;
    int role; /* enum draft_role */
    struct draft_scheme sign;
};
enum draft_role { ROLE_ADMIN, ROLE_USER };

struct draft_fetch {
    enum draft_state state;
    char *url, *basic;
};

struct draft_source {
    struct source out;
    struct draft_fetch fetch;
    int64_t reconcile_s; /* -1: not given */
    char *tasks_ready_url;
    struct draft_scheme verify;
    struct draft_texts id, tag, to, keep_headers;
    int payload; /* enum draft_payload */
    int signed_over;
};
enum draft_payload { PAYLOAD_JSON, PAYLOAD_ANY };
enum draft_signed_over { SIGNED_OVER_PLAIN, SIGNED_OVER_WIRE };

struct draft_destination {
    struct destination out;
    char *postback_url, *pingback_url;
    int order; /* enum delivery_order */
    int gzip;  /* enum gzip_mode */
    struct draft_headers headers;
    struct draft_scheme sign;
    struct draft_waits waits;
};

struct draft {
    struct config out;
    char *redis_url;
    struct draft_tls tls;
    struct draft_texts egress_allow, egress_deny;
    struct draft_list accounts, sources, destinations; /* of struct draft_account, ... */
};

struct draft_account *draft_account_at(const struct draft *d, size_t i);
struct draft_source *draft_source_at(const struct draft *d, size_t i);
struct draft_destination *draft_destination_at(const struct draft *d, size_t i);

/* Fills D with the defaults of a destination that says nothing. Freed with draft_destination_clear. */
void draft_destination_init(struct draft_destination *d);
void draft_destination_clear(struct draft_destination *d);

#endif
