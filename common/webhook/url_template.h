/* url_template - checks the URLs that events are sent to, and puts $id, $tag and $source into them.   [pure]
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

#include <stdbool.h>

#define URL_TEMPLATE_MAX 4096 /* bytes of a template */

struct url_template; /* immutable */

struct url_vars {
    struct slice id, tag, source;
};

/* Checks and compiles TEXT. The rules:
 * - an absolute http or https URL with a host: a name, an IPv4 address or an [IPv6] address;
 * - a port of 1 to 65535, if any; no user name, password or fragment;
 * - only characters of RFC 3986, and no path segment "." or "..";
 * - variables only in path segments and query values.
 * A variable is a `$` and the letters after it; an unknown one is an error with a "did you mean". A `$` before any other
 * character is a plain `$`. Write %24 for a `$` that would begin a variable. */
enum err url_template_new(struct slice text, struct url_template **out, struct error *e) MUST_CHECK;
void url_template_free(struct url_template *t);
/* Appends the URL, which starts with the origin and a '/'. Without OK nothing was appended:
 * ERR_INVALID if a value would make a dot segment; ERR_TOO_BIG past OUT's ceiling. */
enum err url_template_expand(const struct url_template *t, const struct url_vars *vars,
                             struct buf *out) MUST_CHECK;

/* Scheme, host and port of every URL that T makes. */
struct slice url_template_origin(const struct url_template *t);
/* For URL as url_template_expand makes it: scheme, host and port. */
struct slice url_origin(struct slice url);
/* Is its host an address, in any spelling that inet_aton and RFC 3986 know, and not a name? */
bool url_has_address(struct slice url);

#endif
