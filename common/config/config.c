#include "common/config/config.h"

#include "common/base/alloc.h"
#include "common/base/text.h"
#include "common/config/config_build.h"
#include "common/config/config_include.h"
#include "common/config/config_notes.h"
#include "common/config/config_private.h"
#include "common/config/config_problems.h"
#include "common/config/config_read.h"
#include "common/config/config_redis.h"
#include "common/config/config_set.h"
#include "common/config/config_table.h"
#include "common/crypto/crypto.h"
#include "common/json/form_scan.h"
#include "common/json/json.h"
#include "common/json/json_scan.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define FILE_HERE "./hookpace.json"
#define FILE_SYSTEM "/etc/hookpace/hookpace.json"

const char *config_path(const char *arg)
{
    if (arg)
        return arg;
    const char *named = config_env("HOOKPACE_CONFIG");
    if (named)
        return named;
    if (access(FILE_HERE, F_OK) == 0)
        return FILE_HERE;
    return access(FILE_SYSTEM, F_OK) == 0 || errno != ENOENT ? FILE_SYSTEM : NULL;
}

static void free_secret(char *z)
{
    if (z)
        crypto_wipe(z, strlen(z));
    free(z);
}

static void free_settings(struct delivery_settings *s)
{
    free(s->ca_file);
    free(s->crl_file);
    client_identity_clear(&s->identity);
    free_secret(s->headers); /* they may have an Authorization */
    scheme_free(s->sign);
    free(s->schedule_ms);
    free(s);
}

static void free_destination(struct destination *d)
{
    free(d->name);
    url_template_free(d->url);
    free(d->lane);
    if (!d->account)
        free_settings(d->settings);
    free(d);
}

static void free_account(struct config_account *a)
{
    free(a->name);
    free_secret(a->password);
    free_settings(a->settings);
    free(a);
}

static void free_source(struct source *s)
{
    free_secret(s->fetch_authorization);
    free(s->ready_url);
    free(s->name);
    scheme_free(s->verify);
    free(s->allow);
    for (size_t i = 0; i < s->id_picks + s->tag_picks; i++)
        free(s->picks[i].header);
    free(s->picks);
    json_picks_free(s->json_picks);
    form_picks_free(s->form_picks);
    for (size_t i = 0; i < s->keep_count; i++)
        free(s->keep_headers[i]);
    free(s->keep_headers);
    free(s->to);
    free(s);
}

static void free_tls(struct config_tls *t)
{
    free(t->cert);
    free(t->key);
}

static void free_listener(struct config_listener *l)
{
    free(l->listen);
    free_tls(&l->tls);
}

static void free_config(struct config *c)
{
    size_t at = 0;
    struct slice key;
    void *value;
    while (map_next(&c->accounts, &at, &key, &value))
        free_account(value);
    for (at = 0; map_next(&c->sources, &at, &key, &value);)
        free_source(value);
    for (at = 0; map_next(&c->destinations, &at, &key, &value);)
        free_destination(value);
    for (at = 0; map_next(&c->implied, &at, &key, &value);)
        free_destination(value);
    map_clear(&c->accounts);
    map_clear(&c->sources);
    map_clear(&c->destinations);
    map_clear(&c->implied);
    config_redis_clear(&c->redis);
    free(c->receiver.listen);
    free(c->receiver.trusted_proxies);
    free_tls(&c->receiver.tls);
    free_listener(&c->admin);
    free_listener(&c->api);
    for (size_t i = 0; i < c->admin_host_count; i++)
        free(c->admin_hosts[i]);
    free(c->admin_hosts);
    free(c->dispatcher.listen);
    free(c->dispatcher.allow);
    free(c->dispatcher.allow_accounts);
    free(c->dispatcher.deny);
    free_secret(c->dispatcher.proxy);
    crypto_wipe(c->secrets_key, sizeof c->secrets_key);
    free(c->file);
    free(c);
}

struct config *config_ref(struct config *c)
{
    unsigned before = atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    assert(before > 0);
    (void)before;
    return c;
}

void config_unref(struct config *c)
{
    if (c && atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1)
        free_config(c);
}

/* ROOT is a whole document. Sets *OUT if it has no problems. TEXT gets what is included. */
static void load_document(const struct json *root, const char *name, struct sha256 *text,
                          struct config **out, struct config_problems *problems)
{
    struct raw_config draft = {0};
    config_read(root, name, text, &draft, problems);
    if (json_kind(root) == JSON_OBJECT) {
        struct config *c = config_build(&draft, problems);
        config_name_variables(problems);
        config_name_files(problems, &draft.origins);
        c->file = xstrdup(name);
        if (problems->count == 0)
            *out = c;
        else
            config_unref(c);
    }
    raw_clear(&draft);
}

bool config_is_same(const struct config *a, const struct config *b)
{
    return strcmp(a->digest, b->digest) == 0 && memcmp(a->values, b->values, sizeof a->values) == 0;
}

enum err config_parse(struct slice text, const char *name, struct config **out,
                      struct config_problems *problems)
{
    struct json *root = NULL;
    struct error e;
    *out = NULL;
    if (json_parse(text, &root, &e) != OK) {
        config_problems_add(problems, slice_str(name), "not valid JSON: %s", e.text);
        return ERR_INVALID;
    }
    unsigned char digest[32];
    struct sha256 *sha = sha256_start();
    sha256_add(sha, text);
    load_document(root, name, sha, out, problems);
    sha256_end(sha, digest);
    json_free(root);
    if (!*out)
        return ERR_INVALID;
    text_hex(digest, CONFIG_DIGEST_LEN / 2, (*out)->digest);
    (*out)->digest[CONFIG_DIGEST_LEN] = 0;
    return OK;
}

enum err config_load(const char *path, struct config **out, struct config_problems *problems)
{
    struct buf text;
    struct error e;
    *out = NULL;
    buf_init(&text, CONFIG_TEXT_MAX);
    enum err rc = config_read_file(path, &text, &e);
    if (rc != OK)
        config_problems_add(problems, SLICE_LIT("configuration"), "%s", e.text);
    else
        rc = config_parse(buf_slice(&text), path, out, problems);
    if (rc == OK)
        config_notes_of_variables(buf_slice(&text), problems);
    buf_clear(&text);
    return rc;
}

struct source *config_source(const struct config *c, struct slice name)
{
    return map_get(&c->sources, name);
}

struct destination *config_destination(const struct config *c, struct slice name)
{
    struct destination *d = map_get(&c->destinations, name);
    return d ? d : map_get(&c->implied, name);
}

bool config_next_destination(const struct config *c, struct config_walk *w, struct destination **d)
{
    struct slice name;
    void *value;
    if (!w->in_implied && map_next(&c->destinations, &w->at, &name, &value)) {
        *d = value;
        return true;
    }
    if (!w->in_implied)
        *w = (struct config_walk){.in_implied = true};
    if (!map_next(&c->implied, &w->at, &name, &value))
        return false;
    *d = value;
    return true;
}

_Static_assert(offsetof(struct raw_config, out) == 0,
               "offsets of the table hold for struct config");

static bool is_changed(const struct config_key *key, const struct config *was,
                       const struct config *is)
{
    const void *a = (const char *)was + key->offset, *b = (const char *)is + key->offset;
    switch (key->type) {
    case KEY_TEXT:
    case KEY_SECRET:
    case KEY_PATH:
        return !slice_eq(slice_str(*(char *const *)a), slice_str(*(char *const *)b));
    case KEY_INT:
        return *(const int64_t *)a != *(const int64_t *)b;
    case KEY_UINT:
        return *(const unsigned *)a != *(const unsigned *)b;
    case KEY_SIZE:
        return *(const size_t *)a != *(const size_t *)b;
    case KEY_OPTIONAL: /* compares its presence only: a reload applies changes inside it */
        return *(const enum config_given *)a != *(const enum config_given *)b;
    default:
        assert(false && "a type that no key with `restart` has");
        return false;
    }
}

const char *config_restart_needed(const struct config *was, const struct config *is, size_t *at,
                                  bool *is_fixed)
{
    while (*at < config_key_count) {
        const struct config_key *key = &config_keys[(*at)++];
        if (!key->restart || !is_changed(key, was, is))
            continue;
        *is_fixed = key->fixed;
        return key->path;
    }
    return NULL;
}

bool delay_is_allowed(int64_t delay_ms, int64_t step_ms)
{
    return delay_ms == 0 || delay_ms == 50 ||
           (delay_ms > 0 && delay_ms <= CONFIG_DELAY_MAX_MS && delay_ms % step_ms == 0);
}
