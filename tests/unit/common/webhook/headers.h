/* headers - a request's headers, as scheme.h asks for them. */
#ifndef TESTS_UNIT_COMMON_WEBHOOK_HEADERS_H
#define TESTS_UNIT_COMMON_WEBHOOK_HEADERS_H

#include "common/base/slice.h"

#include <strings.h>

#define HEADERS_MAX 12

struct header {
    char *name, *value;
};

struct headers { /* The texts are the test's. */
    struct header all[HEADERS_MAX];
    size_t count;
};

static inline struct slice headers_find(void *ctx, const char *name, unsigned *count)
{
    const struct headers *h = ctx;
    struct slice first = {0};
    *count = 0;
    for (size_t i = 0; i < h->count; i++)
        if (strcasecmp(h->all[i].name, name) == 0 && (*count)++ == 0)
            first = slice_str(h->all[i].value);
    return first;
}

#endif
