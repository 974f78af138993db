/* json_picks - finds out which of several JSON pointers lead to the value that a reader is at.   [pure]
 *
 * Pointers are as in RFC 6901 ("/tasks/0/id"). A set of pointers is a bit mask. The reader keeps the set of pointers that
 * match the path so far. json_picks_next returns the pointers of the set that also match the next key
 * or index. json_picks_ended returns the pointers of the set that end here: they name the value.
 */
#ifndef COMMON_JSON_JSON_PICKS_H
#define COMMON_JSON_JSON_PICKS_H

#include "common/base/err.h"
#include "common/base/slice.h"

#include <stddef.h>
#include <stdint.h>

#define JSON_PICKS_MAX 16       /* most pointers of one set */
#define JSON_PICKS_PARTS 64     /* most parts of a pointer */
#define JSON_PICKS_PART_MAX 512 /* most bytes of a part */

/* Parsed pointers; they never change, so threads may share them. Free them with json_picks_free. */
struct json_picks;
enum err json_picks_new(const char *const *pointers, size_t n, struct json_picks **out,
                        struct error *e) MUST_CHECK;
void json_picks_free(struct json_picks *p);

/* The number of pointers in P; a NULL has none. */
size_t json_picks_count(const struct json_picks *p);

typedef uint16_t json_pick_set; /* bit I: pointer I */

/* The pointers of ACTIVE whose part number DEPTH (from 0) is KEY or, if KEY is NULL, INDEX. All of ACTIVE must have such
 * a part. */
json_pick_set json_picks_next(const struct json_picks *p, json_pick_set active, size_t depth,
                              const struct slice *key, int64_t index);
/* The pointers of ACTIVE that have DEPTH parts. */
json_pick_set json_picks_ended(const struct json_picks *p, json_pick_set active, size_t depth);

#endif
