/* options - the words of the command line: a command, its arguments, and options, which may stand anywhere.   [pure] */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#define ARGUMENTS_MAX 8

enum option {
    /* How to reach the receiver, and how to print. Every command takes them. */
    OPTION_URL,
    OPTION_LOGIN,
    OPTION_CONFIG,
    OPTION_ENV_FILE,
    OPTION_JSON,
    OPTION_HELP,
    OPTION_VERSION,
    /* A filter of deliveries. */
    OPTION_STATE,
    OPTION_DESTINATION,
    OPTION_SOURCE,
    OPTION_LANE,
    OPTION_TAG,
    OPTION_ID,
    OPTION_NAME,
    OPTION_SINCE,
    OPTION_UNTIL,
    OPTION_LIMIT,
    /* Of some commands. */
    OPTION_ALL,
    OPTION_YES,
    OPTION_ACCOUNT,
    OPTION_BODY,
    OPTION_REPAIR,
    OPTION_FORWARD,
    OPTION_TIMEOUT,
    OPTION_COUNT
};

struct option_row {
    const char *name;  /* "--state" */
    const char *value; /* what stands behind it, for help; NULL: nothing */
    const char *help;
};
const struct option_row *option_row(enum option o);

struct options {         /* the texts are those of ARGV */
    const char *command; /* NULL if there is none */
    const char *arguments[ARGUMENTS_MAX];
    size_t argument_count;
    const char *values[OPTION_COUNT]; /* NULL: not given; "" for one without a value */
};

/* Reads ARGV. Returns NULL, or a sentence that says what is wrong, in TEXT. "--name=value" and "--name value" are the same; behind
 * "--" everything is an argument. */
const char *options_read(int argc, char **argv, struct options *out, char *text, size_t size);

#endif
