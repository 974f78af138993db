/* json_cut - the parts of a JSON text as they stand in it, without a tree.   [pure]
 *
 * For texts that were checked before (json_scan, json_check): what is kept and sent on is then byte for byte what came
 * in. On other texts it stays inside of them but tells nothing sensible.
 */
#ifndef COMMON_JSON_JSON_CUT_H
#define COMMON_JSON_JSON_CUT_H

#include "common/base/buf.h"
#include "common/base/slice.h"

struct json_cut { /* plain value; a walk over one array or object */
    struct slice rest;
    bool is_object;
};

/* The value without the white space around it. */
struct slice json_cut_trim(struct slice text);
/* First byte of a value, 0 for none: '{', '[', '"', 't', 'f', 'n', '-' or a digit. */
char json_cut_kind(struct slice value);
/* Begins at VALUE. False if it is neither array nor object. */
bool json_cut_open(struct slice value, struct json_cut *c);
/* The next element or member. KEY (NULL for arrays) is what stands between the quotes, escapes and all. False
 * behind the last. */
bool json_cut_next(struct json_cut *c, struct slice *key, struct slice *value);
/* Elements or members of VALUE. */
size_t json_cut_count(struct slice value);
/* Is VALUE an array, or the object that PHP arrays and DataForSEO's Python examples make of one: {"0":..,"1":..}? */
bool json_cut_is_list(struct slice value);
/* The value of KEY in the object TEXT; *TIMES says how often it stands there (the last one counts). Empty if it is
 * missing. */
struct slice json_cut_member(struct slice text, const char *key, unsigned *times);
/* Appends VALUE without the white space between its parts: on one line. */
void json_cut_compact(struct buf *out, struct slice value);

#endif
