#include "common/config/config_redis.h"

#include "common/base/alloc.h"
#include "common/base/text.h"
#include "common/config/config_problems.h"
#include "common/config/config_url.h"
#include "common/crypto/crypto.h"
#include "common/crypto/tls_client.h"

#include <ctype.h>
#include <stdlib.h>

#define REDIS_PORT 6379
#define SENTINEL_PORT 26379
#define DB_MAX 65535
#define PART_MAX 1024
#define SHOWN_MAX 16384
#define UNIX_PATH_MAX_LEN 107 /* sockaddr_un.sun_path less its NUL */

static const struct form { /* of a URL */
    const char *scheme;
    enum redis_mode mode;
    bool is_tls, is_unix;
} forms[] = {
    {"redis://", REDIS_SINGLE, false, false},
    {"rediss://", REDIS_SINGLE, true, false},
    {"unix://", REDIS_SINGLE, false, true},
    {"redis+sentinel://", REDIS_SENTINEL, false, false},
    {"rediss+sentinel://", REDIS_SENTINEL, true, false},
    {"redis+cluster://", REDIS_CLUSTER, false, false},
    {"rediss+cluster://", REDIS_CLUSTER, true, false},
};

/* ---- the URL ---- */

static enum err decode(struct slice s, char **out, const char *what, struct error *e)
{
    struct buf b;
    buf_init(&b, PART_MAX);
    if (text_unpercent(&b, s, false) != OK || text_has_control(buf_slice(&b))) {
        buf_clear(&b);
        return fail(e, ERR_INVALID, "%s is not valid (is a %% not written as %%25?)", what);
    }
    *out = buf_take(&b, NULL);
    return OK;
}

/* "user:password", ":password". */
static enum err parse_login(struct slice login, struct config_redis *out, struct error *e)
{
    struct slice password = login;
    struct slice user = slice_cut(&password, ':');
    if (!password.ptr || password.len == 0)
        return fail(e, ERR_INVALID, "write user:password or :password before the @");
    enum err rc = user.len ? decode(user, &out->user, "the user", e) : OK;
    return rc == OK ? decode(password, &out->password, "the password", e) : rc;
}

static enum err parse_db(struct slice text, struct config_redis *out, struct error *e)
{
    uint64_t db = 0;
    if (text.len && text_u64(text, DB_MAX, &db) != OK)
        return fail(e, ERR_INVALID, "the database must be a number");
    if (db && out->mode == REDIS_CLUSTER)
        return fail(e, ERR_INVALID, "a cluster has database 0 only; remove /%u at the end",
                    (unsigned)db);
    out->db = (unsigned)db;
    return OK;
}

bool redis_node_is(const struct redis_node *a, const struct redis_node *b)
{
    return strcmp(a->host, b->host) == 0 && a->port == b->port;
}

static bool is_listed(const struct config_redis *r, const struct redis_node *n)
{
    for (size_t i = 0; i < r->node_count; i++)
        if (redis_node_is(&r->nodes[i], n))
            return true;
    return false;
}

/* Adds ADDRESS to OUT's nodes. Returns the fault, or NULL. */
static const char *add_node(struct config_redis *out, struct slice address)
{
    struct slice host;
    struct redis_node n = {0};
    unsigned port_if_none = out->mode == REDIS_SENTINEL ? SENTINEL_PORT : REDIS_PORT;
    const char *fault = config_address_read(address, port_if_none, &host, &n.port);
    if (fault)
        return fault;
    n.host = xslicedup(host);
    if (is_listed(out, &n)) {
        free(n.host);
        return "the address is listed twice; remove one";
    }
    out->nodes[out->node_count++] = n;
    return NULL;
}

static size_t count_commas(struct slice s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        n += s.ptr[i] == ',';
    return n;
}

/* "host:port,host:port" */
static enum err parse_nodes(struct slice list, struct config_redis *out, struct error *e)
{
    size_t count = 1 + count_commas(list);
    if (count > 1 && out->mode == REDIS_SINGLE)
        return fail(e, ERR_INVALID,
                    "only one host:port may be given; several are those of sentinels "
                    "(redis+sentinel://) or of a cluster (redis+cluster://)");
    if (count > REDIS_NODES_MAX)
        return fail(e, ERR_INVALID, "has %zu addresses; give at most %d, the others are found",
                    count, REDIS_NODES_MAX);
    out->nodes = xcalloc(count, sizeof *out->nodes);
    for (size_t i = 0; i < count; i++) {
        const char *fault = add_node(out, slice_cut(&list, ','));
        if (fault && count > 1)
            return fail(e, ERR_INVALID, "address %zu of %zu: %s", i + 1, count, fault);
        if (fault)
            return fail(e, ERR_INVALID, "%s", fault);
    }
    return OK;
}

/* The characters that sentinel.conf allows. */
static bool is_master_name(const char *name)
{
    for (const char *p = name; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr(".-_", *p))
            return false;
    return name[0] != 0;
}

/* "<master name>/<db>" */
static enum err parse_master(struct slice *path, struct config_redis *out, struct error *e)
{
    struct slice name = slice_cut(path, '/');
    if (!name.len)
        return fail(e, ERR_INVALID,
                    "the name of the master is missing behind the addresses: write "
                    "redis+sentinel://host:26379/<master name>/<db>");
    enum err rc = decode(name, &out->master, "the name of the master", e);
    if (rc == OK && !is_master_name(out->master))
        return fail(e, ERR_INVALID,
                    "the name of the master may have letters, digits, '.', '-' and '_' only, as in "
                    "sentinel.conf");
    return rc;
}

static enum err parse_tcp(struct slice rest, struct config_redis *out, struct error *e)
{
    struct slice path = rest;
    struct slice authority = slice_cut(&path, '/');
    enum err rc = parse_nodes(authority, out, e);
    if (rc == OK && out->mode == REDIS_SENTINEL)
        rc = parse_master(&path, out, e);
    return rc == OK ? parse_db(path, out, e) : rc;
}

static enum err parse_unix(struct slice rest, struct config_redis *out, struct error *e)
{
    struct slice query = rest;
    struct slice path = slice_cut(&query, '?');
    if (path.len < 2 || path.ptr[0] != '/')
        return fail(e, ERR_INVALID, "must be unix:///path/to/socket?db=N");
    if (query.len && !slice_starts(query, SLICE_LIT("db=")))
        return fail(e, ERR_INVALID, "after the path only ?db=N is allowed");
    enum err rc = decode(path, &out->unix_path, "the path", e);
    if (rc == OK && strlen(out->unix_path) > UNIX_PATH_MAX_LEN)
        return fail(e, ERR_INVALID, "the path is over %d bytes", UNIX_PATH_MAX_LEN);
    return rc == OK ? parse_db(slice_skip(query, 3), out, e) : rc;
}

void redis_node_write(const struct redis_node *n, struct buf *out)
{
    buf_addf(out, strchr(n->host, ':') ? "[%s]:%u" : "%s:%u", n->host, n->port);
}

static void write_shown(const struct form *form, struct config_redis *r)
{
    struct buf b;
    buf_init(&b, SHOWN_MAX);
    buf_add_str(&b, form->scheme);
    for (size_t i = 0; i < r->node_count; i++) {
        buf_add_str(&b, i ? "," : "");
        redis_node_write(&r->nodes[i], &b);
    }
    if (r->unix_path)
        buf_addf(&b, "%s?db=%u", r->unix_path, r->db);
    else if (r->master)
        buf_addf(&b, "/%s/%u", r->master, r->db);
    else if (r->mode == REDIS_SINGLE)
        buf_addf(&b, "/%u", r->db);
    r->shown = buf_take(&b, NULL);
}

static const struct form *find_form(struct slice url)
{
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (slice_starts(url, slice_str(forms[i].scheme)))
            return &forms[i];
    return NULL;
}

enum err config_redis_parse(struct slice url, struct config_redis *out, struct error *e)
{
    const struct form *form = find_form(url);
    if (!form)
        return fail(e, ERR_INVALID,
                    "must be redis://[user:password@]host:port/db, unix:///path?db=N, "
                    "redis+sentinel://host:port,host:port/<master name>/<db> or "
                    "redis+cluster://host:port,host:port; with rediss for TLS");
    out->mode = form->mode;
    out->is_tls = form->is_tls;
    struct slice rest = slice_skip(url, strlen(form->scheme));
    const char *at = rest.len ? memrchr(rest.ptr, '@', rest.len) : NULL;
    enum err rc = OK;
    if (at) {
        size_t len = (size_t)(at - rest.ptr);
        rc = parse_login(slice_make(rest.ptr, len), out, e);
        rest = slice_skip(rest, len + 1);
    }
    if (rc == OK)
        rc = form->is_unix ? parse_unix(rest, out, e) : parse_tcp(rest, out, e);
    if (rc == OK)
        write_shown(form, out);
    return rc;
}

/* ---- the keys against each other ---- */

static void report(struct config_problems *problems, const char *key, const char *what)
{
    config_problems_add(problems, slice_str(key), "%s", what);
}

static void load_files(struct config_redis_tls *t, struct config_problems *problems)
{
    static const char *const keys[] = {[TLS_CLIENT_CA] = "redis.tls.ca_file",
                                       [TLS_CLIENT_CERT] = "redis.tls.cert",
                                       [TLS_CLIENT_KEY] = "redis.tls.key"};
    struct tls_client_files files = {t->ca_file, t->cert, t->key, t->verify};
    enum tls_client_part where;
    struct error e;
    if (t->cert && !t->key)
        report(problems, "redis.tls.cert", "needs redis.tls.key, the file of its private key");
    else if (t->key && !t->cert)
        report(problems, "redis.tls.key", "needs redis.tls.cert, the file of its certificate");
    else if (tls_client_new(&files, &t->client, &where, &e) != OK)
        report(problems, keys[where], e.text);
}

static void check_tls(struct config_redis *r, struct config_problems *problems)
{
    struct config_redis_tls *t = &r->tls;
    if (!r->is_tls) {
        if (t->ca_file || t->cert || t->key || !t->verify)
            report(problems, "redis.tls",
                   "has no effect without TLS: begin redis.url with rediss, or remove it");
        return;
    }
    load_files(t, problems);
    if (!t->verify && t->ca_file)
        report(problems, "redis.tls.ca_file",
               "has no effect with \"verify\": false; remove one of them");
    else if (!t->verify)
        config_problems_warn(problems, SLICE_LIT("redis.tls.verify"),
                             "whoever is between this machine and Redis can read and change "
                             "everything; set redis.tls.ca_file instead");
}

static void check_sentinel(const struct config_redis *r, struct config_problems *problems)
{
    if (r->mode == REDIS_SENTINEL) {
        if (r->sentinel_user && !r->sentinel_password)
            report(problems, "redis.sentinel_user", "needs redis.sentinel_password");
        return;
    }
    if (r->sentinel_user)
        report(problems, "redis.sentinel_user",
               "has no effect without redis+sentinel:// in redis.url; remove it");
    if (r->sentinel_password)
        report(problems, "redis.sentinel_password",
               "has no effect without redis+sentinel:// in redis.url; remove it");
}

void config_redis_build(struct config_redis *r, struct config_problems *problems)
{
    struct error e;
    if (config_redis_parse(slice_str(r->url), r, &e) != OK) {
        report(problems, "redis.url", e.text);
        return;
    }
    check_tls(r, problems);
    check_sentinel(r, problems);
    if (r->mode == REDIS_CLUSTER && r->partitions == 1)
        config_problems_warn(problems, SLICE_LIT("redis.partitions"),
                             "is 1, so one shard of the cluster does all the work; use at least "
                             "four times as many partitions as there are shards");
}

/* ---- copies ---- */

static char *copy(const char *z)
{
    return z ? xstrdup(z) : NULL;
}

void config_redis_copy(const struct config_redis *r, struct config_redis *out)
{
    *out = *r;
    out->nodes = xcalloc(r->node_count, sizeof *out->nodes);
    for (size_t i = 0; i < r->node_count; i++)
        out->nodes[i] = (struct redis_node){xstrdup(r->nodes[i].host), r->nodes[i].port};
    out->unix_path = copy(r->unix_path);
    out->master = copy(r->master);
    out->user = copy(r->user);
    out->password = copy(r->password);
    out->sentinel_user = copy(r->sentinel_user);
    out->sentinel_password = copy(r->sentinel_password);
    out->tls.ca_file = copy(r->tls.ca_file);
    out->tls.cert = copy(r->tls.cert);
    out->tls.key = copy(r->tls.key);
    out->tls.client = tls_client_ref(r->tls.client);
    out->url = copy(r->url);
    out->shown = copy(r->shown);
    out->prefix = copy(r->prefix);
}

void config_redis_inherit(struct config_redis *r, const struct config_redis *was)
{
    if (!r->tls.client || !was->tls.client)
        return; /* to begin with TLS, or to end it, takes a restart */
    tls_client_adopt(was->tls.client, r->tls.client);
    tls_client_unref(r->tls.client);
    r->tls.client = tls_client_ref(was->tls.client);
}

static void free_secret(char *z)
{
    if (z)
        crypto_wipe(z, strlen(z));
    free(z);
}

void config_redis_clear(struct config_redis *r)
{
    for (size_t i = 0; i < r->node_count; i++)
        free(r->nodes[i].host);
    free(r->nodes);
    free(r->unix_path);
    free(r->master);
    free(r->user);
    free_secret(r->password);
    free(r->sentinel_user);
    free_secret(r->sentinel_password);
    free(r->tls.ca_file);
    free(r->tls.cert);
    free(r->tls.key);
    tls_client_unref(r->tls.client);
    free_secret(r->url);
    free(r->shown);
    free(r->prefix);
    *r = (struct config_redis){0};
}
