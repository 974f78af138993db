/* alloc - memory for things of a fixed or already limited size.
 *
 * If there is no memory, the process ends. That is safe, because Redis keeps every event that was acknowledged; an
 * allocation failure that is handled halfway is not safe. Memory whose size comes from outside is a `struct buf`, which
 * has a ceiling.
 */
#ifndef COMMON_BASE_ALLOC_H
#define COMMON_BASE_ALLOC_H

#include "common/base/slice.h"

#include <stddef.h>

/* Zeroed memory for N objects of SIZE bytes; never NULL. Free with free(). */
void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
/* PTR resized to N objects of SIZE bytes; never NULL unless N is 0. */
void *xrealloc(void *ptr, size_t n, size_t size);
/* Copies of Z and S. The caller owns them and frees them. Both end in a NUL. */
char *xstrdup(const char *z) __attribute__((malloc, returns_nonnull));
char *xslicedup(struct slice s) __attribute__((malloc, returns_nonnull));

/* Gives freed heap memory back to the kernel (malloc_trim, about 1 ms). Call it after freeing a lot. */
void alloc_give_back(void);

#define NEW(type) ((type *)xcalloc(1, sizeof(type)))

#endif
