/* accounts - finds the account of the configuration that a login names.   [pure] */
#ifndef RECEIVER_ACCOUNTS_H
#define RECEIVER_ACCOUNTS_H

#include "common/ops/login.h"

struct config;

/* For `struct login_book`. WHO->account becomes a `const struct config_account *`, borrowed from CONF. */
bool accounts_find(const struct config *conf, struct slice credentials, struct caller *who);

#endif
