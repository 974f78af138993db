/* admission - decides whether a thread can take another webhook, or refuses it at once.   [pure]
 *
 * Providers give up after 3 s (SERPHouse) to 10 s. A webhook that would wait longer for Redis is refused before its body is
 * read, so that the webhooks that already wait are answered in time.
 */
#ifndef RECEIVER_ADMISSION_H
#define RECEIVER_ADMISSION_H

#include "common/base/clock.h"
#include "receiver/ingest/judge.h"

#include <stddef.h>

#define ADMISSION_WAITING_MAX 20000 /* events of a thread that wait for Redis */
#define ADMISSION_WAITING_BYTES                                                                    \
    (48u << 20) /* and their bytes; the connection itself stops at 64 MB */
#define ADMISSION_OLDEST_US INT64_C(1000000) /* Redis answers this slowly: take no more */

struct load { /* of one receiver thread */
    bool redis_is_ready;
    size_t waiting;       /* events submitted and not yet answered by Redis */
    size_t waiting_bytes; /* of their commands to Redis */
    mono_us oldest_us;    /* how long the oldest of them has waited */
};

/* Returns ANSWER_OK or the 503. */
enum answer admission_judge(const struct load *l);

#endif
