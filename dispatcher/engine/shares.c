/* How holders share a dispatcher
 *
 * A dispatcher has `dispatcher.concurrency` slots and `dispatcher.max_inflight_bytes`. Every claimed delivery takes a slot, also if
 * it was claimed ahead and waits for its turn. A destination that accepts and never answers keeps its slots for its whole
 * timeout. Sixteen such destinations with 16 slots each would hold all of 256 slots, and everybody else would wait.
 *
 * Each holder may hold EAGER times what is free, divided by the number of holders that hold something:
 *
 *                                   each holds                free
 *   1 holder                        16/17 of the slots        1/17
 *   40 holders that hang            1/40 of 16/17             1/17
 *   one more that holds nothing     takes what is free        less, so the others may take nothing when one of theirs ends
 *
 * So one destination may use nearly all slots while nobody else wants any, and some are always free for the next one. The
 * share shrinks by itself when holders come, and grows when they leave. Slots are never taken away: a holder that has more than
 * its share gets no claims until it has less.
 *
 * With very many holders, or with very few slots, that is not enough: 8 holders that hang take 8 slots although each has but
 * one. An eighth of the slots (at least one) is therefore the reserve. Only quick holders get it: their attempts take less than
 * QUICK_MS on average. A holder that nobody tried yet is not quick, so a crowd of new ones cannot take the reserve. A quick
 * holder that begins to hang is no longer quick after QUICK_MS, also before its attempts end.
 *
 * The same rule holds for bytes. There, a delivery can be larger than its holder's share. It is let in if its holder holds
 * nothing else and it fits into what is free. A delivery that is larger than everything is let in if little else is held.
 *
 * A claimed delivery without room goes back to Redis. This costs two calls, so the dispatcher prevents it: each claim
 * says how many deliveries of which holder it may take (shares_list, claim.lua). It lists only holders that differ from
 * the rest, which are few: those with slots, and QUICK_LISTED quick ones while only the reserve is left. A lane without
 * room here stays due in Redis, so another dispatcher can take its deliveries.
 */
#include "dispatcher/engine/shares.h"

#include "common/base/alloc.h"
#include "common/base/text.h"
#include "common/config/config.h"
#include "common/queue/queue_take.h"

#include <assert.h>
#include <stdlib.h>

#define EAGER 16
#define RESERVE_PART 8
#define QUICK_MS 1000
#define QUICK_LISTED 64
#define MEAN_OF 8

void shares_init(struct shares *s)
{
    *s = (struct shares){0};
    map_init(&s->lanes);
    map_init(&s->destinations);
    list_init(&s->busy);
    list_init(&s->quick);
    list_init(&s->needy);
}

static void holder_free(struct shares *s, struct holder *h)
{
    assert(h->slots == 0);
    list_remove(&h->quick);
    list_remove(&h->needy);
    map_remove(h->is_lane ? &s->lanes : &s->destinations, slice_str(h->name));
    free(h->name);
    free(h->lane);
    free(h);
}

static void forget(struct shares *s, struct map *m, const struct config *conf)
{
    size_t at = 0;
    struct slice name;
    void *value;
    struct map known;
    map_init(&known);
    struct config_walk walk = {0};
    struct destination *d;
    while (conf && config_next_destination(conf, &walk, &d))
        map_set(&known, slice_str(m == &s->lanes ? d->lane : d->name), d);
    while (map_next(m, &at, &name, &value)) {
        struct holder *h = value;
        if (h->slots == 0 && !map_get(&known, name))
            holder_free(s, h);
    }
    map_clear(&known);
}

void shares_forget(struct shares *s, const struct config *conf)
{
    forget(s, &s->lanes, conf);
    forget(s, &s->destinations, conf);
}

void shares_clear(struct shares *s)
{
    shares_forget(s, NULL);
    map_clear(&s->lanes);
    map_clear(&s->destinations);
}

void shares_set_limits(struct shares *s, size_t slots_max, size_t bytes_max)
{
    s->slots_max = slots_max;
    s->bytes_max = bytes_max;
}

struct holder *shares_holder(struct shares *s, const struct destination *d)
{
    struct map *m = d->lane_is_shared ? &s->destinations : &s->lanes;
    const char *name = d->lane_is_shared ? d->name : d->lane;
    struct holder *h = map_get(m, slice_str(name));
    if (h)
        return h;
    h = NEW(struct holder);
    h->name = xstrdup(name);
    h->lane = xstrdup(d->lane);
    h->is_lane = !d->lane_is_shared;
    h->partition = d->partition;
    h->mean_ms = -1;
    map_set(m, slice_str(name), h);
    return h;
}

static bool is_quick(const struct holder *h)
{
    return list_is_linked(&h->quick);
}

/* ---- what is held ---- */

void shares_take(struct shares *s, struct holder *h)
{
    s->slots++;
    if (h->slots++ == 0) {
        list_add_last(&s->busy, &h->busy);
        s->busy_count++;
    }
}

void shares_give_back(struct shares *s, struct holder *h, size_t bytes)
{
    assert(h->slots > 0 && s->slots > 0);
    shares_drop(s, h, bytes);
    s->slots--;
    if (--h->slots == 0) {
        list_remove(&h->busy);
        s->busy_count--;
    }
}

void shares_hold(struct shares *s, struct holder *h, size_t bytes)
{
    s->bytes += bytes;
    h->bytes += bytes;
}

void shares_drop(struct shares *s, struct holder *h, size_t bytes)
{
    assert(h->bytes >= bytes);
    s->bytes -= bytes;
    h->bytes -= bytes;
}

void shares_note(struct shares *s, struct holder *h, int64_t duration_ms)
{
    h->mean_ms += h->mean_ms < 0 ? duration_ms + 1 : (duration_ms - h->mean_ms) / MEAN_OF;
    list_remove(&h->quick);
    if (h->mean_ms < QUICK_MS)
        list_add_first(&s->quick, &h->quick);
}

/* ---- the rule ---- */

static size_t less(size_t a, size_t b)
{
    return a > b ? a - b : 0;
}

/* Returns the free part of MAX: for quick holders all, for others all but the reserve. */
static size_t free_of(size_t max, size_t held, bool quick)
{
    size_t reserve = max / RESERVE_PART;
    if (reserve == 0 && max > 1)
        reserve = 1;
    return less(less(max, held), quick ? 0 : reserve);
}

/* The most that a holder of OWN may take if FREE is free and HOLDERS, with this one, hold something. After that it has EAGER
 * times what is then free, divided by HOLDERS. */
static size_t most_for(size_t own, size_t free, size_t holders)
{
    return less(EAGER * free, holders * own) / (holders + EAGER);
}

static size_t holders_with(const struct shares *s, const struct holder *h)
{
    return s->busy_count + (h && h->slots ? 0 : 1);
}

/* ALONE: nothing else of H holds a slot. */
static bool may_hold(const struct shares *s, const struct holder *h, size_t bytes, bool alone)
{
    size_t left = free_of(s->bytes_max, s->bytes, is_quick(h));
    if (bytes <= most_for(h->bytes, left, holders_with(s, h)))
        return true;
    if (!alone)
        return false;
    return bytes <= left || (bytes > less(s->bytes_max, s->bytes_max / RESERVE_PART) &&
                             s->bytes <= s->bytes_max / RESERVE_PART);
}

static void set_needs(struct shares *s, struct holder *h, size_t bytes)
{
    h->needs = bytes;
    list_remove(&h->needy);
    if (bytes)
        list_add_last(&s->needy, &h->needy);
}

bool shares_fit(struct shares *s, struct holder *h, size_t held, size_t more)
{
    bool fits = may_hold(s, h, more, h->slots == 1);
    set_needs(s, h, fits ? 0 : held + more);
    return fits;
}

/* Returns the number of deliveries that H may take. NULL: a holder that has nothing, and is not quick. */
static size_t room_of(const struct shares *s, const struct holder *h)
{
    bool quick = h && is_quick(h);
    size_t left = free_of(s->slots_max, s->slots, quick), own = h ? h->slots : 0;
    size_t room = most_for(own, left, holders_with(s, h));
    size_t bytes =
        most_for(h ? h->bytes : 0, free_of(s->bytes_max, s->bytes, quick), holders_with(s, h));
    if (room == 0 && own == 0 && left > 0)
        room = 1;
    if (h && h->needs) {
        if (!may_hold(s, h, h->needs, own == 0))
            return 0;
        size_t fit = bytes > h->needs ? bytes / h->needs : 1;
        return room < fit ? room : fit;
    }
    return bytes > 0 ? room : 0;
}

bool shares_are_tight(const struct shares *s, size_t want)
{
    return free_of(s->slots_max, s->slots, false) < want;
}

/* ---- the rooms that a claim gets ---- */

static void add_room(struct args *a, const char *kind, const char *name, size_t room, bool quick)
{
    size_t mark = args_mark(a);
    buf_add_str(&a->text, kind);
    buf_add_str(&a->text, name);
    args_add_since(a, mark);
    args_add_int(a, (int64_t)room);
    args_add_int(a, quick);
}

static void list_holder(const struct shares *s, const struct holder *h, size_t want,
                        struct claim_rooms *out)
{
    size_t room = room_of(s, h);
    room = room < want ? room : want;
    add_room(&out->list, h->is_lane ? "l:" : "d:", h->name, room, is_quick(h));
    if (!h->is_lane && room > 0)
        add_room(&out->list, "l:", h->lane, want, true);
}

/* Does claim.lua know the room of H without being told? */
static bool is_like_unlisted(const struct shares *s, const struct holder *h, size_t want,
                             const struct claim_rooms *out)
{
    size_t room = room_of(s, h);
    if (is_quick(h) && out->common < want)
        return false;
    return room == out->unlisted || (room >= want && out->unlisted == want);
}

/* Idle holders that need much are listed until it fits. */
static void list_needy(struct shares *s, unsigned partition, size_t want, struct claim_rooms *out)
{
    LIST_EACH (at, &s->needy) {
        struct holder *h = LIST_ITEM(at, struct holder, needy);
        if (h->slots)
            continue;
        if (may_hold(s, h, h->needs, true))
            set_needs(s, h, 0);
        else if (h->partition == partition && !is_quick(h))
            list_holder(s, h, want, out);
    }
}

void shares_list(struct shares *s, unsigned partition, size_t want, struct claim_rooms *out)
{
    size_t room = room_of(s, NULL), common = free_of(s->slots_max, s->slots, false), listed = 0;
    out->unlisted = room < want ? room : want;
    out->common = common < want ? common : want;
    LIST_EACH (at, &s->busy) {
        struct holder *h = LIST_ITEM(at, struct holder, busy);
        if (h->partition == partition && !is_like_unlisted(s, h, want, out))
            list_holder(s, h, want, out);
    }
    LIST_EACH (next, &s->quick) {
        struct holder *h = LIST_ITEM(next, struct holder, quick);
        if (h->slots == 0 && h->partition == partition && !is_like_unlisted(s, h, want, out)) {
            list_holder(s, h, want, out);
            if (++listed == QUICK_LISTED)
                break;
        }
    }
    list_needy(s, partition, want, out);
}
