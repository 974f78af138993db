/* http_budget - how many bytes do all requests hold, and which address holds most of them?   [pure, but for its atomics]
 *
 * One budget is shared by all threads of a process. It counts by address as well, in a table that addresses are hashed into
 * (http_peers). Two rules keep one address from taking what the others need:
 *
 *   1. An address may hold at most BUDGET_SHARE times what is still free. So one address gets at most four fifths of the budget,
 *      two get four ninths each, and some is always free for the next one.
 *   2. A request that holds much leaves an eighth to those that hold little.
 *
 * Exception: a budget below BUDGET_SHARED is one for all. There only the size counts.
 */
#ifndef COMMON_NET_HTTP_BUDGET_H
#define COMMON_NET_HTTP_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define BUDGET_SLOTS 1024 /* as many as http_peers has */
#define BUDGET_SHARE 4
#define BUDGET_SHARED (INT64_C(64) * 1024 * 1024)

struct http_budget { /* zero but for `max` */
    _Atomic int64_t used;
    int64_t max; /* bytes */
    _Atomic int64_t of_slot[BUDGET_SLOTS];
};

/* Adds N bytes (negative: gives them back) to what SLOT holds. */
static inline void budget_add(struct http_budget *b, unsigned slot, int64_t n)
{
    atomic_fetch_add_explicit(&b->used, n, memory_order_relaxed);
    atomic_fetch_add_explicit(&b->of_slot[slot], n, memory_order_relaxed);
}
/* False if SLOT holds too much, or all together do. IS_LARGE: the request in question holds much. */
bool budget_is_kept(const struct http_budget *b, unsigned slot, bool is_large);
/* The slot that holds most, if it holds an eighth of the budget and more than twice as much as SLOT; else BUDGET_SLOTS. */
unsigned budget_hog(const struct http_budget *b, unsigned slot);

#endif
