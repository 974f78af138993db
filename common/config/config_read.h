/* config_read - finds the keys of the configuration in the document and reads their values.
 * [pure, but for env: and file:] */
#ifndef COMMON_CONFIG_CONFIG_READ_H
#define COMMON_CONFIG_CONFIG_READ_H

#include "common/config/config_private.h"

struct json;

/* Fills D from ROOT: types, ranges, defaults, overrides, values of env: and file:. Relative files are in DIR. A value
 * that is wrong becomes a problem and gets its default (NULL if it has none). The caller zeroes D before, and calls
 * raw_clear after it in any case. */
void config_read(const struct json *root, const char *dir, struct raw_config *d,
                 struct config_problems *problems);

/* Frees the values that config_build has not moved out of D. */
void raw_clear(struct raw_config *d);

#endif
