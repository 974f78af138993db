/* buf - a growable run of bytes with a ceiling.
 *
 * No buffer grows without limit: passing the ceiling sets `failed`, later appends are ignored, and
 * the writer checks once at the end. The bytes are always followed by a NUL that does not count.
 */
#ifndef COMMON_BASE_BUF_H
#define COMMON_BASE_BUF_H

#include "common/base/err.h"
#include "common/base/slice.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>

struct buf { /* Owned by whoever holds it; buf_clear frees the bytes. */
    char *ptr;
    size_t len;
    size_t cap;
    size_t max;  /* ceiling of len, bytes */
    bool failed; /* an append passed the ceiling */
};

/* An empty buffer that may grow to MAX bytes. Allocates nothing yet. */
void buf_init(struct buf *b, size_t max);
/* A struct buf whose bytes are ARRAY, a char array that is not a pointer: for text of a known ceiling, without memory
 * of its own. The last byte is for the NUL. Neither buf_clear nor buf_take may be called on it. */
#define buf_over(array) buf_over_((array), sizeof(array) + BUF_IS_ARRAY_(array))
#define BUF_IS_ARRAY_(array)                                                                       \
    (0 * sizeof(struct {                                                                           \
         _Static_assert(!__builtin_types_compatible_p(__typeof__(array), char *), "not an array"); \
         char c;                                                                                   \
     }))

static inline struct buf buf_over_(char *array, size_t size)
{
    array[0] = 0;
    return (struct buf){.ptr = array, .cap = size, .max = size - 1};
}

/* The same, with room for all MAX bytes. False if there is no memory for it: B is empty then. */
bool buf_try_init(struct buf *b, size_t max);
/* Frees the bytes and leaves an empty buffer with the same ceiling. */
void buf_clear(struct buf *b);
/* Empties but keeps the memory for reuse. */
void buf_reset(struct buf *b);

void buf_add(struct buf *b, const void *ptr, size_t len);
void buf_add_slice(struct buf *b, struct slice s);
void buf_add_str(struct buf *b, const char *z);
static inline void buf_add_char(struct buf *b, char c);
void buf_add_u64(struct buf *b, uint64_t v);
void buf_add_i64(struct buf *b, int64_t v);
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Room for N more bytes: returns where to write them, or NULL past the ceiling. After writing n
 * of them, call buf_wrote(b, n). */
static inline char *buf_reserve(struct buf *b, size_t n);
static inline void buf_wrote(struct buf *b, size_t n);

static inline struct slice buf_slice(const struct buf *b)
{
    return slice_make(b->ptr ? b->ptr : "", b->len);
}

/* Moves the bytes out: the caller owns and frees the result, which ends in a NUL; B is empty. */
char *buf_take(struct buf *b, size_t *len);

/* --- inline, because an event is written in a hundred small pieces --- */

/* buf_reserve where the memory is too small, or the ceiling is passed. */
char *buf_grow(struct buf *b, size_t n);

static inline char *buf_reserve(struct buf *b, size_t n)
{
    bool has_room = !b->failed && n <= b->max - b->len && n < b->cap - b->len;
    return has_room ? b->ptr + b->len : buf_grow(b, n);
}

static inline void buf_wrote(struct buf *b, size_t n)
{
    assert(n < b->cap - b->len);
    b->len += n;
    b->ptr[b->len] = 0;
}

static inline void buf_add_char(struct buf *b, char c)
{
    char *to = buf_reserve(b, 1);
    if (!to)
        return;
    *to = c;
    buf_wrote(b, 1);
}

#endif
