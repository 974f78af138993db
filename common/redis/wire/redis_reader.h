/* redis_reader - hiredis' parser of replies, with a limit on what a server may make it allocate.   [edge: hiredis]
 */
#ifndef COMMON_REDIS_WIRE_REDIS_READER_H
#define COMMON_REDIS_WIRE_REDIS_READER_H

struct redisReader;

/* A parser that fails on an array of more than 1,048,576 elements. NULL without memory. */
struct redisReader *redis_reader_new(void);
/* NULL is fine. */
void redis_reader_free(struct redisReader *reader);

#endif
