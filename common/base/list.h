/* list - doubly linked lists and queues whose links are inside the items.   [pure]
 *
 *     struct job { struct list_link link; int n; };
 *     struct list jobs;
 *     list_init(&jobs);
 *     list_add_last(&jobs, &job->link);
 *     struct job *first = LIST_TAKE_FIRST(&jobs, struct job, link);
 *
 * A list owns nothing: it only connects items that have an owner elsewhere. No call allocates, and each takes
 * constant time. A list is a ring through its own `ends`, so it must not be moved or copied. A link of zeros is in no
 * list. An item may be in several lists at once if it has a link for each.
 */
#ifndef COMMON_BASE_LIST_H
#define COMMON_BASE_LIST_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

struct list_link {                 /* a member of the item; start with zeros */
    struct list_link *prev, *next; /* NULL: in no list */
};

struct list { /* next is the first link, prev the last one; both are `ends` if the list is empty */
    struct list_link ends;
};

/* The item of type TYPE whose member MEMBER is LINK. LINK is not NULL. */
#define LIST_ITEM(link, type, member) ((type *)list_item_((link), offsetof(type, member)))
/* The same; NULL if LINK is NULL. */
#define LIST_ITEM_OR_NULL(link, type, member)                                                      \
    ((type *)list_item_or_null_((link), offsetof(type, member)))
/* The first item of LIST, or NULL. */
#define LIST_FIRST(list, type, member) LIST_ITEM_OR_NULL(list_first(list), type, member)
/* Removes the first item of LIST and returns it, or NULL. */
#define LIST_TAKE_FIRST(list, type, member) LIST_ITEM_OR_NULL(list_take_first(list), type, member)
/* Declares AT, a link, and visits the list from its first link to its last. The body may remove AT and free its item,
 * but must not remove the link behind AT. */
/* NOLINTBEGIN(bugprone-macro-parentheses): AT is declared here, and a declared name takes none */
#define LIST_EACH(at, list)                                                                        \
    for (struct list_link *at = (list)->ends.next, *at##_next = at->next; at != &(list)->ends;     \
         at = at##_next, at##_next = at->next)
/* NOLINTEND(bugprone-macro-parentheses) */

static inline void *list_item_(struct list_link *link, size_t offset)
{
    return (char *)link - offset;
}

static inline void *list_item_or_null_(struct list_link *link, size_t offset)
{
    return link ? list_item_(link, offset) : NULL;
}

static inline void list_init(struct list *l)
{
    l->ends.prev = l->ends.next = &l->ends;
}

static inline bool list_is_empty(const struct list *l)
{
    return l->ends.next == &l->ends;
}

static inline bool list_is_linked(const struct list_link *link)
{
    return link->next != NULL;
}

/* Puts LINK, which is in no list, right behind PLACE: a link of the list, or its `ends` for the front. */
static inline void list_add_behind(struct list_link *place, struct list_link *link)
{
    assert(!list_is_linked(link));
    link->prev = place;
    link->next = place->next;
    place->next->prev = link;
    place->next = link;
}

static inline void list_add_first(struct list *l, struct list_link *link)
{
    list_add_behind(&l->ends, link);
}

static inline void list_add_last(struct list *l, struct list_link *link)
{
    list_add_behind(l->ends.prev, link);
}

/* Takes LINK out of its list. A link that is in no list stays as it is. */
static inline void list_remove(struct list_link *link)
{
    if (!list_is_linked(link))
        return;
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->prev = link->next = NULL;
}

/* The first link, or NULL. */
static inline struct list_link *list_first(const struct list *l)
{
    return list_is_empty(l) ? NULL : l->ends.next;
}

/* Removes the first link and returns it, or NULL. It writes through L, not through LINK as list_remove does, so that static
 * analysis sees that the list changes. */
static inline struct list_link *list_take_first(struct list *l)
{
    struct list_link *link = list_first(l);
    if (!link)
        return NULL;
    l->ends.next = link->next;
    link->next->prev = &l->ends;
    link->prev = link->next = NULL;
    return link;
}

/* Makes LINK, which is in L, the first one. The links before it follow behind the last one. */
static inline void list_rotate_to(struct list *l, struct list_link *link)
{
    list_remove(&l->ends);
    list_add_behind(link->prev, &l->ends);
}

#endif
