/* program - the start of both programs: options, configuration, logging, exit codes.
 *
 * Exit codes: 0 clean stop, 1 runtime failure, 2 bad usage or configuration.
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

/* From now on the log says once a second how many lines were left out of it. End it before the loop. */
struct log_watch;
struct loop;
struct log_watch *program_watch_log(struct loop *l);
/* Says what was left out until now, too. NULL is fine. */
void program_end_watch(struct log_watch *w);

/* Reads the file PATH again and returns the new configuration. WAS is the one in force. The log names each changed key of
 * SECTIONS (names of top-level objects, ended by NULL) that needs a restart.
 * Returns NULL and logs every problem if the file is wrong, or if it changes a key that a running program cannot
 * change. These keys are redis.prefix and redis.partitions: work in hand would be reported under other keys than it was
 * taken from. */
struct config *program_reload(const char *path, const struct config *was,
                              const char *const *sections);

#endif
