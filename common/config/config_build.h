/* config_build - turns a draft into a configuration: checks and compiles what needs it.   [pure,
 * but that it opens the files that are named] */
#ifndef COMMON_CONFIG_CONFIG_BUILD_H
#define COMMON_CONFIG_CONFIG_BUILD_H

#include "common/config/config_private.h"

/* Moves D's values into a new configuration with one reference. It is only to be used if there are
 * no problems, but must be given back with config_unref in any case. */
struct config *config_build(struct raw_config *d, struct config_problems *problems);

#endif
