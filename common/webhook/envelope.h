/* envelope - writes and recognises the JSON envelope of DataForSEO-shaped APIs.   [pure]
 *
 *     {"version", "status_code", "status_message", "time", "cost", "tasks_count", "tasks_error",
 *      "tasks": [{"id", "status_code", "status_message", "time", "cost", "result_count", "path": [..],
 *                 "data": {..}, "result": [..] or null}]}
 *
 * Source: docs.dataforseo.com/v3 (every endpoint's "description of the fields for sending a request / in the results array").
 */
#ifndef COMMON_WEBHOOK_ENVELOPE_H
#define COMMON_WEBHOOK_ENVELOPE_H

#include "common/base/buf.h"
#include "common/base/slice.h"

#include <stdint.h>

#define ENVELOPE_VERSION_MAX 32
#define STATUS_OK 20000
#define STATUS_CREATED 20100
#define STATUS_ERROR 40000 /* this and above */

struct envelope { /* being written; owned by whoever holds it */
    struct buf tasks;
    unsigned count, errors;
};

struct envelope_task { /* slices borrowed for the call */
    struct slice id;
    int status_code;
    const char *status_message;
    int64_t took_us;
    const struct slice *path; /* segments, decoded */
    size_t path_count;
    struct slice data;   /* a JSON object; empty: {} */
    struct slice result; /* a JSON array; empty: null */
    size_t result_count;
    bool is_no_error; /* not counted in tasks_error whatever its code */
};

/* MAX: ceiling of all bytes. */
void envelope_init(struct envelope *e, size_t max);
void envelope_clear(struct envelope *e);
void envelope_add(struct envelope *e, const struct envelope_task *t);
/* Appends the whole envelope to OUT. */
void envelope_write(const struct envelope *e, const char *version, int status_code,
                    const char *status_message, int64_t took_us, struct buf *out);
/* One that says that the request as a whole failed: tasks is null. */
void envelope_write_error(const char *version, int status_code, const char *status_message,
                          struct buf *out);

/* Is BODY (checked JSON) such an envelope: an object with an array "tasks"? */
bool envelope_is(struct slice body);

#define ENVELOPE_WORD_MAX 64
#define ENVELOPE_ENGINE_MAX (2 * ENVELOPE_WORD_MAX + 1)

/* Joins tasks[0].data.se and .se_type of an envelope to "google organic" in OUT. Each is a word of letters, digits, '_', '-' and
 * '.'. Without SE_TYPE, or with one that is no such word, the result is SE alone; without SE it is empty. */
struct slice envelope_engine(struct slice se, struct slice se_type, char out[ENVELOPE_ENGINE_MAX]);

/* The answer of task_get: BODY (checked JSON) as it is if it is an envelope; else one around it, with `result`: [BODY], or null
 * for a null. T names the task; its result is not looked at. */
void envelope_of_result(const char *version, const struct envelope_task *t, struct slice body,
                        struct buf *out);

#endif
