/* json_picks - JSON pointers whose values are wanted, followed as a document goes by.   [pure]
 *
 * Pointers are RFC 6901 ("/tasks/0/id"). Several are followed at once, as bits of a set: of those
 * that the path to a value has matched so far, json_picks_next gives those that one more step
 * still matches, and json_picks_ended those that name this very value.
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

/* Pointers parsed at load time; immutable, shared by threads. Free with json_picks_free. */
struct json_picks;
enum err json_picks_new(const char *const *pointers, size_t n, struct json_picks **out,
                        struct error *e) MUST_CHECK;
void json_picks_free(struct json_picks *p);

/* How many; P may be NULL, which has none. */
size_t json_picks_count(const struct json_picks *p);

typedef uint16_t json_pick_set; /* bit I: pointer I */

/* The set of those of ACTIVE whose part number DEPTH (from 0) is KEY or, with KEY NULL, INDEX. They
 * must have such a part. */
json_pick_set json_picks_next(const struct json_picks *p, json_pick_set active, size_t depth,
                              const struct slice *key, int64_t index);
/* The set of those of ACTIVE that have DEPTH parts. */
json_pick_set json_picks_ended(const struct json_picks *p, json_pick_set active, size_t depth);

#endif
