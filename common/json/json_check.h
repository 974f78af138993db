/* json_check - is a text exactly one strict RFC 8259 document?   [pure]
 *
 * json-c lets through what two parsers may read in two ways: NaN, control characters, the last of
 * duplicate keys, keys cut at U+0000, halves of surrogate pairs, bytes after a NUL. This pass comes
 * first and refuses all of it, and knows line and column, which json-c does not tell.
 */
#ifndef COMMON_JSON_JSON_CHECK_H
#define COMMON_JSON_JSON_CHECK_H

#include "common/base/err.h"
#include "common/base/slice.h"

#define JSON_DEPTH 32 /* deepest nesting of arrays and objects */

/* ERR_INVALID on the first violation; E: "line 3, column 7: what". Never quotes a value. */
enum err json_check(struct slice text, struct error *e) MUST_CHECK;

#endif
