/* config_check - rules for single values, and those that tie several together.   [pure] */
#ifndef COMMON_CONFIG_CONFIG_CHECK_H
#define COMMON_CONFIG_CONFIG_CHECK_H

#include "common/config/config_draft.h"

/* What is wrong, or NULL. */
const char *config_prefix_fault(struct slice redis_prefix);
const char *config_pointer_fault(struct slice json_pointer);
const char *config_pattern_fault(struct slice header_pattern);
const char *config_header_fault(struct slice name, struct slice value);

/* The rules over the whole of C, which is otherwise built: destinations that share a lane agree on
 * `order`. */
void config_check_lanes(const struct config *c, struct config_problems *problems);

#endif
