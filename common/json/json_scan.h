/* json_scan - checks that a body is JSON while it arrives, and keeps the values at some JSON pointers.   [pure]
 *
 * The rules are json_rules_body of json_events.h. No tree is built and nothing is allocated per value: a scan holds the
 * values that the pointers name and the state of the objects on the way to them.
 */
#ifndef COMMON_JSON_JSON_SCAN_H
#define COMMON_JSON_JSON_SCAN_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/slice.h"
#include "common/json/json_picks.h"

#define JSON_SCAN_VALUE_MAX 1024 /* bytes of the longest value that is kept */

struct json_scan;
/* A scan that is ready for a document. PICKS (may be NULL) must outlive it. Free it with json_scan_free. */
struct json_scan *json_scan_new(const struct json_picks *picks);
void json_scan_free(struct json_scan *s);
/* Gets S ready for another document and keeps its memory. */
void json_scan_reset(struct json_scan *s, const struct json_picks *picks);

/* Reads the next bytes of the document. ERR_INVALID at the first violation; E then says what it is and at which byte,
 * counted from 0. Further calls return the same error. */
enum err json_scan_feed(struct json_scan *s, struct slice bytes, struct error *e) MUST_CHECK;
/* Call it when the document is over. ERR_INVALID if it is not complete. */
enum err json_scan_end(struct json_scan *s, struct error *e) MUST_CHECK;

/* True if TEXT is one whole document. */
bool json_scan_accepts(struct slice text);

enum json_pick_state {
    JSON_PICK_MISSING, /* there is no value, or null */
    JSON_PICK_TEXT,    /* the decoded text of a string; a number or boolean as it is written */
    JSON_PICK_OTHER,   /* an object or array */
    JSON_PICK_TOO_LONG,
    JSON_PICK_TWICE /* the object has the key twice, and other readers may take the other value */
};
/* Returns what was found at pointer number I. Only JSON_PICK_TEXT sets *VALUE; S owns its bytes until reset. */
enum json_pick_state json_scan_pick(const struct json_scan *s, size_t i, struct slice *value);

#endif
