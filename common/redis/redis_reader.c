#include "common/base/alloc.h"
#include "common/redis/redis_private.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>

/* hiredis makes room for an array as soon as it has read how many elements are to come, which what is no Redis (or
 * one that is broken) may say as it likes: 16 bytes would cost gigabytes. The scripts answer with some thousands. */
#define ELEMENTS_MAX (1 << 20)

#if HIREDIS_MAJOR >= 1
typedef size_t element_count;
#else
typedef int element_count;
#endif

struct guard { /* owned by its reader, as its privdata */
    redisReplyObjectFunctions functions, original;
};

static void *create_array(const redisReadTask *task, element_count elements)
{
    const struct guard *g = task->privdata;
    return elements > ELEMENTS_MAX ? NULL : g->original.createArray(task, elements);
}

struct redisReader *redis_reader_new(void)
{
    redisReader *reader = redisReaderCreate();
    if (!reader)
        return NULL;
    struct guard *g = NEW(struct guard);
    g->functions = g->original = *reader->fn;
    g->functions.createArray = create_array;
    reader->fn = &g->functions;
    reader->privdata = g;
    return reader;
}

void redis_reader_free(struct redisReader *reader)
{
    if (!reader)
        return;
    struct guard *g = reader->privdata;
    redisReaderFree(reader);
    free(g);
}
