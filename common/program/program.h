/* program - what both programs' main share: options, configuration, signals, exit codes.
 *
 * --config FILE, --check-config, --version, --help; 0 clean stop, 1 runtime failure, 2 bad usage or
 * configuration (1 for a --check-config that found problems).
 */
#ifndef COMMON_PROGRAM_PROGRAM_H
#define COMMON_PROGRAM_PROGRAM_H

#include "common/config/config.h"

#define EXIT_STOPPED 0
#define EXIT_RUNTIME 1
#define EXIT_USAGE 2

#define HOOKPACE_VERSION "0.1.0"

/* Parses ARGV. Returns -1 to go on, with *CONFIG (one reference) and *PATH set; else the exit code.
 * Also sets up logging and ignores SIGPIPE. NAME is the program's, ABOUT one line for --help. */
int program_start(int argc, char **argv, const char *name, const char *about,
                  struct config **config, const char **path);

/* Reads PATH again. The new configuration, or NULL (with an error in the log, every problem a line) if it
 * does not check, or changes what a running program cannot: redis.prefix and redis.partitions. Other keys
 * of redis that need a restart are told in the log; WAS is the configuration in force. */
struct config *program_reload(const char *path, const struct config *was);

/* Tells in the log that KEY needs a restart to take effect, if the texts differ. */
void program_tell_restart(const char *key, const char *was, const char *is);

#endif
