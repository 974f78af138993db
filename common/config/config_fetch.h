/* config_fetch - the part of a source that pulls results: `fetch` and `reconcile_s`.   [pure] */
#ifndef COMMON_CONFIG_CONFIG_FETCH_H
#define COMMON_CONFIG_CONFIG_FETCH_H

#include "common/config/config_builder.h"

void config_build_fetch(struct builder *b, struct source *s, const struct draft_source *from);

/* The provider's tasks_ready beside FETCH_URL: what stands before "/task_get/" and "/tasks_ready".
 * Owned by the caller; NULL if there is no such place. */
char *config_ready_url(struct slice fetch_url);

#endif
