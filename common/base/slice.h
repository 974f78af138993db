/* slice - a borrowed run of bytes.   [pure]
 *
 * A slice never owns what it points at. A function that takes one borrows the bytes for the call
 * only, unless its comment says otherwise. The bytes may hold NULs and are not NUL-terminated.
 */
#ifndef COMMON_BASE_SLICE_H
#define COMMON_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

struct slice {
    const char *ptr; /* may be NULL when len is 0 */
    size_t len;
};

#define SLICE_LIT(s) ((struct slice){(s), sizeof(s) - 1})
#define SLICE_FMT(s) (int)(s).len, (s).ptr /* for "%.*s" */

static inline struct slice slice_make(const void *ptr, size_t len)
{
    return (struct slice){ptr, len};
}

/* Z may be NULL, which gives the empty slice. */
static inline struct slice slice_str(const char *z)
{
    return (struct slice){z, z ? strlen(z) : 0};
}

static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool slice_eq_nocase(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || strncasecmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool slice_starts(struct slice s, struct slice prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

static inline bool slice_starts_nocase(struct slice s, struct slice prefix)
{
    return s.len >= prefix.len &&
           (prefix.len == 0 || strncasecmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

/* The first N bytes, or all where it is shorter. */
static inline struct slice slice_head(struct slice s, size_t n)
{
    return (struct slice){s.ptr, s.len < n ? s.len : n};
}

static inline struct slice slice_skip(struct slice s, size_t n)
{
    if (n > s.len)
        n = s.len;
    return (struct slice){n ? s.ptr + n : s.ptr, s.len - n};
}

/* Cuts the part before the first C off *REST and returns it; *REST is left behind C. Without a C
 * all of *REST is returned and *REST becomes empty with ptr NULL. */
static inline struct slice slice_cut(struct slice *rest, char c)
{
    const char *hit = rest->len ? memchr(rest->ptr, c, rest->len) : NULL;
    struct slice head = *rest;
    if (!hit) {
        *rest = (struct slice){NULL, 0};
        return head;
    }
    head.len = (size_t)(hit - rest->ptr);
    *rest = slice_skip(*rest, head.len + 1);
    return head;
}

/* Without leading and trailing spaces and tabs (HTTP's optional white space). */
static inline struct slice slice_trim(struct slice s)
{
    while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
        s = slice_skip(s, 1);
    while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
        s.len--;
    return s;
}

#endif
