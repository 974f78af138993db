/* config_picks - reads where a source's ids and tags are: JSON pointers, headers, form fields.   [pure] */
#ifndef COMMON_CONFIG_CONFIG_PICKS_H
#define COMMON_CONFIG_CONFIG_PICKS_H

#include "common/config/config_private.h"

/* Fills the picks of S from the texts of its keys `id` and `tag`. Where a key was not given, the scheme's picks are taken.
 * `name`, `verify` and `payload` of S are set already. Problems are added to PROBLEMS. */
void config_picks_build(struct source *s, const struct raw_texts *id, const struct raw_texts *tag,
                        struct config_problems *problems);

#endif
