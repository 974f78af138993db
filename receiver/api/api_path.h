/* api_path - which call of the API a path means.   [pure]
 *
 * `//` counts as `/` (a base URL that ends in `/` makes clients send it), segments are percent-decoded after the path was cut,
 * `<api>` is any word and `...` any path between.
 */
#ifndef RECEIVER_API_PATH_H
#define RECEIVER_API_PATH_H

#include "common/base/buf.h"
#include "common/base/slice.h"

#define API_SEGMENTS_MAX 16
#define API_SEGMENT_MAX 64 /* bytes of one, but for the id behind task_get */

enum api_call {
    API_WEBHOOK_RESEND,
    API_WEBHOOK_DELAY,
    API_WEBHOOK_DELAY_SET,
    API_APPENDIX_ERRORS,
    API_APPENDIX_STATUS,
    API_USER_DATA,
    API_TASKS_COUNT,
    API_TASK_POST,
    API_TASKS_READY,
    API_TASKS_FIXED,
    API_TASK_GET,
    API_ERRORS,
    API_ID_LIST,
    API_NOTHING
};

struct api_path {    /* owned by whoever holds it; api_path_clear */
    struct buf text; /* what the segments point into */
    struct slice segments[API_SEGMENTS_MAX];
    size_t count;
    size_t function; /* index of the segment that names the call; known after api_path_route */
};

/* Cuts and decodes. False: malformed, or too many segments, or one but the last that is too long or holds control characters. */
bool api_path_read(struct slice raw, struct api_path *p);
void api_path_clear(struct api_path *p);
enum api_call api_path_route(struct api_path *p, struct slice method);

/* The word behind /v3, "serp". Empty if there is none. */
struct slice api_path_api(const struct api_path *p);
/* Segment I between that word and the function, "google"; empty past their end. */
struct slice api_path_middle(const struct api_path *p, size_t i);
/* Appends all from the API's word up to the function: "serp/google/organic". */
void api_path_add(const struct api_path *p, struct buf *out);
/* What tasks are listed under: words of letters, digits, '_', '-' and '.'. */
bool api_path_is_plain(const struct api_path *p);

#endif
