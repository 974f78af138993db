/* record - how an event is kept in Redis: one string, a readable head and the body.   [pure]
 *
 *     hp1 1763691349123 9f86d081884c7d65 webhook serphouse 1024 p\n
 *     i 0197f0aa-...\n
 *     p serp/google/organic\n
 *     t my-tag\n
 *     c application/json\n                                       one line a property, only what
 *     e gzip\n                                                   is there
 *     h X-GitHub-Event: push\n
 *     o orders audit\n
 *     b https://app.example/hook?id=$id\n
 *     g https://app.example/ping?id=$id\n
 *     k advanced\n
 *     d {"api":"serp","function":"task_post",...}\n
 *     \n
 *     <body>                                                     raw, or packed (flag p)
 *
 * The first line has the version, received_at in ms, the digest, the kind (common/config/kinds.h), the owner (the source, or
 * the account of a task), the body's length before packing, and a flag: `p` the body is packed (common/pack), `n` there
 * is no body (a pingback), `w` the task waits for its result, `-` none of these. The lines after it are properties, by letter:
 *
 *     i task id, only where the key is another one    h companion header, one a line
 *     p API path of a task                            b postback URL template of a task
 *     o names of the destinations                     g pingback URL template of a task
 *     s ids of their signing secrets                  k postback_data of a task
 *     t tag                                           d the task as it was set, JSON
 *     c content type                                  e content encoding
 *     n engine of a source's result                   f when a task that was pending got its result, ms
 *     x of a task that failed: code and message       a what the account had set, see stamp.h
 *
 * A reader that meets another version than hp1 must leave the event alone.
 */
#ifndef COMMON_QUEUE_RECORD_H
#define COMMON_QUEUE_RECORD_H

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/base/slice.h"
#include "common/config/kinds.h"
#include "common/pack/pack.h"

#define RECORD_DIGEST_LEN                                                                          \
    16 /* hex digits: the first 64 bits of SHA-256 over the body as received */
#define RECORD_HEAD_MAX (64 * 1024)

struct event { /* all slices borrowed */
    enum event_kind kind;
    bool is_renamed;      /* its key is not its id: the head names the id (written only) */
    struct slice id;      /* the task's id: what $id, the answer's echo and relayed bodies carry */
    struct slice source;  /* empty for a task */
    struct slice account; /* of a task; else empty */
    struct slice tag, content_type, content_encoding;
    struct slice headers; /* companion headers, "Name: value\r\n" lines */
    /* names of the destinations of its deliveries, in all partitions, separated by spaces; empty if it has none */
    struct slice destinations;
    struct slice
        secrets; /* id of the signing secret of each of them, "-" for none; empty if none has one */
    /* Only of a source's result: "google organic", the `se` and `se_type` of its envelope, or the first only. */
    struct slice engine;
    /* Only of tasks. */
    struct slice path; /* what stood between /v3/ and /task_post: "serp/google/organic" */
    struct slice postback_url, pingback_url; /* URL templates as given; empty without */
    struct slice postback_data;              /* "regular", "advanced", "html" or empty */
    struct slice
        stamp; /* how the account had its webhooks sent when it set the task (stamp.h); empty: as configured */
    struct slice data; /* one JSON object on one line: the task as it was set, without its result */
    bool is_open;      /* a task that waits for its result; it has no body yet */
    wall_ms completed_at; /* of a task that was open: when its result came; else 0 */
    struct slice
        error; /* of a task that failed: "40102 No Search Results."; its body says the same in JSON */
    wall_ms received_at;
    struct slice digest; /* RECORD_DIGEST_LEN hex digits */
    bool has_body;
    struct slice body; /* as received on the wire */
};

/* The source, or the account of a task: what $source and relayed notices say. */
struct slice event_owner(const struct event *e);
#define EVENT_ERROR_MAX 1024 /* bytes of an error's message */
/* If the task failed, sets *CODE and MESSAGE to its error and returns true. Else it sets nothing. */
bool event_error(const struct event *e, int *code, char message[EVENT_ERROR_MAX + 1]);
/* The id of the signing secret that was captured for a destination of E; empty if there is none. */
struct slice event_secret(const struct event *e, struct slice destination);
/* Appends the record's head for a body that follows as it is (or for none). */
enum err record_write_head(const struct event *e, struct buf *out) MUST_CHECK;
/* Appends the head, which has *HEAD_LEN bytes, and the body if it is worth packing: then *IS_WHOLE becomes true. */
enum err record_write_packed(const struct event *e, struct packer *packer, struct buf *out,
                             size_t *head_len, bool *is_whole) MUST_CHECK;
/* Appends the whole record of E. PACKER may be NULL (never packs). */
enum err record_write(const struct event *e, struct packer *packer, struct buf *out) MUST_CHECK;
/* Reads only the HEAD of a record, up to and with its empty line; has_body says whether there is a body; the body
 * itself is left empty. */
enum err record_read_head(struct slice key, struct slice head, struct buf *scratch,
                          struct event *e) MUST_CHECK;
/* Reads RECORD, stored under the event id KEY ("@<account>/<id>" of a task). Slices point into RECORD and KEY, and the unpacked
 * body and header lines into SCRATCH (which is reset). ERR_INVALID for damage or another version.
 */
enum err record_read(struct slice key, struct slice record, struct buf *scratch,
                     struct event *e) MUST_CHECK;

#endif
