/* ready_list - reads a provider's answer to tasks_ready: the tasks that are done and were not collected.   [pure] */
#ifndef DISPATCHER_READY_LIST_H
#define DISPATCHER_READY_LIST_H

#include "common/base/err.h"
#include "common/base/slice.h"

#define READY_LIST_MAX 1000
#define READY_BODY_MAX ((size_t)2 * 1024 * 1024)     /* of the answer */
#define READY_INFLATED_MAX ((size_t)4 * 1024 * 1024) /* where it is gzip */

struct ready_task {
    struct slice id, tag; /* by the rules of ids and tags; owned by the list */
};

struct ready_list {
    struct ready_task *tasks; /* each id once */
    size_t count;
    size_t skipped; /* without a good id, or beyond READY_LIST_MAX */
};

/* Reads tasks[0].result[] of the envelope BODY, which may be gzip. No tree is made of it. ERR_INVALID: E says in a few words what is wrong, and
 * quotes nothing of BODY. Free OUT with ready_list_clear in any case. */
enum err ready_list_read(struct slice body, struct ready_list *out, struct error *e) MUST_CHECK;
void ready_list_clear(struct ready_list *l);

#endif
