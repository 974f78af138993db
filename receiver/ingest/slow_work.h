/* slow_work - does long work in slices, one slice a turn of the loop.   [edge: loop]
 *
 * Some kilobytes of gzip can take a second to inflate. Everything else on the loop, such as short webhooks and answers of
 * Redis, waits for one slice at a time, however many slow bodies there are. The slow items take turns. An item that was set
 * aside gets one turn in four while others wait, and only SLOW_ASIDE_MAX items may be set aside.
 */
#ifndef RECEIVER_SLOW_WORK_H
#define RECEIVER_SLOW_WORK_H

#include "common/base/list.h"

struct loop;

#define SLOW_ASIDE_MAX 8

struct slow_item { /* a member of what is worked on; zero when not queued */
    struct list_link link;
    bool is_aside;
};

/* Does one slice of ITEM. May remove ITEM or set it aside. */
typedef void (*slow_step)(void *ctx, struct slow_item *item);

struct slow_work;
struct slow_work *slow_work_new(struct loop *l, slow_step step, void *ctx);
/* NULL is fine. No item may be queued. */
void slow_work_free(struct slow_work *s);
void slow_work_add(struct slow_work *s, struct slow_item *item);
static inline bool slow_work_has(const struct slow_item *item)
{
    return list_is_linked(&item->link);
}
/* False if SLOW_ASIDE_MAX items are aside already. */
bool slow_work_set_aside(struct slow_work *s, struct slow_item *item);
/* An item that is not queued is fine. */
void slow_work_remove(struct slow_work *s, struct slow_item *item);

#endif
