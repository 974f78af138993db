#include "receiver/ingest/admission.h"

enum answer admission_judge(const struct load *l)
{
    if (!l->redis_is_ready)
        return ANSWER_QUEUE_UNAVAILABLE;
    if (l->waiting >= ADMISSION_WAITING_MAX || l->waiting_bytes >= ADMISSION_WAITING_BYTES)
        return ANSWER_OVERLOADED;
    if (l->waiting > 0 && l->oldest_us >= ADMISSION_OLDEST_US)
        return ANSWER_OVERLOADED;
    return ANSWER_OK;
}
