/* config_notes - warns of what a valid configuration gives up, perhaps without its author's knowledge.   [pure] */
#ifndef COMMON_CONFIG_CONFIG_NOTES_H
#define COMMON_CONFIG_CONFIG_NOTES_H

#include "common/config/config.h"

/* Adds a warning to PROBLEMS for each source of C whose repeats Hookpace cannot know, or not for long enough, and for each
 * account and destination that signs gzip. */
void config_notes(const struct config *c, struct config_problems *problems);

#endif
