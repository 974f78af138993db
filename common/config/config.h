/* config - reads the configuration file into a checked value that does not change.
 *
 * config_load reads the file, replaces `env:` and `file:` values, applies the HOOKPACE_* variables and checks all rules.
 * It reports each problem with the path of its key. A configuration that it returns satisfies all rules, so its users do
 * not check again. A reload makes a new value. Users of the old one keep it as long as they hold a reference.
 *
 * A key goes through these files: config_table (its row), config_read (finds it), config_set (reads its value),
 * config_build (checks it against the others and moves it to the structs below).
 */
#ifndef COMMON_CONFIG_CONFIG_H
#define COMMON_CONFIG_CONFIG_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/map.h"
#include "common/base/slice.h"
#include "common/config/kinds.h"
#include "common/crypto/certificates.h"
#include "common/crypto/crypto.h"
#include "common/net/addr.h"
#include "common/webhook/scheme.h"
#include "common/webhook/url_template.h"

#include <stdatomic.h>
#include <stdint.h>

struct form_picks;
struct json_picks;

#define CONFIG_DIGEST_LEN 16

#define REDIS_NODES_MAX 32

struct redis_node {
    char *host; /* a name or an address, an IPv6 one without brackets */
    unsigned port;
};

struct config_redis_tls {
    char *ca_file, *cert,
        *key; /* each may be NULL: the system's authorities, no client certificate */
    bool verify;
    struct tls_client
        *client; /* what these files are; NULL without is_tls. It is shared by copies and reloads */
};

struct config_redis {
    enum redis_mode mode;
    struct redis_node *nodes; /* the server, the sentinels, or some servers of the cluster */
    size_t node_count;        /* 0 with a unix socket */
    char *unix_path;          /* NULL with TCP */
    char *master;             /* by which name the sentinels know it; NULL in other modes */
    char *user, *password;    /* may be NULL */
    char *sentinel_user, *sentinel_password; /* the same, for sentinels */
    unsigned db;
    bool is_tls;
    struct config_redis_tls tls; /* without is_tls nothing is set in it */
    char *url;                   /* as given, with the password: secret */
    char *shown;                 /* the URL without credentials, for logs */
    char *prefix;
    unsigned partitions;
    int64_t timeout_ms;
    unsigned wait_replicas; /* how many of them have an event before it is acknowledged */
};

/* Whether the file has an optional object. */
enum config_given {
    CONFIG_NOT_GIVEN,
    CONFIG_GIVEN,
    CONFIG_GIVEN_WRONG /* it has problems that were reported; only while a file is read */
};

struct config_tls { /* of a listener: files; both are set, or neither */
    enum config_given given;
    char *cert, *key;
};

struct config_listener {
    char *listen; /* NULL: there is no such listener */
    struct config_tls tls;
};

struct config_receiver {
    char *listen;
    unsigned threads;
    size_t max_body_bytes, max_inflated_bytes, max_inflight_bytes;
    int64_t header_timeout_ms, body_timeout_ms;
    unsigned max_connections;
    struct cidr *trusted_proxies;
    size_t trusted_count;
    bool proxy_protocol;
    int64_t grace_ms; /* after SIGTERM, for new requests */
    struct config_tls tls;
};

struct config_dispatcher {
    char *listen;
    unsigned concurrency;
    size_t max_inflight_bytes;
    int64_t drain_ms;
    struct cidr *allow, *allow_accounts, *deny; /* of egress */
    size_t allow_count, allow_accounts_count, deny_count;
    char *proxy; /* egress.proxy, or NULL */
};

struct config_retention {
    int64_t done_s, dead_s, dedup_s, pending_s;
};

enum delivery_order { ORDER_REQUEUE, ORDER_FIFO };
enum gzip_mode { GZIP_KEEP, GZIP_ALWAYS, GZIP_NEVER };
enum account_payload { PAYLOAD_ENVELOPE, PAYLOAD_RESULT };

struct config_account;
struct source;

#define STATUS_SET_MIN 400
#define STATUS_SET_MAX 599

struct status_set { /* HTTP statuses that say that something failed; plain value */
    uint64_t bits[4];
};

static inline void status_set_add(struct status_set *s, int status)
{
    unsigned bit = (unsigned)(status - STATUS_SET_MIN);
    s->bits[bit / 64] |= UINT64_C(1) << bit % 64;
}

/* STATUS may be any number. */
static inline bool status_set_has(const struct status_set *s, int status)
{
    unsigned bit = (unsigned)(status - STATUS_SET_MIN);
    return status >= STATUS_SET_MIN && status <= STATUS_SET_MAX &&
           s->bits[bit / 64] >> bit % 64 & 1;
}

/* How a destination or an account has its deliveries sent. */
struct delivery_settings {
    int64_t delay_ms;          /* in force: its own, else the top-level one */
    bool has_own_delay;        /* it has a delay_ms of its own */
    enum delivery_order order; /* destinations that share a lane agree on it */
    unsigned concurrency;      /* attempts in flight over all dispatchers */
    int64_t timeout_ms, connect_timeout_ms;
    int64_t lease_ms; /* connect_timeout + timeout + 3 s */
    bool verify_tls;
    char *ca_file;                   /* or NULL */
    char *crl_file;                  /* or NULL */
    struct client_identity identity; /* as it was in its files at the load */
    enum gzip_mode gzip;
    bool has_own_gzip;            /* the file says so; else it follows from `sign` */
    char *headers;                /* "Name: value\r\n" lines, may be empty; secret */
    struct scheme *sign;          /* or NULL */
    int64_t *schedule_ms;         /* waits before attempt 2, 3, ... */
    size_t schedule_count;        /* attempts = schedule_count + 1 */
    double jitter;                /* 0..1 share of each wait */
    struct status_set give_up_on; /* answers after which there is no further attempt */
};

struct destination { /* owned by its config */
    char *name;      /* unique in the configuration; delivery ids end in it */
    enum delivery_kind kind;
    const struct config_account *account; /* whose tasks it serves, or NULL if it is configured */
    const struct source *source;          /* whose announced results it fetches, or NULL */
    struct url_template *url;             /* NULL for an account's: its URLs come through the API */
    char *lane;                           /* its own name unless it names one */
    bool lane_is_shared;                  /* by several destinations of the file */
    unsigned partition;                   /* of the lane */
    struct delivery_settings *settings;   /* its own, or borrowed from the account */
};

/* The rights of an account. The order is that of the words in config_table.c. */
enum account_role { ACCOUNT_ADMIN, ACCOUNT_USER, ACCOUNT_VIEWER };

struct config_account {
    char *name, *password;
    enum account_role role;
    enum account_payload payload; /* what its postbacks carry */
    int64_t max_tasks, max_bytes; /* most that is kept for it; 0: no limit */
    struct delivery_settings *settings;
    /* The destinations of its tasks' webhooks, on the lane "<account>". Each task brings their URL (url is NULL). */
    struct destination *postback, *pingback;
};

/* By what a source's repeats are known (receiver/ingest/repeats.c). The order is that of the words in config_table.c. */
enum source_repeats { REPEATS_MESSAGE, REPEATS_BODY, REPEATS_NONE };

struct source_pick {
    enum pick_kind kind;
    size_t number; /* PICK_JSON, PICK_FORM: in the source's json_picks or form_picks */
    char *header;  /* PICK_HEADER: its name */
};

struct source { /* owned by its config */
    char *name;
    struct scheme *verify;
    struct cidr *allow; /* empty: any address */
    size_t allow_count;
    struct source_pick
        *picks; /* of ids, then of tags: the configured ones, else those that the scheme brings */
    size_t id_picks, tag_picks;
    struct json_picks *json_picks;
    struct form_picks *form_picks; /* NULL: none */
    bool picks_engine;  /* json_picks has pointers to `se` and `se_type` of an envelope */
    size_t engine_pick; /* the number of the first of these two */
    enum payload_kind payload;
    bool signed_over_wire;
    enum source_repeats repeats;
    char **keep_headers; /* NULL: the default list */
    bool keep_signature;
    size_t keep_count;
    struct destination **to; /* borrowed from the same config */
    size_t to_count;
    /* The destination from which results of announced tasks are fetched, on a lane of its own; or NULL. Its URL has
     * $id. */
    struct destination *fetch;
    char *fetch_authorization; /* "Basic ...", or NULL; secret */
    int64_t reconcile_ms;      /* 0: never */
    char *ready_url;           /* the provider's tasks_ready; set if reconcile_ms is */
};

/* The lines about single events and attempts that the log has. The order is that of the words in config_table.c. */
enum log_events { LOG_EVENTS_ALL, LOG_EVENTS_FAILURES, LOG_EVENTS_NONE };

struct config {
    _Atomic unsigned refs;
    char *file;
    char digest[CONFIG_DIGEST_LEN +
                1]; /* of the file's text, in hex: by it people see which file is in force */
    unsigned char
        values[32]; /* a digest of what the file names (env:, file:, certificates); secret */
    struct config_redis redis;
    struct config_receiver receiver;
    struct config_listener admin, api; /* `api.listen` may be NULL, `admin.listen` never is */
    char **admin_hosts;                /* the names by which operators call; none: any name */
    size_t admin_host_count;
    struct config_dispatcher dispatcher;
    int64_t delay_ms, delay_step_ms;
    struct config_retention retention;
    /* Seals the signing secrets that accounts make; secret. Only if has_secrets_key. */
    unsigned char secrets_key[SEAL_KEY_LEN];
    bool has_secrets_key;
    enum log_events log_events;
    struct map sources;      /* name -> struct source */
    struct map destinations; /* name -> struct destination */
    struct map accounts;     /* name -> struct config_account */
    struct map implied;      /* name -> struct destination of an account or a source's fetch */
};

#define CONFIG_PROBLEMS_MAX 100

/* All problems of a file, one a line: "destinations.orders.delay_ms: 75 is not ...". The caller owns it. */
struct config_problems {
    struct buf text;
    size_t count;
    struct buf warnings; /* lines "PATH: warning: what"; the file is in order all the same */
};
void config_problems_init(struct config_problems *p);
void config_problems_clear(struct config_problems *p);

/* The file to read: ARG if it is not NULL, else $HOOKPACE_CONFIG, else ./hookpace.json if it exists, else
 * /etc/hookpace/hookpace.json if it exists, else NULL. The caller does not own the text. */
const char *config_path(const char *arg);
/* Loads the file PATH. OK sets *OUT, with one reference. Any other result leaves *OUT NULL and adds all problems to
 * PROBLEMS. */
enum err config_load(const char *path, struct config **out,
                     struct config_problems *problems) MUST_CHECK;
/* The same for a text, for tests and fuzzing. Messages call the file NAME. */
enum err config_parse(struct slice text, const char *name, struct config **out,
                      struct config_problems *problems) MUST_CHECK;
/* Was the same file read for both, with the same variables and files that it names? */
bool config_is_same(const struct config *a, const struct config *b);
struct config *config_ref(struct config *c);
void config_unref(struct config *c); /* C may be NULL; any thread may call it */

struct source *config_source(const struct config *c, struct slice name); /* or NULL */
/* The destination NAME of the file, of an account or of a source's fetch; or NULL. The names of the last two have a '@',
 * which a name in the file cannot have. */
struct destination *config_destination(const struct config *c, struct slice name);

/* Walks all destinations: of the file, of accounts and of sources. Start with a zeroed W. */
struct config_walk {
    bool in_implied;
    size_t at;
};
bool config_next_destination(const struct config *c, struct config_walk *w, struct destination **d);

/* Walks the keys that differ between WAS and IS and take effect only after a restart: start with *AT = 0. Returns the
 * key's path ("receiver.listen"), NULL at the end. *IS_FIXED says that IS cannot be used by a program that runs. */
const char *config_restart_needed(const struct config *was, const struct config *is, size_t *at,
                                  bool *is_fixed);

#define CONFIG_DELAY_MAX_MS 1000
/* True if DELAY_MS is 0, 50, or a multiple of STEP_MS up to 1000. */
bool delay_is_allowed(int64_t delay_ms, int64_t step_ms);

#endif
