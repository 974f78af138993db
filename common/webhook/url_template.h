/* url_template - downstream URLs with $id, $tag, $source in them.   [pure]
 *
 * Variables may stand only in path segments and query values and are percent-encoded (all but RFC
 * 3986 unreserved), so scheme, host and port cannot change by substitution. A path segment that
 * would become "." or ".." after substitution is refused at expansion.
 */
#ifndef COMMON_WEBHOOK_URL_TEMPLATE_H
#define COMMON_WEBHOOK_URL_TEMPLATE_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/slice.h"

#define URL_TEMPLATE_MAX 4096 /* bytes of a template */

struct url_template; /* immutable */

struct url_vars {
    struct slice id, tag, source;
};

/* Checks TEXT: absolute http or https URL, a host (name, IPv4 or [IPv6]), no user name or password,
 * no fragment, only characters of RFC 3986 (so no spaces, controls, backslashes, non-ASCII), port
 * 1-65535, no "." or ".." segment; variables only where they may stand. A variable's name is the
 * letters after a `$`; an unknown one is an error with a "did you mean". A `$` before anything else
 * is itself; where it would be read as a variable, write %24. */
enum err url_template_new(struct slice text, struct url_template **out, struct error *e) MUST_CHECK;
void url_template_free(struct url_template *t);
/* Appends the URL, which starts with the origin and a '/'. Without OK nothing was appended:
 * ERR_INVALID if a value would make a dot segment; ERR_TOO_BIG past OUT's ceiling. */
enum err url_template_expand(const struct url_template *t, const struct url_vars *vars,
                             struct buf *out) MUST_CHECK;

#endif
