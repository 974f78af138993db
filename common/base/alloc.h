/* alloc - memory for things of a fixed or already limited size.
 *
 * Running out of memory ends the process: the promise to the sender is kept by Redis, so a crash is
 * safe, while a half-handled allocation failure is not. Memory whose size depends on outside input goes through
 * `struct buf`, which has a ceiling.
 */
#ifndef COMMON_BASE_ALLOC_H
#define COMMON_BASE_ALLOC_H

#include "common/base/slice.h"

#include <stddef.h>

/* Zeroed memory for N objects of SIZE bytes; never NULL. Free with free(). */
void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
/* PTR resized to N objects of SIZE bytes; never NULL unless N is 0. */
void *xrealloc(void *ptr, size_t n, size_t size);
/* Copies; the caller owns the result and frees it. Both end in a NUL. */
char *xstrdup(const char *z) __attribute__((malloc, returns_nonnull));
char *xslicedup(struct slice s) __attribute__((malloc, returns_nonnull));
/* SIZE bytes, not zeroed, or NULL: for what may be so large that this process can do without it. Free with free(). */
void *alloc_try(size_t size) __attribute__((malloc));

/* Returns what was freed to the system; for the moment after much was. Takes about a millisecond. */
void alloc_give_back(void);

#define NEW(type) ((type *)xcalloc(1, sizeof(type)))

#endif
