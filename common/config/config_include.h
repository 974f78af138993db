/* config_include - the files that `include` names: finds them, and tells in which of them a problem is. */
#ifndef COMMON_CONFIG_CONFIG_INCLUDE_H
#define COMMON_CONFIG_CONFIG_INCLUDE_H

#include "common/config/config_set.h"

#define CONFIG_TEXT_MAX                                                                            \
    ((size_t)16 << 20)         /* bytes: of the main file, and of all included files together */
#define CONFIG_FILES_MAX 10000 /* included files */

/* Adds the paths of the files that PATTERNS name to FILES: pattern by pattern, each one's files in the order of their bytes.
 * No path is in FILES twice, and the main file is not in it. R is at the path of PATTERNS. */
void config_find_files(struct config_reader *r, const struct raw_texts *patterns,
                       struct raw_texts *files);

/* Reports a problem with the value at the path, after the name of the included file that R reads. */
void config_wrong_in_file(struct config_reader *r, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Puts the name of the file before each line about an account, source or destination of an included file. ORIGINS is the
 * one of struct raw_config. */
void config_name_files(struct config_problems *p, const struct map *origins);

#endif
