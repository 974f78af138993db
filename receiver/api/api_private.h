/* api_private - a request of the task API, and the ways to answer it; for the files of this folder.   [wiring]
 *
 * A call's function gets the request when the body is read and checked. It ends the request exactly once, at once or from a
 * later callback, with api_answer, api_answer_raw, api_fail.. or api_unavailable. An ended request is freed.
 */
#ifndef RECEIVER_API_PRIVATE_H
#define RECEIVER_API_PRIVATE_H

#include "common/base/json_write.h"
#include "common/config/config.h"
#include "common/ops/ops.h"
#include "common/program/work_thread.h"
#include "common/queue/queue_put.h"
#include "common/queue/queue_tasks.h"
#include "common/webhook/envelope.h"
#include "common/webhook/ids.h"
#include "receiver/api/api.h"
#include "receiver/api/api_path.h"
#include "receiver/api/api_turns.h"

#define API_ANSWER_MAX ((size_t)1 << 31)
#define API_TASKS_MAX 100 /* of one call */
/* Most bytes of a body, inflated: of a call that may carry results, and of the others. */
#define API_BODY_MAX ((size_t)32 << 20)
#define API_SMALL_BODY_MAX ((size_t)512 << 10)
/* Most bytes of one posted object without its result, and of one field of it. No answer echoes more of an object. */
#define API_OBJECT_MAX ((size_t)16 * 1024)
/* A body or result of at most so many bytes is read at once, a larger one in the API's thread. */
#define API_AT_ONCE_MAX ((size_t)64 * 1024)

/* id, code, message: as the appendix lists them (docs.dataforseo.com/v3/appendix/errors). */
#define API_CODES(X)                                                                               \
    X(OK, 20000, "Ok.")                                                                            \
    X(CREATED, 20100, "Task Created.")                                                             \
    X(ONE_TASK, 40000, "You Can Set Only One Task At A Time.")                                     \
    X(TOO_MANY, 40006, "You Can Set No More Than 100 Tasks At A Time.")                            \
    X(UNAUTHORIZED, 40100, "You are not authorized to access this resource.")                      \
    X(RATE, 40202, "Rate Limit Per Minute Has Been Exceeded: Too Many Wrong Logins.")              \
    X(QUOTA, 40203, "The Quota Of The Account Has Been Reached.")                                  \
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
    struct shards *shards; /* borrowed */
    struct config *conf;
    struct queue_tasks *tasks;
    struct queue_put *put;
    struct work_thread *thread;
    struct api_turns *readings; /* the thread's */
    struct api_turns *asking;   /* calls that read much from Redis */
    bool is_closing;
};

struct
    api_request { /* freed when it is answered, or when its client leaves before the call's function has it */
    struct ops_call *ops;
    struct api *api;
    struct config *conf; /* referenced */
    const struct config_account *account;
    struct task_scope scope;
    enum api_call call;
    bool is_head; /* the client gets no result, so the call must change nothing */
    struct api_path path;
    mono_us started;
    struct api_turn reading, asking;
    work_fn work, on_worked; /* what the thread does in the turn `reading`, and what follows */
    int64_t reserved;        /* charged for what the thread makes */
    struct buf body, plain;
    size_t plain_max;
    enum api_code fault; /* of the body; CODE_OK if there is none */
    struct slice json;   /* the body, checked, and inflated if it was gzip; empty for a GET */
    size_t count;        /* of its elements; ELEMENTS has the first API_TASKS_MAX of them */
    struct slice *elements;
    struct envelope envelope;
    void *state; /* the call's own, freed by it */
    /* Set while STATE waits for a step that may never come: then this frees it. */
    void (*drop)(struct api_request *r);
};

/* --- ways to end a request --- */

/* Answers with the envelope and its tasks. */
void api_answer(struct api_request *r);
/* Answers that the request as a whole failed: HTTP 200, tasks null. */
void api_fail(struct api_request *r, enum api_code c);
/* Does the same with MESSAGE instead of the code's own. */
void api_fail_saying(struct api_request *r, enum api_code c, const char *message);
/* Answers 40501: FIELD is wrong; WHY is a sentence that says what it must be. */
void api_fail_field(struct api_request *r, const char *field, const char *why);
/* Answers HTTP 500, because Redis did not answer. */
void api_unavailable(struct api_request *r);
/* The same, because there is no room for what the request holds or for its answer. */
void api_no_room(struct api_request *r);
/* True if an answer of N bytes would be sent. Then they count as R's until it is answered. */
bool api_keep_room(struct api_request *r, size_t n);
/* Answers 200 with BODY as it is. Without room for it, HTTP 500 as api_no_room. */
void api_answer_raw(struct api_request *r, struct slice body);

/* --- parts of answers --- */

/* Adds a task for the call itself. DATA is an object, RESULT an array of COUNT items (empty: null). */
void api_add_call(struct api_request *r, struct slice data, struct slice result, size_t count);
/* Writes the message of CODE_QUOTA to OUT: which quota ACCOUNT has reached, its figure, and what helps. */
void api_quota_message(const struct config_account *account, enum put_result result, char *out,
                       size_t size);
/* Adds task ID with code C. If MESSAGE is NULL the code's own is taken. */
void api_add_task(struct api_request *r, struct slice id, enum api_code c, const char *message,
                  struct slice data);
/* A fresh id for a call. */
void api_new_id(char out[UUID_LEN + 1]);
/* Appends a task's `data`: {"api","function","se","se_type", the members of ECHO}. ECHO is the object that was posted. One of more than
 * API_OBJECT_MAX bytes is left out, unless SKIP is set: then the ceiling of OUT limits it. Members with a name in SKIP (ended by NULL;
 * may be NULL) are left out. */
void api_add_data(const struct api_request *r, struct slice echo, const char *const *skip,
                  struct buf *out);
/* Writes member NAME with the moment AT as the API writes it. */
void api_write_moment(struct json_write *w, const char *name, wall_ms at);
/* Writes the object that was posted to set task T. A task that came through a source has none: its name, id and tag are written
 * instead. */
void api_write_origin(struct json_write *w, const char *name, const struct task *t);

/* --- reading what was posted --- */

struct json_member;
struct api_field {      /* of a posted object */
    struct json *value; /* NULL: missing or null */
    bool is_wrong;      /* is there twice, or has another type */
    bool is_null;
};
enum api_type { TYPE_TEXT, TYPE_INT, TYPE_BOOL };
/* Reads member NAME of OBJECT; free with api_field_clear. */
struct api_field api_field_read(struct slice object, const char *name, enum api_type type);
/* Reads MEMBER, which json_cut_members has found. */
struct api_field api_field_of(const struct json_member *member, enum api_type type);
void api_field_clear(struct api_field *f);
struct slice api_field_text(const struct api_field *f); /* empty if it is missing */

/* True if S can be the key of an event: an id, or "<id>~<n>" for a second event of that id. Admins name a task of an account
 * "@<account>/<id>". */
bool api_id_is_key(const struct api_request *r, struct slice s);

/* Inflates, checks and cuts the body: sets FAULT, JSON, COUNT and ELEMENTS. It may run in the thread. */
void api_body_read(struct api_request *r);
/* Takes a body that is empty for a list with one empty object. */
void api_body_default(struct api_request *r);

/* Calls WORK in the API's thread, then DONE. CHARGE: bytes that WORK may make; they count as the request's until DONE. Without room
 * for them it answers that it is unavailable, and neither is called. Both get the request. R may be gone when this returns. */
void api_work_aside(struct api_request *r, int64_t charge, work_fn work, work_fn done);
/* The most bytes that WIRE can inflate to, if that is less than MOST. */
size_t api_inflated_most(struct slice wire, size_t most);

/* The query of the request, raw. */
struct slice api_query(const struct api_request *r);
/* Ends R with 40501 if its URL has a query: the call would ignore it. */
enum flow api_takes_no_query(struct api_request *r) MUST_CHECK;

/* Sets *OBJECT to the one object that was posted. ENDED if it is not one. */
enum flow api_read_one(struct api_request *r, struct slice *object) MUST_CHECK;

/* --- the calls --- */
void api_webhook_resend(struct api_request *r);
void api_webhook_delay(struct api_request *r);
void api_webhook_delay_set(struct api_request *r);
void api_webhook_settings(struct api_request *r);
void api_webhook_settings_set(struct api_request *r);
void api_webhook_secret(struct api_request *r);
void api_appendix_errors(struct api_request *r);
void api_appendix_status(struct api_request *r);
void api_user_data(struct api_request *r);
void api_tasks_count(struct api_request *r);
void api_tasks_take(struct api_request *r);
void api_tasks_complete(struct api_request *r);
/* Reads the elements of a call of complete: in the API's thread if the body is large. */
void api_tasks_complete_read(struct api_request *r);
/* Reads the elements of a task_post: in the API's thread if the body is large. */
void api_task_post_read(struct api_request *r);
void api_task_post(struct api_request *r);
void api_tasks_ready(struct api_request *r);
void api_tasks_fixed(struct api_request *r);
void api_task_get(struct api_request *r);
void api_errors(struct api_request *r);
void api_id_list(struct api_request *r);

#endif
