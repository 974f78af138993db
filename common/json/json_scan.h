/* json_scan - checks a JSON body as it streams in and picks values by JSON pointer.   [edge: yajl]
 *
 * RFC 8259, one document, nothing after it but white space, UTF-8 checked, no NaN or comments, no
 * raw control characters; depth at most JSON_SCAN_DEPTH. No tree is built: memory is the picked
 * values and the keys on the path.
 */
#ifndef COMMON_JSON_JSON_SCAN_H
#define COMMON_JSON_JSON_SCAN_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/slice.h"
#include "common/json/json_picks.h"

#define JSON_SCAN_DEPTH 64
#define JSON_SCAN_VALUE_MAX 512

struct json_scan;
/* PICKS must outlive the scan; may be NULL. */
struct json_scan *json_scan_new(const struct json_picks *picks);
void json_scan_free(struct json_scan *s);
/* Makes S ready for another document, keeping its memory. */
void json_scan_reset(struct json_scan *s, const struct json_picks *picks);

/* Feeds the next bytes. ERR_INVALID on the first violation (E: what and at which byte); after that
 * S must not be fed. */
enum err json_scan_feed(struct json_scan *s, struct slice bytes, struct error *e) MUST_CHECK;
/* The document is over: ERR_INVALID if it is not complete. */
enum err json_scan_end(struct json_scan *s, struct error *e) MUST_CHECK;

/* Is TEXT one such document? */
bool json_scan_accepts(struct slice text);

enum json_pick_state {
    JSON_PICK_MISSING, /* nothing there, or null */
    JSON_PICK_TEXT,    /* a string's decoded text, a number's or boolean's own text */
    JSON_PICK_OTHER,   /* an object or array */
    JSON_PICK_TOO_LONG,
    JSON_PICK_TWICE /* the key stands twice in its object: no telling which one others would read */
};
/* What pointer I found; *VALUE is borrowed from S until reset, with JSON_PICK_TEXT only. */
enum json_pick_state json_scan_pick(const struct json_scan *s, size_t i, struct slice *value);

#endif
