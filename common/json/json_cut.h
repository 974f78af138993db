/* json_cut - finds the parts of a JSON text as slices of it, without building a tree.   [pure]
 *
 * It is for texts that a reader has accepted before (json_scan). The parts have the bytes of the text, unchanged, so they
 * can be stored and sent on. In a text that is not JSON a walk ends at the first violation.
 */
#ifndef COMMON_JSON_JSON_CUT_H
#define COMMON_JSON_JSON_CUT_H

#include "common/base/buf.h"
#include "common/base/slice.h"
#include "common/json/json_events.h"

struct json_cut { /* plain value; a walk over one array or object */
    struct json_events events;
    struct slice text, rest;
    bool is_object;
};

/* The value without the white space around it. */
struct slice json_cut_trim(struct slice text);
/* First byte of a value, 0 for none: '{', '[', '"', 't', 'f', 'n', '-' or a digit. */
char json_cut_kind(struct slice value);
/* Starts a walk over VALUE. False if it is neither array nor object. */
bool json_cut_open(struct slice value, struct json_cut *c);
/* The next element or member. False behind the last one. KEY (NULL for arrays) gets the bytes between the quotes; its
 * escapes are not decoded. */
bool json_cut_next(struct json_cut *c, struct slice *key, struct slice *value);
/* The number of elements or members of VALUE. */
size_t json_cut_count(struct slice value);
/* True for an array, and for an object whose keys count from "0": PHP and the Python examples of DataForSEO write an
 * array as {"0":..,"1":..}. *COUNT gets how many elements it has. */
bool json_cut_is_list(struct slice value, size_t *count);
struct json_member { /* a member to look for, and what was found */
    const char *name;
    struct slice value; /* empty if there is none; the last one if there are several */
    unsigned times;     /* how often the object has it */
};
/* Looks for COUNT members of the object TEXT in one walk. */
void json_cut_members(struct slice text, struct json_member *members, size_t count);
/* The value of the member NAME of the object TEXT, as above. */
struct slice json_cut_member(struct slice text, const char *name);
/* Appends VALUE without the white space between its parts, so that it is one line. */
void json_cut_compact(struct buf *out, struct slice value);

#endif
