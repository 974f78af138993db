/* config_read - finds the keys of the configuration in the document and reads their values.
 * [pure, but for env: and file:] */
#ifndef COMMON_CONFIG_CONFIG_READ_H
#define COMMON_CONFIG_CONFIG_READ_H

#include "common/config/config_private.h"

struct json;
struct sha256;

/* Fills D from ROOT, the document in the file NAME: types, ranges, defaults, overrides, values of env: and file:, and what
 * the files of `include` add. Relative files are in the directory of the file that names them. A value that is wrong
 * becomes a problem and gets its default (NULL if it has none). TEXT is a digest to which the text of each included file is
 * added. The caller zeroes D before, and calls raw_clear after it in any case. */
void config_read(const struct json *root, const char *name, struct sha256 *text,
                 struct raw_config *d, struct config_problems *problems);

/* Puts the name of the variable behind each path whose value comes from a variable. */
void config_name_variables(struct config_problems *p);

/* Frees the values that config_build has not moved out of D. */
void raw_clear(struct raw_config *d);

#endif
