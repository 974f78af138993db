#include "common/redis/wire/redis_reader.h"

#include "common/base/alloc.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>

/* hiredis allocates an array as soon as it has read the number of elements. A server that is broken, or is no Redis,
 * can send any number: 16 bytes would cost gigabytes. The scripts answer with some thousands of elements. */
#define ELEMENTS_MAX (1 << 20)

/* The free buffer that the parser may keep. With less (hiredis' default is 16 KB) it allocates one all the time. */
#define SPARE_BYTES (256 * 1024)

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
    reader->maxbuf = SPARE_BYTES;
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
