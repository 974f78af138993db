/* scheme_parse - reading signature headers, timestamps and `signed` texts.   [pure] */
#ifndef COMMON_WEBHOOK_SCHEME_PARSE_H
#define COMMON_WEBHOOK_SCHEME_PARSE_H

#include "common/webhook/scheme_model.h"

#define SIGNATURES_MAX 8 /* of the known version that are looked at in one header */

struct signatures {
    unsigned char digests[SIGNATURES_MAX][DIGEST_MAX];
    size_t count;
    struct slice timestamp; /* of LIST_STRIPE: "t="; empty if there is none or more than one */
};

/* Reads the signatures of the known version out of VALUE; other versions and what does not decode
 * to the digest's length are passed over, so that COUNT may be 0. */
void parse_signatures(const struct scheme_rules *rules, struct slice value, struct signatures *out);

/* 1 to 12 digits, nothing else: strtoll would take signs, spaces and what follows the number. */
enum err parse_timestamp(struct slice s, int64_t *seconds) MUST_CHECK;

/* Cuts TEXT into parts, which borrow from it. TEXT must have {body} once, and {id} and {timestamp} at most once. Some
 * text must separate {id} from other variables. */
enum err parse_signed_text(const char *text, struct signed_text *out, struct error *e) MUST_CHECK;

/* True if a verifier could cut ID out of the signed text in two ways. */
bool signed_id_is_ambiguous(const struct signed_text *text, struct slice id);

#endif
