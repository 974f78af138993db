/* config_read - walks a document by config_table into a draft.   [pure, but for env: and file:] */
#ifndef COMMON_CONFIG_CONFIG_READ_H
#define COMMON_CONFIG_CONFIG_READ_H

#include "common/config/config_private.h"

struct json;

/* Fills D (zeroed by the caller; freed with raw_clear in any case) from ROOT: types, ranges,
 * defaults, overrides, values of env: and file: with relative files in DIR. Whatever is wrong
 * becomes a problem and is left at its default, or NULL where there is none. */
void config_read(const struct json *root, const char *dir, struct raw_config *d,
                 struct config_problems *problems);

/* Frees what D still holds. */
void raw_clear(struct raw_config *d);

#endif
