/* config_private - the configuration as read from the file, between config_read and config_build.   [pure]
 *
 * config_read fills these structs by the rows of config_table. config_build checks them and moves their values into
 * struct config. Values that need no further work are read into the final structs (`out`) at once.
 */
#ifndef COMMON_CONFIG_CONFIG_PRIVATE_H
#define COMMON_CONFIG_CONFIG_PRIVATE_H

#include "common/config/config.h"

#define RAW_NO_DELAY INT64_MIN /* not given: a negative number that nobody writes by chance */

struct raw_texts {
    char **items;
    size_t count;
    bool given;  /* false if the key was missing or null */
    bool broken; /* an item was left out */
};

struct raw_headers {
    struct raw_texts names, values; /* as many of the one as of the other */
};

struct raw_waits {
    int64_t *ms;
    size_t count;
};

struct raw_scheme {
    enum config_given given;
    char *scheme;
    char *header, *prefix, *encoding, *digest, *signed_text, *id_header, *timestamp_header;
    int64_t tolerance_s; /* -1: not given */
    struct raw_texts secrets, allow;
};

/* The items of a list start with `char *name`. */
struct raw_list {
    void *items;
    size_t count;
};

/* The keys that destinations and accounts share. */
struct raw_delivery {
    int64_t delay_ms; /* or RAW_NO_DELAY */
    int order;        /* enum delivery_order */
    unsigned concurrency;
    int64_t timeout_ms, connect_timeout_ms;
    bool verify_tls;
    char *ca_file, *crl_file, *client_cert, *client_key;
    int gzip; /* enum gzip_mode, or -1 */
    struct raw_headers headers;
    struct raw_scheme sign;
    struct raw_waits waits;
    struct status_set give_up_on;
    double jitter;
};

struct raw_account {
    struct config_account out;
    int role;    /* enum account_role */
    int payload; /* enum account_payload */
    struct raw_delivery delivery;
};

struct raw_fetch {
    enum config_given given;
    char *url, *basic;
};

struct raw_source {
    struct source out;
    struct raw_fetch fetch;
    int64_t reconcile_s; /* -1: not given */
    char *tasks_ready_url;
    struct raw_scheme verify;
    struct raw_texts id, tag, to, keep_headers;
    int payload; /* enum payload_kind */
    int signed_over;
    int repeats; /* enum source_repeats */
};
enum raw_signed_over { SIGNED_OVER_PLAIN, SIGNED_OVER_WIRE };

struct raw_destination {
    struct destination out;
    char *postback_url, *pingback_url;
    struct raw_delivery delivery;
};

struct raw_config {
    struct config out; /* first: offsets of the table hold for both */
    int log_events;    /* enum log_events */
    char *secrets_key; /* as written, or NULL; secret */
    struct raw_texts include, egress_allow, egress_allow_accounts, egress_deny, trusted_proxies,
        admin_hosts;
    struct raw_list accounts, sources, destinations; /* of struct raw_account, ... */

    /* Notes of the reader, beside the keys. */
    struct raw_texts files; /* the included files */
    /* "sources.shop" -> the included file that has this source, "" for the main file. Values belong to `files`. */
    struct map origins;
};

/* Takes over TEXT. */
void raw_texts_add(struct raw_texts *texts, char *text);
void raw_texts_clear(struct raw_texts *texts);

struct raw_account *raw_account_at(const struct raw_config *d, size_t i);
struct raw_source *raw_source_at(const struct raw_config *d, size_t i);
struct raw_destination *raw_destination_at(const struct raw_config *d, size_t i);

/* Fills D with the defaults of a destination that says nothing. Freed with raw_delivery_clear. */
void raw_delivery_init(struct raw_delivery *d);
void raw_delivery_clear(struct raw_delivery *d);

#endif
