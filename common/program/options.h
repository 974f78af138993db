/* options - the command line of the receiver and the dispatcher.   [pure] */
#ifndef COMMON_PROGRAM_OPTIONS_H
#define COMMON_PROGRAM_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#define ENV_FILES_MAX 16

struct program_options { /* borrows texts of argv */
    const char *config;  /* or NULL */
    const char *env_files[ENV_FILES_MAX];
    size_t env_file_count;
    bool check, print_schema, version, help;
};

/* Fills O from ARGV. Returns NULL, or what is wrong with ARGV, in TEXT. */
const char *program_options_read(int argc, char **argv, struct program_options *o, char *text,
                                 size_t size);

#endif
