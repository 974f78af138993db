#include "common/queue/keys.h"

void keys_base(struct buf *out, const char *prefix, unsigned partition)
{
    buf_addf(out, "%s:{%u}:", prefix, partition);
}

bool keys_split_delivery(struct slice delivery, struct slice *event, struct slice *destination)
{
    const char *colon = delivery.len ? memrchr(delivery.ptr, ':', delivery.len) : NULL;
    if (!colon)
        return false;
    size_t at = (size_t)(colon - delivery.ptr);
    *event = slice_make(delivery.ptr, at);
    *destination = slice_skip(delivery, at + 1);
    return true;
}
