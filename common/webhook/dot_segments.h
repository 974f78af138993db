/* dot_segments - does a URL's path have a segment that some server reads as "." or ".."?   [pure]
 *
 * Servers, proxies and frameworks decode a path once or twice, fold characters, and cut parameters off, and many do so before
 * they resolve dot segments. So this module reads a path as the most generous of them would.
 */
#ifndef COMMON_WEBHOOK_DOT_SEGMENTS_H
#define COMMON_WEBHOOK_DOT_SEGMENTS_H

#include "common/base/slice.h"

#include <stdbool.h>

/* PATH may have a query behind it, which is ignored. These count like the character itself, in any mixture:
 *
 * - percent-encoding, also several times over and as %uXXXX;
 * - UTF-8 longer than it needs to be;
 * - full-width and other look-alikes of '.', '/' and '\' that Unicode or Windows folds to them.
 *
 * A segment ends at '/' or '\'. The rest of a segment behind ';', '?', '#' or a control character does not count, nor
 * do blanks around the segment. */
bool has_dot_segment(struct slice path);

#endif
