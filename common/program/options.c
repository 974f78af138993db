#include "common/program/options.h"

#include "common/base/text.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

/* Past the letters, so that getopt's `optopt` tells "-x" from "--version=1". */
enum { OPT_CONFIG = 256, OPT_ENV_FILE, OPT_CHECK, OPT_SCHEMA, OPT_VERSION, OPT_HELP };

static const struct option known[] = {
    {"config", required_argument, NULL, OPT_CONFIG},
    {"env-file", required_argument, NULL, OPT_ENV_FILE},
    {"check-config", no_argument, NULL, OPT_CHECK},
    {"print-schema", no_argument, NULL, OPT_SCHEMA},
    {"version", no_argument, NULL, OPT_VERSION},
    {"help", no_argument, NULL, OPT_HELP},
    {0},
};

static const char *say_unknown(const char *word, char *text, size_t size)
{
    char guess[TEXT_GUESS_MAX];
    const char *name = word + strspn(word, "-");
    struct text_guess g = text_guess(slice_make(name, strcspn(name, "=")));
    for (const struct option *o = known; o->name; o++)
        text_guess_try(&g, slice_str(o->name));
    snprintf(text, size, "unknown option %.60s%s", word, text_guess_write(&g, "--", guess));
    return text;
}

/* getopt has found no option in ARGV: it returned C, which is '?' or ':'. */
static const char *say_wrong(int c, char **argv, char *text, size_t size)
{
    const char letter[] = {'-', (char)optopt, 0}; /* getopt may still be inside its argument */
    if (c == ':')
        snprintf(text, size, "%.60s needs a value", argv[optind - 1]);
    else if (optopt >= OPT_CONFIG)
        snprintf(text, size, "%.60s takes no value", argv[optind - 1]);
    else
        return say_unknown(optopt ? letter : argv[optind - 1], text, size);
    return text;
}

/* C is an option of `known` or its letter. False if there are too many of it. */
static bool take(struct program_options *o, int c)
{
    if (c == OPT_CONFIG)
        o->config = optarg;
    else if (c == OPT_ENV_FILE && o->env_file_count == ENV_FILES_MAX)
        return false;
    else if (c == OPT_ENV_FILE)
        o->env_files[o->env_file_count++] = optarg;
    else if (c == OPT_CHECK)
        o->check = true;
    else if (c == OPT_SCHEMA)
        o->print_schema = true;
    else if (c == OPT_VERSION || c == 'V')
        o->version = true;
    else
        o->help = true;
    return true;
}

const char *program_options_read(int argc, char **argv, struct program_options *o, char *text,
                                 size_t size)
{
    opterr = 0;
    optind = 1;
    *o = (struct program_options){0};
    for (int c; (c = getopt_long(argc, argv, ":hV", known, NULL)) != -1;) {
        if (c == '?' || c == ':')
            return say_wrong(c, argv, text, size);
        if (!take(o, c))
            return "there are too many --env-file";
    }
    if (optind == argc)
        return NULL;
    snprintf(text, size, "unexpected argument %.60s", argv[optind]);
    return text;
}
