/* config_notes - warns of what a valid configuration gives up, perhaps without its author's knowledge.   [pure, apart from the environment] */
#ifndef COMMON_CONFIG_CONFIG_NOTES_H
#define COMMON_CONFIG_CONFIG_NOTES_H

#include "common/config/config.h"

/* Adds a warning to PROBLEMS for each source of C whose repeats Hookpace cannot know, or not for long enough, and for each
 * account and destination that signs gzip. */
void config_notes(const struct config *c, struct config_problems *problems);

/* Adds a warning for each variable of the environment that nothing reads and whose name is nearly that of one that Hookpace
 * reads, such as HOOKPACE_LISTN. TEXT is the file: variables that it names are left alone. So are other variables, since
 * compose and Kubernetes set some that begin with HOOKPACE_, too. */
void config_notes_of_variables(struct slice text, struct config_problems *problems);

#endif
