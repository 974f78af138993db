/* api_path - finds the call of the task API that a path names.   [pure]
 *
 * `//` counts as `/`, because clients append "/v3" to a base URL that ends in a slash. The path is cut into segments first and
 * each segment is percent-decoded then, so an escaped slash stays inside its segment.
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
    API_WEBHOOK_SETTINGS,
    API_WEBHOOK_SETTINGS_SET,
    API_WEBHOOK_SECRET,
    API_APPENDIX_ERRORS,
    API_APPENDIX_STATUS,
    API_USER_DATA,
    API_TASKS_COUNT,
    API_TASKS_TAKE,
    API_TASKS_COMPLETE,
    API_TASK_POST,
    API_TASKS_READY,
    API_TASKS_FIXED,
    API_TASK_GET,
    API_ERRORS,
    API_ID_LIST,
    API_NOTHING
};

struct api_path {    /* freed with api_path_clear */
    struct buf text; /* the bytes of the segments */
    struct slice segments[API_SEGMENTS_MAX];
    size_t count;
    size_t function; /* index of the segment that names the call; known after api_path_route */
};

/* Reads RAW into P. False if an escape is malformed, if there are too many segments, or if a segment before the last is too
 * long or holds control characters. */
bool api_path_read(struct slice raw, struct api_path *p);
void api_path_clear(struct api_path *p);
/* Finds the call and sets p->function. HEAD names the same call as GET. */
enum api_call api_path_route(struct api_path *p, struct slice method);

/* The word behind /v3, "serp". Empty if there is none. */
struct slice api_path_api(const struct api_path *p);
/* Segment I between that word and the function, such as "google"; empty if there are fewer. */
struct slice api_path_middle(const struct api_path *p, size_t i);
/* Appends the segments from the API's word up to the function: "serp/google/organic". */
void api_path_add(const struct api_path *p, struct buf *out);
/* True if tasks may be listed under this path: its words have only letters, digits, '_', '-' and '.'. */
bool api_path_is_plain(const struct api_path *p);

#endif
