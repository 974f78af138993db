#include "cli/options.h"

#include "common/base/text.h"

#include <stdio.h>
#include <string.h>

static const struct option_row rows[OPTION_COUNT] = {
    [OPTION_URL] = {"--url", "URL", "the receiver's admin listener ($HOOKPACE_URL)"},
    [OPTION_LOGIN] = {"--login", "NAME:PASSWORD",
                      "an account ($HOOKPACE_LOGIN, which others cannot see)"},
    [OPTION_CONFIG] = {"--config", "FILE", "take both from this configuration"},
    [OPTION_ENV_FILE] = {"--env-file", "FILE",
                         "set the variables of this file first: lines NAME=value"},
    [OPTION_JSON] = {"--json", NULL, "print what the call returned"},
    [OPTION_HELP] = {"--help", NULL, "print this (-h)"},
    [OPTION_VERSION] = {"--version", NULL, "print the version (-V)"},
    [OPTION_STATE] = {"--state", "STATE",
                      "queued, inflight, retry, dead, done or dropped; of lanes: queued, retry, "
                      "dead, paused or circuit"},
    [OPTION_DESTINATION] = {"--destination", "NAME", "only to this destination"},
    [OPTION_SOURCE] = {"--source", "NAME", "only from this source"},
    [OPTION_LANE] = {"--lane", "NAME", "only on this lane"},
    [OPTION_TAG] = {"--tag", "TAG", "only with this tag"},
    [OPTION_ID] = {"--id", "ID", "only of this event, or only this delivery"},
    [OPTION_NAME] = {"--name", "TEXT", "only lanes with this text in their name"},
    [OPTION_SINCE] = {"--since", "TIME",
                      "accepted at or after: 14:00, 90m, 2h, 3d, RFC 3339, or ms since 1970"},
    [OPTION_UNTIL] = {"--until", "TIME", "accepted at or before"},
    [OPTION_LIMIT] = {"--limit", "N", "at most so many (1 to 1000)"},
    [OPTION_ALL] = {"--all", NULL, "all pages, not only the first"},
    [OPTION_YES] = {"--yes", NULL, "do not ask"},
    [OPTION_ACCOUNT] = {"--account", "NAME", "of this account"},
    [OPTION_BODY] = {"--body", "FILE", "send this file's bytes (- for the standard input)"},
    [OPTION_FORWARD] = {"--forward", "URL", "the server that gets the events"},
    [OPTION_TIMEOUT] = {"--timeout", "SECONDS", "how long that server may take (30)"},
    [OPTION_REPAIR] = {"--repair", NULL, "mend what was found"},
};

const struct option_row *option_row(enum option o)
{
    return &rows[o];
}

/* The option that WORD names, up to its '='; OPTION_COUNT if there is none. */
static enum option find(const char *word)
{
    size_t len = strcspn(word, "=");
    if (strcmp(word, "-h") == 0)
        return OPTION_HELP;
    if (strcmp(word, "-V") == 0)
        return OPTION_VERSION;
    for (enum option o = 0; o < OPTION_COUNT; o++)
        if (strlen(rows[o].name) == len && memcmp(rows[o].name, word, len) == 0)
            return o;
    return OPTION_COUNT;
}

static const char *say_unknown(const char *word, char *text, size_t size)
{
    char guess[TEXT_GUESS_MAX];
    struct text_guess g = text_guess(slice_make(word, strcspn(word, "=")));
    for (enum option o = 0; o < OPTION_COUNT; o++)
        text_guess_try(&g, slice_str(rows[o].name));
    snprintf(text, size, "unknown option %.60s%s", word, text_guess_write(&g, "", guess));
    return text;
}

/* Takes the option at ARGV[*AT] and moves *AT behind it. */
static const char *take_option(char **argv, int *at, struct options *out, char *text, size_t size)
{
    const char *word = argv[(*at)++];
    enum option o = find(word);
    if (o == OPTION_COUNT)
        return say_unknown(word, text, size);
    const char *equals = strchr(word, '=');
    const char *value = equals ? equals + 1 : rows[o].value ? argv[*at] : "";
    if (!rows[o].value && equals)
        snprintf(text, size, "%s takes no value", rows[o].name);
    else if (!value)
        snprintf(text, size, "%s needs a value: %s", rows[o].name, rows[o].value);
    else if (out->values[o])
        snprintf(text, size, "%s is there twice", rows[o].name);
    else {
        *at += rows[o].value && !equals;
        out->values[o] = value;
        return NULL;
    }
    return text;
}

const char *options_read(int argc, char **argv, struct options *out, char *text, size_t size)
{
    bool only_arguments = false;
    *out = (struct options){0};
    for (int at = 1; at < argc;) {
        const char *word = argv[at], *problem = NULL;
        if (!only_arguments && strcmp(word, "--") == 0) {
            only_arguments = true;
            at++;
        } else if (!only_arguments && word[0] == '-' && word[1]) {
            problem = take_option(argv, &at, out, text, size);
        } else {
            at++;
            if (!out->command)
                out->command = word;
            else if (out->argument_count < ARGUMENTS_MAX)
                out->arguments[out->argument_count++] = word;
            else
                problem = "too many arguments";
        }
        if (problem)
            return problem;
    }
    return NULL;
}
