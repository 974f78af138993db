/* webhook_settings and webhook_secret: the settings pages of providers, as calls for one account. */
#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/crypto/crypto.h"
#include "common/json/json.h"
#include "common/json/json_cut.h"
#include "receiver/api/api_private.h"

#include <stdio.h>
#include <stdlib.h>

#define DATA_MAX (64 * 1024)
#define SECRET_BYTES 32
#define CHANGES_MAX 8
#define SEALED_MAX 512
#define DEFAULT_SCHEME "standard-webhooks"

enum { MEMBER_DELAY, MEMBER_TLS, MEMBER_PAYLOAD, MEMBER_GZIP, MEMBER_SIGN, MEMBERS };
static const char *const member_names[MEMBERS + 1] = {"webhook_delay", "verify_tls", "payload",
                                                      "gzip",          "sign",       NULL};

struct change { /* state of the request */
    struct slice object;
    struct setting_change list[CHANGES_MAX];
    size_t count;
    char delay[24], scheme[64], made[24], id[SCHEME_SECRET_ID_LEN + 1];
    char sealed[SEALED_MAX], secret[STAMP_SECRET_MAX];
    char names[128]; /* of what changes, for the log */
    bool is_new_secret;
};

static struct change *change_new(struct api_request *r, struct slice object)
{
    struct change *c = NEW(struct change);
    c->object = object;
    r->state = c;
    return c;
}

static void change_free(struct change *c)
{
    crypto_wipe(c, sizeof *c);
    free(c);
}

/* --- answers --- */

static const struct delivery_settings *configured(const struct api_request *r)
{
    return r->account->settings;
}

/* The scheme by which the configuration signs the account's webhooks; OTHERWISE if it names none. */
static struct slice configured_scheme(const struct api_request *r, const char *otherwise)
{
    const struct scheme *own = configured(r)->sign;
    return slice_str(own ? scheme_name(own) : otherwise);
}

static enum gzip_mode gzip_in_force(const struct api_request *r, const struct stamp *s)
{
    const struct delivery_settings *own = configured(r);
    if (s->gzip >= 0)
        return (enum gzip_mode)s->gzip;
    return s->scheme.len && !own->has_own_gzip ? GZIP_NEVER : own->gzip;
}

static void write_sign(struct json_write *w, const struct api_request *r,
                       const struct account_settings *s)
{
    const struct scheme *own = configured(r)->sign;
    char id[SCHEME_SECRET_ID_LEN + 1] = "";
    if (!s->stamp.scheme.len && !own) {
        jw_null(w, "sign");
        return;
    }
    if (own)
        scheme_secret_id(own, 0, id);
    jw_open(w, "sign", '{');
    jw_text(w, "scheme", s->stamp.scheme.len ? s->stamp.scheme : slice_str(scheme_name(own)));
    jw_text(w, "secret_id", s->stamp.scheme.len ? s->stamp.secret_id : slice_str(id));
    if (s->stamp.scheme.len && s->made_at)
        api_write_moment(w, "made_at", s->made_at);
    else
        jw_null(w, "made_at");
    jw_close(w, '}');
}

/* The names of what the account has set; all else is as configured. */
static void write_set(struct json_write *w, const struct account_settings *s)
{
    const bool is_set[MEMBERS] = {
        [MEMBER_DELAY] = s->has_own_delay,        [MEMBER_TLS] = s->stamp.verify_tls >= 0,
        [MEMBER_PAYLOAD] = s->stamp.payload >= 0, [MEMBER_GZIP] = s->stamp.gzip >= 0,
        [MEMBER_SIGN] = s->stamp.scheme.len > 0,
    };
    jw_open(w, "set", '[');
    for (int i = 0; i < MEMBERS; i++)
        if (is_set[i])
            jw_str(w, NULL, member_names[i]);
    jw_close(w, ']');
}

static void write_settings(struct json_write *w, const struct api_request *r,
                           const struct account_settings *s)
{
    const struct stamp *stamp = &s->stamp;
    bool verify = stamp->verify_tls < 0 ? configured(r)->verify_tls : stamp->verify_tls;
    int payload = stamp->payload < 0 ? (int)r->account->payload : stamp->payload;
    jw_int(w, "webhook_delay", s->delay_ms);
    jw_bool(w, "verify_tls", verify);
    jw_str(w, "payload", stamp_payload_word(payload));
    jw_str(w, "gzip", stamp_gzip_word((int)gzip_in_force(r, stamp)));
    write_sign(w, r, s);
    write_set(w, s);
}

static void write_secret(struct json_write *w, const struct change *c)
{
    jw_str(w, "scheme", c->scheme);
    jw_str(w, "secret_id", c->id);
    jw_str(w, "secret", c->secret);
}

/* Ends R with the settings in force, or with the new secret. */
static void settings_answer(struct api_request *r, const struct account_settings *s)
{
    struct change *c = r->state;
    struct buf data, result;
    buf_init(&data, DATA_MAX);
    buf_init(&result, DATA_MAX);
    struct json_write w = json_write_to(&result);
    jw_open(&w, NULL, '[');
    jw_open(&w, NULL, '{');
    if (c->is_new_secret)
        write_secret(&w, c);
    else
        write_settings(&w, r, s);
    jw_close(&w, '}');
    jw_close(&w, ']');
    api_add_data(r, c->object, NULL, &data);
    api_add_call(r, buf_slice(&data), buf_slice(&result), 1);
    buf_clear(&data);
    crypto_wipe(result.ptr, result.len);
    buf_clear(&result);
    change_free(c);
    api_answer(r);
}

static void refuse_scheme(struct api_request *r)
{
    change_free(r->state);
    api_fail_field(r, "sign.scheme", "Make its secret first: POST /v3/appendix/webhook_secret.");
}

/* Ends R if Redis did not take the call or did not answer. */
MUST_CHECK static enum flow check_reply(struct api_request *r, enum err rc)
{
    if (rc == OK)
        return GO_ON;
    if (rc == ERR_INVALID) { /* another call took the secret away meanwhile */
        refuse_scheme(r);
        return ENDED;
    }
    change_free(r->state);
    api_unavailable(r);
    return ENDED;
}

static void settings_on_reply(void *ctx, enum err rc, const struct account_settings *s)
{
    struct api_request *r = ctx;
    if (check_reply(r, rc) == GO_ON)
        settings_answer(r, s);
}

void api_webhook_settings(struct api_request *r)
{
    if (api_takes_no_query(r) == ENDED)
        return;
    (void)change_new(r, slice_make("", 0));
    queue_tasks_settings(r->api->tasks, slice_str(r->account->name), settings_on_reply, r);
}

/* --- changes --- */

MUST_CHECK static enum flow change_refuse(struct api_request *r, const char *field, const char *why)
{
    change_free(r->state);
    api_fail_field(r, field, why);
    return ENDED;
}

static void change_add(struct change *c, const char *field, struct slice value)
{
    c->list[c->count++] = (struct setting_change){field, value};
}

static void change_note(struct change *c, const char *name)
{
    size_t n = strlen(c->names);
    snprintf(c->names + n, sizeof c->names - n, "%s%s", n ? " " : "", name);
}

MUST_CHECK static enum flow read_delay(struct api_request *r, const struct json_member *m)
{
    struct change *c = r->state;
    struct api_field f = api_field_of(m, TYPE_INT);
    int64_t ms = f.value && !f.is_wrong ? json_int(f.value) : -1;
    bool ok =
        !f.is_wrong && (f.is_null || (ms >= 0 && delay_is_allowed(ms, r->conf->delay_step_ms)));
    api_field_clear(&f);
    if (!ok) {
        char why[120];
        snprintf(why, sizeof why,
                 "It is 0, 50, or a multiple of %lld up to 1000; null for the configured one.",
                 (long long)r->conf->delay_step_ms);
        return change_refuse(r, "webhook_delay", why);
    }
    if (ms >= 0)
        snprintf(c->delay, sizeof c->delay, "%lld", (long long)ms);
    change_add(c, SETTING_DELAY, slice_str(c->delay));
    return GO_ON;
}

MUST_CHECK static enum flow read_tls(struct api_request *r, const struct json_member *m)
{
    struct api_field f = api_field_of(m, TYPE_BOOL);
    bool ok = !f.is_wrong, is_true = ok && f.value && json_bool(f.value);
    struct slice value = slice_str(f.value ? (is_true ? "1" : "0") : "");
    api_field_clear(&f);
    if (!ok)
        return change_refuse(r, "verify_tls", "It is true or false; null for the configured one.");
    change_add(r->state, "tls", value);
    return GO_ON;
}

/* WORDS are the two or three that member M may have, NULL-ended. */
MUST_CHECK static enum flow read_word(struct api_request *r, const struct json_member *m,
                                      const char *const *words, const char *why)
{
    struct api_field f = api_field_of(m, TYPE_TEXT);
    struct slice value = slice_make("", 0);
    bool ok = !f.is_wrong && f.is_null;
    for (size_t i = 0; !ok && !f.is_wrong && words[i]; i++)
        if (slice_eq(api_field_text(&f), slice_str(words[i]))) {
            value = slice_str(words[i]);
            ok = true;
        }
    api_field_clear(&f);
    if (!ok)
        return change_refuse(r, m->name, why);
    change_add(r->state, m->name, value);
    return GO_ON;
}

/* Writes the scheme that OBJECT names to c->scheme. Leaves it empty if OBJECT names none. */
MUST_CHECK static enum flow read_scheme(struct api_request *r, struct slice object,
                                        const char *field)
{
    struct change *c = r->state;
    struct api_field f = api_field_read(object, "scheme", TYPE_TEXT);
    struct slice name = api_field_text(&f);
    bool ok = !f.is_wrong && (!f.value || scheme_may_sign(name));
    if (ok)
        snprintf(c->scheme, sizeof c->scheme, "%.*s", SLICE_FMT(name));
    api_field_clear(&f);
    return ok ? GO_ON
              : change_refuse(r, field,
                              "It is a scheme that signs: standard-webhooks, semscraper, "
                              "serphouse, github, stripe, slack, shopify or hmac.");
}

/* Ends R if OBJECT, which is the member PARENT ("" for the whole), has a member that is none of NAMES, NULL-ended. */
MUST_CHECK static enum flow check_known(struct api_request *r, const char *parent,
                                        struct slice object, const char *const *names,
                                        const char *why)
{
    struct json_cut cut;
    struct slice key, value;
    bool ok = json_cut_open(object, &cut);
    while (ok && json_cut_next(&cut, &key, &value)) {
        bool is_known = false;
        for (size_t i = 0; names[i]; i++)
            is_known = is_known || slice_eq(key, slice_str(names[i]));
        if (!is_known) {
            char name[64];
            snprintf(name, sizeof name, "%s%.*s", parent, SLICE_FMT(slice_head(key, 40)));
            return change_refuse(r, name, why);
        }
    }
    return GO_ON;
}

MUST_CHECK static enum flow read_sign(struct api_request *r, const struct json_member *m)
{
    struct change *c = r->state;
    char kind = json_cut_kind(m->value);
    if (m->times > 1 || (kind != 'n' && kind != '{'))
        return change_refuse(r, "sign",
                             "It is an object with a 'scheme', once; null for the configured one.");
    if (kind == 'n') {
        change_add(c, "sign", slice_make("", 0));
        change_add(c, "id", slice_make("", 0));
        change_add(c, "sealed", slice_make("", 0));
        change_add(c, "made", slice_make("", 0));
        return GO_ON;
    }
    /* An object that webhook_settings has answered may be sent back. */
    static const char *const names[] = {"scheme", "secret_id", "made_at", NULL};
    if (check_known(r, "sign.", m->value, names,
                    "There is 'scheme'. Secrets are made by POST /v3/appendix/webhook_secret.") ==
            ENDED ||
        read_scheme(r, m->value, "sign.scheme") == ENDED)
        return ENDED;
    if (!c->scheme[0])
        return change_refuse(r, "sign.scheme", "An object 'sign' names the scheme.");
    return GO_ON;
}

MUST_CHECK static enum flow read_member(struct api_request *r, int which,
                                        const struct json_member *m)
{
    static const char *const payloads[] = {"envelope", "result", NULL};
    static const char *const gzips[] = {"keep", "always", "never", NULL};
    switch (which) {
    case MEMBER_DELAY:
        return read_delay(r, m);
    case MEMBER_TLS:
        return read_tls(r, m);
    case MEMBER_PAYLOAD:
        return read_word(r, m, payloads,
                         "It is 'envelope' or 'result'; null for the configured one.");
    case MEMBER_GZIP:
        return read_word(r, m, gzips,
                         "It is 'keep', 'always' or 'never'; null for the configured one.");
    default:
        return read_sign(r, m);
    }
}

static void log_change(const struct api_request *r, const char *event, const char *what)
{
    char peer[ADDR_TEXT] = "gone";
    if (r->ops->http)
        addr_text(http_peer(r->ops->http), peer);
    LOG(LL_INFO, event, LS("account", r->account->name), LS("peer", peer), LS("changed", what));
}

static void change_store(struct api_request *r, const char *event, const char *what)
{
    struct change *c = r->state;
    log_change(r, event, what);
    queue_tasks_change(r->api->tasks, slice_str(r->account->name), c->list, c->count,
                       settings_on_reply, r);
}

/* A new scheme goes with the secret that the account has made. One of the configuration has its own. */
static void change_on_read(void *ctx, enum err rc, const struct account_settings *s)
{
    struct api_request *r = ctx;
    struct change *c = r->state;
    if (check_reply(r, rc) == ENDED)
        return;
    bool is_same = !s->stamp.scheme.len && slice_eq(slice_str(c->scheme), configured_scheme(r, ""));
    if (s->stamp.scheme.len) {
        change_add(c, "sign", slice_str(c->scheme));
    } else if (!is_same) {
        refuse_scheme(r);
        return;
    }
    if (c->count)
        change_store(r, "account.settings", c->names);
    else
        settings_answer(r, s);
}

void api_webhook_settings_set(struct api_request *r)
{
    struct json_member members[MEMBERS];
    struct slice object;
    if (api_takes_no_query(r) == ENDED || api_read_one(r, &object) == ENDED)
        return;
    struct change *c = change_new(r, object);
    if (check_known(r, "", object, member_names,
                    "There are 'webhook_delay', 'verify_tls', 'payload', 'gzip' and 'sign'.") ==
        ENDED)
        return;
    for (int i = 0; i < MEMBERS; i++)
        members[i] = (struct json_member){.name = member_names[i]};
    json_cut_members(object, members, MEMBERS);
    for (int i = 0; i < MEMBERS; i++) {
        if (members[i].times == 0)
            continue;
        if (read_member(r, i, &members[i]) == ENDED)
            return;
        change_note(c, member_names[i]);
    }
    if (c->scheme[0] || !c->count)
        queue_tasks_settings(r->api->tasks, slice_str(r->account->name),
                             c->scheme[0] ? change_on_read : settings_on_reply, r);
    else
        change_store(r, "account.settings", c->names);
}

/* --- webhook_secret --- */

/* Writes a new secret in the form that its scheme has: "whsec_" and base64, or hex digits. */
static void secret_make(struct change *c)
{
    unsigned char bytes[SECRET_BYTES];
    char text[2 * SECRET_BYTES];
    crypto_random(bytes, sizeof bytes);
    bool is_whsec = scheme_secret_is_whsec(slice_str(c->scheme));
    size_t n = sizeof text;
    if (is_whsec)
        n = text_base64(bytes, sizeof bytes, text);
    else
        text_hex(bytes, sizeof bytes, text);
    snprintf(c->secret, sizeof c->secret, "%s%.*s", is_whsec ? "whsec_" : "", (int)n, text);
    crypto_wipe(bytes, sizeof bytes);
    crypto_wipe(text, sizeof text);
    scheme_name_secret(slice_str(c->secret), c->id);
}

static void secret_store(struct api_request *r)
{
    struct change *c = r->state;
    struct buf sealed = buf_over(c->sealed);
    secret_make(c);
    if (stamp_seal(r->conf->secrets_key, slice_str(r->account->name), slice_str(c->id),
                   slice_str(c->secret), &sealed) != OK) {
        change_free(c);
        api_unavailable(r);
        return;
    }
    snprintf(c->made, sizeof c->made, "%lld", (long long)clock_wall_ms());
    change_add(c, "sign", slice_str(c->scheme));
    change_add(c, "id", slice_str(c->id));
    change_add(c, "sealed", slice_str(c->sealed));
    change_add(c, "made", slice_str(c->made));
    c->is_new_secret = true;
    change_store(r, "account.secret", c->id);
}

static void secret_on_read(void *ctx, enum err rc, const struct account_settings *s)
{
    struct api_request *r = ctx;
    struct change *c = r->state;
    if (check_reply(r, rc) == ENDED)
        return;
    struct slice scheme = s->stamp.scheme;
    if (!scheme.len)
        scheme = configured_scheme(r, DEFAULT_SCHEME);
    if (!c->scheme[0])
        snprintf(c->scheme, sizeof c->scheme, "%.*s", SLICE_FMT(scheme));
    secret_store(r);
}

void api_webhook_secret(struct api_request *r)
{
    static const char *const names[] = {"scheme", NULL};
    struct slice object;
    if (api_takes_no_query(r) == ENDED || api_read_one(r, &object) == ENDED)
        return;
    if (!r->conf->has_secrets_key) {
        api_fail_saying(r, CODE_INVALID_FIELD,
                        "Invalid Field: the configuration of Hookpace has no 'secrets_key', so it "
                        "cannot keep a secret. Ask its operator to set one.");
        return;
    }
    (void)change_new(r, object);
    if (check_known(r, "", object, names, "There is 'scheme'.") == ENDED ||
        read_scheme(r, object, "scheme") == ENDED)
        return;
    queue_tasks_settings(r->api->tasks, slice_str(r->account->name), secret_on_read, r);
}
