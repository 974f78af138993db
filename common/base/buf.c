#include "common/base/buf.h"

#include "common/base/alloc.h"

#include <stdio.h>
#include <stdlib.h>

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

bool buf_try_init(struct buf *b, size_t max)
{
    buf_init(b, max);
    b->ptr = alloc_try(max + 1);
    if (!b->ptr)
        return false;
    b->ptr[0] = 0;
    b->cap = max + 1;
    return true;
}

void buf_clear(struct buf *b)
{
    free(b->ptr);
    *b = (struct buf){.max = b->max};
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    b->failed = false;
}

char *buf_grow(struct buf *b, size_t n)
{
    if (b->failed || n > b->max - b->len) {
        b->failed = true;
        return NULL;
    }
    size_t need = b->len + n + 1;
    if (need > b->cap) {
        size_t cap = b->cap ? b->cap : 64;
        while (cap < need)
            cap += cap;
        if (cap > b->max + 1)
            cap = b->max + 1;
        b->ptr = xrealloc(b->ptr, cap, 1);
        b->cap = cap;
    }
    return b->ptr + b->len;
}

void buf_add(struct buf *b, const void *ptr, size_t len)
{
    char *to = buf_reserve(b, len);
    if (!to)
        return;
    if (len)
        memcpy(to, ptr, len);
    buf_wrote(b, len);
}

void buf_add_slice(struct buf *b, struct slice s)
{
    buf_add(b, s.ptr, s.len);
}

void buf_add_str(struct buf *b, const char *z)
{
    buf_add(b, z, strlen(z));
}

void buf_add_u64(struct buf *b, uint64_t v)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    buf_add(b, digits + at, sizeof digits - at);
}

void buf_add_i64(struct buf *b, int64_t v)
{
    if (v < 0)
        buf_add_char(b, '-');
    buf_add_u64(b, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *to = n >= 0 ? buf_reserve(b, (size_t)n) : NULL;
    if (to) {
        vsnprintf(to, (size_t)n + 1, fmt, again);
        buf_wrote(b, (size_t)n);
    }
    va_end(again);
}

char *buf_take(struct buf *b, size_t *len)
{
    if (!b->ptr)
        (void)buf_reserve(b, 0);
    char *p = b->ptr ? b->ptr : xcalloc(1, 1);
    p[b->len] = 0;
    if (len)
        *len = b->len;
    *b = (struct buf){.max = b->max};
    return p;
}
