/* http_deadlines - absolute deadlines of many connections, one list per kind.   [pure]
 *
 * All deadlines of one kind are the same time ahead when they are set, so appending keeps a list in
 * order: setting, changing and dropping one costs a few pointers, no timer and no system call.
 * (Where the time ahead was changed by a reload, a new one walks past the later ones.)
 */
#ifndef COMMON_NET_HTTP_DEADLINES_H
#define COMMON_NET_HTTP_DEADLINES_H

#include "common/base/clock.h"
#include "common/base/list.h"

#include <stdbool.h>

enum deadline_kind { DEADLINE_HEAD, DEADLINE_BODY, DEADLINE_IDLE, DEADLINE_WRITE, DEADLINE_LINGER };
enum { DEADLINE_KINDS = DEADLINE_LINGER + 1 };

struct deadline { /* embedded in what it belongs to; all zero is "none set" */
    struct list_link link;
    mono_us at;
    enum deadline_kind kind;
};

struct deadlines {
    struct list kinds[DEADLINE_KINDS]; /* each from the earliest to the latest */
};

void deadlines_init(struct deadlines *l);
/* Sets D, replacing what was set. */
void deadline_set(struct deadlines *l, struct deadline *d, enum deadline_kind kind, mono_us at);
void deadline_drop(struct deadline *d);
static inline bool deadline_is_set(const struct deadline *d)
{
    return list_is_linked(&d->link);
}
/* The earliest of all, or NULL. */
struct deadline *deadlines_first(struct deadlines *l);

#endif
