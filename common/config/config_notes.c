#include "common/config/config_notes.h"

#include "common/base/text.h"
#include "common/config/config_problems.h"
#include "common/config/config_table.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void warn(struct config_problems *problems, const struct source *s, const char *key,
                 const char *what)
{
    char path[160];
    snprintf(path, sizeof path, "sources.%s%s", s->name, key);
    config_problems_warn(problems, slice_str(path), "%s", what);
}

/* A body that is not read as JSON has no pointers. */
static void warn_of_pointers(const struct source *s, struct config_problems *problems)
{
    for (size_t i = 0; s->payload == PAYLOAD_ANY && i < s->id_picks + s->tag_picks; i++)
        if (s->picks[i].kind == PICK_JSON) {
            warn(problems, s, i < s->id_picks ? ".id" : ".tag",
                 "has a JSON pointer, which finds nothing with payload any");
            return;
        }
}

/* OWNERS is "destinations" or "accounts". */
static void warn_of_signed_gzip(struct config_problems *problems, const char *owners,
                                const char *name, const struct delivery_settings *s)
{
    char path[160];
    if (!s->sign || s->gzip == GZIP_NEVER)
        return;
    snprintf(path, sizeof path, "%s.%s.gzip", owners, name);
    config_problems_warn(problems, slice_str(path),
                         "is %s although `sign` is set, and receivers that verify the plain bytes "
                         "refuse a signature over gzip; use null or never",
                         s->gzip == GZIP_KEEP ? "keep" : "always");
}

/* The configuration does not say what senders put into their requests: the query may name an id, and a header a message. */
static void warn_of_repeats(const struct source *s, struct config_problems *problems)
{
    bool is_known = !s->verify || s->id_picks || scheme_covers_body(s->verify) || s->fetch;
    if (s->repeats == REPEATS_NONE || is_known)
        return;
    warn(problems, s, "",
         s->repeats == REPEATS_MESSAGE
             ? "a repeat is recognised only if the query has an id or a header names the message "
               "(webhook-id, X-GitHub-Delivery, ce-id with ce-source, ...); set `id`"
             : "a repeat is recognised only if the query has an id; set `id`");
}

/* A timestamp may be early by the tolerance, and is good until it is late by the tolerance. */
static void warn_of_tolerance(const struct config *c, const struct source *s,
                              struct config_problems *problems)
{
    if (s->verify && s->repeats != REPEATS_NONE &&
        2 * scheme_tolerance_s(s->verify) > c->retention.dedup_s)
        warn(problems, s, ".verify.tolerance_s",
             "a captured request is valid for longer than repeats are recognised; set "
             "retention.dedup_s to at least twice the tolerance");
}

static bool is_loopback(const struct cidr *c)
{
    static const struct addr v4 = {{127, 0, 0, 1}, 4, 0};
    static const struct addr v6 = {{[15] = 1}, 6, 0};
    return cidr_has(c, &v4) || cidr_has(c, &v6) || (c->base.family == 4 && c->base.ip[0] == 127);
}

static void warn_of_own_addresses(const struct config_dispatcher *d,
                                  struct config_problems *problems)
{
    for (size_t i = 0; i < d->allow_accounts_count; i++) {
        const struct cidr *c = &d->allow_accounts[i];
        char path[64];
        if (!is_loopback(c) || c->bits == (c->base.family == 4 ? 32 : 128))
            continue;
        snprintf(path, sizeof path, "dispatcher.egress.allow_accounts[%zu]", i);
        config_problems_warn(problems, slice_str(path),
                             "does not open loopback: an address of the dispatcher's own machine "
                             "must be listed itself, as 127.0.0.1/32");
    }
}

static void warn_of_proxies(const struct config_receiver *r, struct config_problems *problems)
{
    if (r->proxy_protocol && !r->trusted_count)
        config_problems_warn(problems, SLICE_LIT("receiver.proxy_protocol"),
                             "whoever reaches receiver.listen may claim any address; list the "
                             "proxies in receiver.trusted_proxies");
}

void config_notes(const struct config *c, struct config_problems *problems)
{
    warn_of_proxies(&c->receiver, problems);
    size_t at = 0;
    struct slice name;
    void *value;
    while (map_next(&c->accounts, &at, &name, &value)) {
        const struct config_account *a = value;
        warn_of_signed_gzip(problems, "accounts", a->name, a->settings);
    }
    for (at = 0; map_next(&c->destinations, &at, &name, &value);) {
        const struct destination *d = value;
        if (d->kind == DELIVERY_POSTBACK) /* a pingback has no body */
            warn_of_signed_gzip(problems, "destinations", d->name, d->settings);
    }
    for (at = 0; map_next(&c->sources, &at, &name, &value);) {
        warn_of_pointers(value, problems);
        warn_of_repeats(value, problems);
        warn_of_tolerance(c, value, problems);
    }
    warn_of_own_addresses(&c->dispatcher, problems);
}

/* --- variables --- */

#define PREFIX "HOOKPACE_"

/* Variables that set no key: of the programs, of the command, and of the image. */
static const char *const other_variables[] = {
    "HOOKPACE_CONFIG",     "HOOKPACE_LOG",      "HOOKPACE_LOG_FORMAT",
    "HOOKPACE_CORE_DUMPS", "HOOKPACE_FAULT_AT", "HOOKPACE_URL",
    "HOOKPACE_LOGIN",      "HOOKPACE_CA_FILE",  "HOOKPACE_DEMO",
};

struct guessing {
    struct text_guess guess;
    char best[CONFIG_VARIABLE_MAX]; /* what guess.best borrows */
    bool is_known;
};

static void compare(struct guessing *g, const char *variable)
{
    struct slice candidate = slice_str(variable);
    g->is_known = g->is_known || slice_eq(g->guess.word, candidate);
    text_guess_try(&g->guess, candidate);
    if (g->guess.best.ptr == candidate.ptr) {
        snprintf(g->best, sizeof g->best, "%s", variable);
        g->guess.best.ptr = g->best;
    }
}

static void compare_all(struct guessing *g)
{
    char variable[CONFIG_VARIABLE_MAX];
    for (size_t i = 0; i < sizeof other_variables / sizeof *other_variables; i++)
        compare(g, other_variables[i]);
    for (size_t i = 0; i < config_key_count; i++) {
        if (config_keys[i].override)
            compare(g, config_keys[i].override);
        if (config_key_variable(&config_keys[i], variable))
            compare(g, variable);
    }
}

void config_notes_of_variables(struct slice text, struct config_problems *problems)
{
    for (char **at = environ; *at; at++) {
        struct slice rest = slice_str(*at), name = slice_cut(&rest, '=');
        struct guessing g = {.guess = text_guess(name)};
        char guessed[TEXT_GUESS_MAX];
        if (!slice_starts(name, SLICE_LIT(PREFIX)) ||
            memmem(text.ptr, text.len, name.ptr, name.len))
            continue;
        compare_all(&g);
        if (!g.is_known && g.guess.best.len)
            config_problems_warn(problems, name, "nothing reads this environment variable%s",
                                 text_guess_write(&g.guess, "", guessed));
    }
}
