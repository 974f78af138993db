#include "common/base/alloc.h"

#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static void out_of_memory(void)
{
    fputs("{\"level\":\"error\",\"msg\":\"out of memory\"}\n", stderr);
    abort();
}

void *xcalloc(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size ? size : 1);
    if (!p)
        out_of_memory();
    return p;
}

void *xrealloc(void *ptr, size_t n, size_t size)
{
    if (size && n > SIZE_MAX / size)
        out_of_memory();
    if (n == 0 || size == 0) {
        free(ptr);
        return NULL;
    }
    void *p = realloc(ptr, n * size);
    if (!p)
        out_of_memory();
    return p;
}

char *xslicedup(struct slice s)
{
    char *p = xcalloc(s.len + 1, 1);
    if (s.len)
        memcpy(p, s.ptr, s.len);
    return p;
}

char *xstrdup(const char *z)
{
    return xslicedup(slice_str(z));
}

void *alloc_try(size_t size)
{
    return malloc(size ? size : 1);
}

void alloc_give_back(void)
{
#ifdef __GLIBC__ /* musl's allocator gives memory back by itself */
    malloc_trim(0);
#endif
}
