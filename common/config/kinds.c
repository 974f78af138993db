#include "common/config/kinds.h"

#include <stddef.h>

static const char *const event_words[] = {
    [EVENT_WEBHOOK] = "webhook", [EVENT_TASK] = "task", [EVENT_ANNOUNCEMENT] = "announcement"};
static const char *const delivery_words[] = {
    [DELIVERY_POSTBACK] = "postback", [DELIVERY_PINGBACK] = "pingback", [DELIVERY_FETCH] = "fetch"};

static const char *const redis_words[] = {
    [REDIS_SINGLE] = "standalone", [REDIS_SENTINEL] = "sentinel", [REDIS_CLUSTER] = "cluster"};

const char *event_kind_word(enum event_kind kind)
{
    return event_words[kind];
}

const char *delivery_kind_word(enum delivery_kind kind)
{
    return delivery_words[kind];
}

bool event_kind_read(struct slice word, enum event_kind *out)
{
    for (size_t i = 0; i < sizeof event_words / sizeof *event_words; i++) {
        if (!slice_eq(word, slice_str(event_words[i])))
            continue;
        *out = (enum event_kind)i;
        return true;
    }
    return false;
}

bool delivery_kind_read(struct slice word, enum delivery_kind *out)
{
    for (size_t i = 0; i < sizeof delivery_words / sizeof *delivery_words; i++) {
        if (!slice_eq(word, slice_str(delivery_words[i])))
            continue;
        *out = (enum delivery_kind)i;
        return true;
    }
    return false;
}

const char *redis_mode_word(enum redis_mode mode)
{
    return redis_words[mode];
}
