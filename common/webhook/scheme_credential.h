/* scheme_credential - verifies the schemes that send a secret instead of a signature: token and basic.   [pure]
 */
#ifndef COMMON_WEBHOOK_SCHEME_CREDENTIAL_H
#define COMMON_WEBHOOK_SCHEME_CREDENTIAL_H

#include "common/webhook/scheme_model.h"

/* Writes the digest that is stored instead of a secret and compared with what a request shows. */
void credential_digest(struct slice secret, unsigned char out[32]);

/* SCHEME_OK, SCHEME_MISSING or SCHEME_INVALID for a scheme of that kind. */
enum scheme_verdict credential_judge_token(const struct scheme *s,
                                           const struct scheme_request *req) MUST_CHECK;
enum scheme_verdict credential_judge_basic(const struct scheme *s,
                                           const struct scheme_request *req) MUST_CHECK;

#endif
