/* config_build - turns what was read from the file into the configuration, and checks the rules that need more than one
 * value.   [pure, but it opens the files that are named] */
#ifndef COMMON_CONFIG_CONFIG_BUILD_H
#define COMMON_CONFIG_CONFIG_BUILD_H

#include "common/config/config_private.h"

/* Moves D's values into a new configuration with one reference. Use it only if PROBLEMS is empty; release it with
 * config_unref in any case. */
struct config *config_build(struct raw_config *d, struct config_problems *problems);

#endif
