/* console_private - what the calls of the operators' API share; for the files of this folder.   [wiring] */
#ifndef RECEIVER_CONSOLE_PRIVATE_H
#define RECEIVER_CONSOLE_PRIVATE_H

#include "common/base/clock.h"
#include "common/base/json_write.h"
#include "common/config/config.h"
#include "common/json/json_cut.h"
#include "common/net/addr.h"
#include "common/ops/ops.h"
#include "common/queue/args.h"
#include "common/queue/partition_set.h"
#include "common/webhook/ids.h"
#include "receiver/console/console.h"

#define CONSOLE_BODY_MAX 16384        /* bytes of a posted body */
#define CONSOLE_ANSWER_MAX (64 << 20) /* bytes of an answer */
#define CONSOLE_PAGE 50               /* items of a list, unless `limit` says otherwise */
#define CONSOLE_PAGE_MAX 1000
#define CONSOLE_LAST_MOMENT INT64_C(253402300799999) /* ms: the year 9999 */

struct console_files;
struct queue_admin;
struct queue_jobs;
struct listeners;
struct pace;
struct queue_tasks;
struct delivery_view;

struct console {
    struct queue_admin *admin;
    struct queue_tasks *tasks;
    struct listeners *listeners;
    struct console_files *files;
    struct queue_jobs *jobs;
    struct pace *pace;
    void (*ingest)(void *ctx, int fd, const struct addr *peer);
    void *ingest_ctx;
    const char *ingest_addr; /* borrowed; NULL before the ingest listens */
    struct loop *loop;
    struct shards *shards; /* borrowed */
    struct config *conf;   /* referenced */
    wall_ms started;
};

/* --- ways to end a call --- */

/* Answers with the JSON text OUT and clears it. If OUT has failed (too big), answers 500. */
void console_answer(struct ops_call *c, int status, struct buf *out);
/* Begins the list {"items":[...],"next":...} in OUT and W, which are new. */
void console_begin_list(struct buf *out, struct json_write *w);
/* Begins the list as console_begin_list does. 503 and ENDED if RC says that Redis did not answer. */
enum flow console_open_list(struct ops_call *c, enum err rc, struct buf *out,
                            struct json_write *w) MUST_CHECK;
/* Ends the items. NEXT is the cursor of the next page; empty behind the last one. The object stays open. */
void console_end_items(struct json_write *w, struct slice next);
/* Ends the items as console_end_items does, and the list, and answers with it. */
void console_end_list(struct ops_call *c, struct buf *out, struct json_write *w, struct slice next);
/* Writes the member `missing`, the numbers of the partitions that did not answer; nothing if there are none. MISSING may be
 * NULL. */
void console_write_missing(struct json_write *w, const struct partition_set *missing);
/* Writes `missing`, ends the object, and answers with it. */
void console_end_answer(struct ops_call *c, struct buf *out, struct json_write *w,
                        const struct partition_set *missing);
/* Answers {"error":{"code":CODE,"message":MESSAGE}}. CODE is a word for programs, MESSAGE a sentence for people. */
void console_error(struct ops_call *c, int status, const char *code, const char *message);
/* 503: Redis did not answer, or not in a partition that the call needs. */
void console_unavailable(struct ops_call *c);

/* --- who acts --- */

struct console_actor { /* a copy, because the account of a call is good for one turn only */
    char account[NAME_MAX_LEN + 1], peer[ADDR_TEXT];
};
struct console_actor console_actor(const struct ops_call *c);
/* Logs what an operator did: EVENT, and to what: NAME and VALUE say it. */
void console_log_act(const struct console_actor *actor, const char *event, const char *name,
                     struct slice value);

/* --- reading what was asked --- */

struct console_param { /* a parameter of the query */
    const char *name;
    struct slice value; /* decoded; empty if it is missing */
    bool is_given;
};

/* Fills the COUNT parameters from the query. TEXT holds their decoded values and must live as long as they are used. 400 and
 * ENDED if the query has another parameter, has one twice, or has a broken escape. */
enum flow console_read_query(struct ops_call *c, struct console_param *params, size_t count,
                             struct buf *text) MUST_CHECK;
/* 400 and ENDED if the request has a query. */
enum flow console_takes_no_query(struct ops_call *c) MUST_CHECK;
/* Reads a page's size: CONSOLE_PAGE if P is not given. 400 and ENDED unless it is 1 to CONSOLE_PAGE_MAX. */
enum flow console_read_limit(struct ops_call *c, const struct console_param *p,
                             size_t *limit) MUST_CHECK;
/* Reads a moment: RFC 3339 or milliseconds since 1970. *AT keeps its value if P is not given. 400 and ENDED if it is neither. */
enum flow console_read_moment(struct ops_call *c, const struct console_param *p,
                              wall_ms *at) MUST_CHECK;
/* Is S a name of the configuration, or of an implied destination, which has a '@'? */
bool console_is_name(struct slice s);
/* Checks that the posted body is one JSON object that has no other members than the COUNT ones, and fills these. An empty body
 * is an empty object. 400 and ENDED if it is something else. The values are slices of the body. */
enum flow console_read_body(struct ops_call *c, struct json_member *members,
                            size_t count) MUST_CHECK;

/* Calls RUN with CTX if the lane that C's path names is there: configured, or with work. Else ends C with 404 (503 if Redis does
 * not answer), after DROP with CTX. */
void console_with_lane(struct ops_call *c, void (*run)(void *ctx), void (*drop)(void *ctx),
                       void *ctx);

/* --- parts of answers --- */

/* Writes the moment AT as RFC 3339, or null if it is 0 or less. */
void console_write_moment(struct json_write *w, const char *name, wall_ms at);

/* Appends the id by which operators name the delivery of EVENT (its key) to DESTINATION, or the event (empty DESTINATION). */
void console_add_id(struct buf *out, struct slice event, struct slice destination);
/* Appends the key of the delivery that operators name ID. False if ID names none. */
bool console_add_delivery_key(struct buf *out, struct slice id);
/* Appends the keys of the deliveries of EVENT (its key) to DESTINATIONS, which are separated by spaces. */
void console_add_delivery_ids(struct args *out, struct slice event, struct slice destinations);
/* Opens the object of a delivery and writes the members that lists and pages share. The caller closes it. */
void console_open_delivery(struct json_write *w, const struct delivery_view *d);

/* --- the calls, one file for each subject --- */
void console_status(struct ops_call *c);
void console_deliveries(struct ops_call *c);
void console_delivery(struct ops_call *c);
void console_event(struct ops_call *c);
void console_event_body(struct ops_call *c);
void console_dead(struct ops_call *c);
void console_sources(struct ops_call *c);
void console_destinations(struct ops_call *c);
void console_accounts(struct ops_call *c);
void console_history(struct ops_call *c);
void console_trends(struct ops_call *c);
void console_lanes(struct ops_call *c);
void console_lane(struct ops_call *c);
void console_resend(struct ops_call *c);
void console_drop(struct ops_call *c);
void console_job(struct ops_call *c);
void console_jobs(struct ops_call *c);
void console_job_cancel(struct ops_call *c);
void console_resend_all(struct ops_call *c);
void console_drop_all(struct ops_call *c);
void console_purge(struct ops_call *c);
void console_send_test(struct ops_call *c);
void console_delay(struct ops_call *c);
void console_set_delay(struct ops_call *c);
void console_pause(struct ops_call *c);
void console_resume(struct ops_call *c);
void console_hold(struct ops_call *c);
void console_release(struct ops_call *c);
void console_check(struct ops_call *c);
void console_tail(struct ops_call *c);

#endif
