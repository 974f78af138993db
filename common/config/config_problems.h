/* config_problems - collects the problems of a configuration, so that a run reports every problem.   [pure] */
#ifndef COMMON_CONFIG_CONFIG_PROBLEMS_H
#define COMMON_CONFIG_CONFIG_PROBLEMS_H

#include "common/config/config.h"

/* Adds the line "PATH: what". Control characters become '?', so that a problem stays one line. */
void config_problems_add(struct config_problems *p, struct slice path, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* Adds the line "PATH: warning: what" to the warnings of P in the same way. */
void config_problems_warn(struct config_problems *p, struct slice path, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

#endif
