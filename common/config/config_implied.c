#include "common/config/config_implied.h"

#include "common/base/alloc.h"
#include "common/config/config_draft.h"
#include "common/config/partition.h"

#include <stdlib.h>

#define LEASE_SPARE_MS 3000
#define NAME_BYTES 256

int64_t config_lease_ms(const struct destination *d)
{
    return d->connect_timeout_ms + d->timeout_ms + LEASE_SPARE_MS;
}

struct destination *config_imply(struct config *c, enum delivery_kind kind, const char *owner,
                                 const char *lane)
{
    struct draft_destination plain;
    struct destination *d = NEW(struct destination);
    struct buf name;
    buf_init(&name, NAME_BYTES);
    buf_addf(&name, "%s@%s", delivery_kind_word(kind), owner);
    draft_destination_init(&plain);
    *d = plain.out;
    plain.out = (struct destination){0};
    d->name = buf_take(&name, NULL);
    d->kind = kind;
    d->lane = xstrdup(lane ? lane : d->name);
    d->partition = partition_of(slice_str(d->lane), c->redis.partitions);
    d->delay_ms = c->delay_ms;
    d->order = (enum delivery_order)plain.order;
    d->gzip = (enum gzip_mode)plain.gzip;
    d->headers = xstrdup("");
    d->lease_ms = config_lease_ms(d);
    d->schedule_ms = plain.waits.ms;
    d->schedule_count = plain.waits.count;
    plain.waits = (struct draft_waits){0};
    draft_destination_clear(&plain);
    map_set(&c->implied, slice_str(d->name), d);
    return d;
}

static struct destination *imply_hook(struct config *c, const struct config_account *a,
                                      enum delivery_kind kind)
{
    struct destination *d = config_imply(c, kind, a->name, a->name);
    d->account = a;
    d->delay_ms = a->delay_ms;
    d->has_own_delay = a->has_own_delay;
    d->sign = a->sign;
    return d;
}

void config_imply_hooks(struct config *c, struct config_account *a)
{
    a->postback = imply_hook(c, a, DELIVERY_POSTBACK);
    a->postback->gzip = GZIP_ALWAYS;
    a->pingback = imply_hook(c, a, DELIVERY_PINGBACK);
}
