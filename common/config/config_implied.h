/* config_implied - destinations that no key of their own configures: those of accounts and of fetches.   [pure] */
#ifndef COMMON_CONFIG_CONFIG_IMPLIED_H
#define COMMON_CONFIG_CONFIG_IMPLIED_H

#include "common/config/config.h"

/* Adds OWNER's destination of KIND on LANE (NULL: of its own) to C, which owns it; all else has the defaults of
 * destinations. */
struct destination *config_imply(struct config *c, enum delivery_kind kind, const char *owner,
                                 const char *lane);
/* Adds where A's webhooks go. A is complete but for that. */
void config_imply_hooks(struct config *c, struct config_account *a);

/* connect_timeout + timeout + 3 s */
int64_t config_lease_ms(const struct destination *d);

#endif
