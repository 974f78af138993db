/* api_private - what the files of the API share: a request's life, and the ways to answer it.   [wiring]
 *
 * A call's function gets the request when its body is read and checked, and ends it exactly once, at once or from a later
 * callback, by one of api_answer, api_fail, api_unavailable.
 */
#ifndef RECEIVER_API_PRIVATE_H
#define RECEIVER_API_PRIVATE_H

#include "common/base/json_write.h"
#include "common/config/config.h"
#include "common/ops/ops.h"
#include "common/queue/queue_put.h"
#include "common/queue/queue_tasks.h"
#include "common/webhook/envelope.h"
#include "common/webhook/ids.h"
#include "receiver/api/api.h"
#include "receiver/api/api_path.h"

#define API_ANSWER_MAX ((size_t)1 << 31)
#define API_TASKS_MAX 100 /* of one call */

/* id, code, message: as the appendix lists them (docs.dataforseo.com/v3/appendix/errors). */
#define API_CODES(X)                                                                               \
    X(OK, 20000, "Ok.")                                                                            \
    X(CREATED, 20100, "Task Created.")                                                             \
    X(ONE_TASK, 40000, "You Can Set Only One Task At A Time.")                                     \
    X(TOO_MANY, 40006, "You Can Set No More Than 100 Tasks At A Time.")                            \
    X(UNAUTHORIZED, 40100, "You are not authorized to access this resource.")                      \
    X(RATE, 40202, "Rate Limit Per Minute Has Been Exceeded: Too Many Wrong Logins.")              \
    X(NOT_FOUND, 40400, "Not Found.")                                                              \
    X(TASK_NOT_FOUND, 40401, "Task Not Found.")                                                    \
    X(INVALID_PATH, 40402, "Invalid Path.")                                                        \
    X(EXPIRED, 40403, "Results Expired.")                                                          \
    X(INVALID_FIELD, 40501, "Invalid Field.")                                                      \
    X(EMPTY, 40502, "POST Data Is Empty.")                                                         \
    X(INVALID_DATA, 40503, "POST Data Is Invalid.")                                                \
    X(NO_WEBHOOK, 40503, "'pingback' or 'postback' not supported in this function.")               \
    X(HANDED, 40601, "Task Handed.")                                                               \
    X(IN_QUEUE, 40602, "Task In Queue.")                                                           \
    X(INTERNAL, 50000, "Internal Error.")                                                          \
    X(TIMEOUT, 50401, "Timeout.")

enum api_code {
#define API_CODE_ENUM(id, code, message) CODE_##id,
    API_CODES(API_CODE_ENUM)
#undef API_CODE_ENUM
        CODE_COUNT
};

struct api_code_row {
    int code;
    const char *message;
};
const struct api_code_row *api_code_row(enum api_code c);

struct api {
    struct config *conf;
    struct queue_tasks *tasks;
    struct queue_put *put;
};

struct
    api_request { /* freed when it is answered, or when its client leaves before its function has it */
    struct ops_call *ops;
    struct api *api;
    struct config *conf; /* referenced */
    const struct config_account *account;
    struct task_scope scope;
    enum api_call call;
    struct api_path path;
    mono_us started;
    struct buf body, plain;
    struct slice json; /* the body, inflated where it was gzip, checked; empty for a GET */
    struct envelope envelope;
    void *state; /* the call's own, freed by it */
};

/* --- ways to end a request --- */

/* With the envelope's tasks. */
void api_answer(struct api_request *r);
/* The request as a whole failed: HTTP 200, tasks null. */
void api_fail(struct api_request *r, enum api_code c);
/* The same with a message of its own. */
void api_fail_saying(struct api_request *r, enum api_code c, const char *message);
/* 40501: FIELD is not as it must be, WHY. */
void api_fail_field(struct api_request *r, const char *field, const char *why);
/* Redis did not answer: HTTP 500. */
void api_unavailable(struct api_request *r);
/* With BODY as it is. */
void api_answer_raw(struct api_request *r, struct slice body);

/* --- parts of answers --- */

/* Adds the task that stands for the call itself: DATA an object, RESULT an array of COUNT (empty: null). */
void api_add_call(struct api_request *r, struct slice data, struct slice result, size_t count);
/* Adds task ID with code C (MESSAGE NULL: the code's own). */
void api_add_task(struct api_request *r, struct slice id, enum api_code c, const char *message,
                  struct slice data);
/* A fresh id for a call. */
void api_new_id(char out[UUID_LEN + 1]);
/* Appends {"api","function","se","se_type", members of ECHO}: what a task's `data` says of the call, and what was posted. Members
 * named SKIP (NULL-ended; may be NULL) are left out. */
void api_add_data(const struct api_request *r, struct slice echo, const char *const *skip,
                  struct buf *out);
/* Writes member NAME with the moment AT as the API writes it. */
void api_write_moment(struct json_write *w, const char *name, wall_ms at);
/* Writes the object that a task was set with. A task that came through a source has none: then what is known of it. */
void api_write_origin(struct json_write *w, const char *name, const struct task *t);

/* --- reading what was posted --- */

struct json_member;
struct api_field {      /* of one posted object */
    struct json *value; /* NULL: missing or null */
    bool is_wrong;      /* stands twice, or is not of its type */
    bool is_null;
};
enum api_type { TYPE_TEXT, TYPE_INT, TYPE_BOOL };
/* Reads member NAME of OBJECT; free with api_field_clear. */
struct api_field api_field_read(struct slice object, const char *name, enum api_type type);
/* The same for a member that was found before, for callers that look for several in one walk. */
struct api_field api_field_of(const struct json_member *member, enum api_type type);
void api_field_clear(struct api_field *f);
struct slice api_field_text(const struct api_field *f); /* empty if it is missing */

/* The query of the request, raw. */
struct slice api_query(const struct api_request *r);

/* Sets *OBJECT to the one object that was posted. ENDED if it is not one. */
enum flow api_read_one(struct api_request *r, struct slice *object) MUST_CHECK;

/* --- the calls --- */
void api_webhook_resend(struct api_request *r);
void api_webhook_delay(struct api_request *r);
void api_webhook_delay_set(struct api_request *r);
void api_appendix_errors(struct api_request *r);
void api_appendix_status(struct api_request *r);
void api_user_data(struct api_request *r);
void api_tasks_count(struct api_request *r);
void api_task_post(struct api_request *r);
void api_tasks_ready(struct api_request *r);
void api_tasks_fixed(struct api_request *r);
void api_task_get(struct api_request *r);
void api_errors(struct api_request *r);
void api_id_list(struct api_request *r);

#endif
