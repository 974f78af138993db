"""Judges a run: where every delivery is, that nothing acknowledged was lost, and the gaps between sends."""

from collections import Counter

PLACES = ("queue", "inflight", "retry", "dead", "done")


def places(keys) -> dict:
    """Delivery id -> Counter of the places that hold it (queue, inflight, retry, dead), from one look.

    Take it when nothing moves: it is several commands. `done` is in the delivery's hash alone: see where().
    """
    found = {}

    def note(ids, place):
        for ident in ids:
            found.setdefault(ident, Counter())[place] += 1

    for ids in keys.queues().values():
        note(ids, "queue")
    note(keys.inflight(), "inflight")
    note(keys.retry(), "retry")
    note(keys.all_dead(), "dead")
    return found


def where(keys, delivery_ids) -> dict:
    """Delivery id -> list of the places that hold it; exactly one is right."""
    held = places(keys)
    answer = {}
    for ident in delivery_ids:
        at = list(held.get(ident, Counter()).elements())
        if keys.delivery(ident).get("state") == "done":
            at.append("done")
        answer[ident] = at
    return answer


def assert_each_in_one_place(keys, delivery_ids):
    """Invariant 1 of docs/internals/queue.md, for deliveries that nothing moves at the moment."""
    wrong = {i: at for i, at in where(keys, delivery_ids).items() if len(at) != 1}
    assert not wrong, f"{len(wrong)} deliveries are not in exactly one place: {dict(list(wrong.items())[:5])}"


def assert_none_lost(acknowledged, delivered, keys=None, destination="out"):
    """Every acknowledged event id was delivered, or is dead or still held for DESTINATION."""
    missing = set(acknowledged) - set(delivered)
    if missing and keys is not None:
        held = places(keys)
        missing = {i for i in missing if f"{i}:{destination}" not in held}
    assert not missing, f"{len(missing)} of {len(set(acknowledged))} acknowledged events are lost: {sorted(missing)[:5]}"


def repeats(requests) -> dict:
    """(delivery, attempt) -> times it arrived, for those that arrived more than once."""
    seen = Counter((r.delivery, r.attempt) for r in requests)
    return {k: n for k, n in seen.items() if n > 1}


def gaps_ms(requests) -> list:
    """Milliseconds between consecutive arrivals, in order of arrival."""
    times = sorted(r.at_ns for r in requests)
    return [(b - a) / 1e6 for a, b in zip(times, times[1:])]


def by_lane(requests, lane_of=None) -> dict:
    """Lane -> its requests in order of arrival. LANE_OF(request) names it, the destination by default."""
    lanes = {}
    for r in sorted(requests, key=lambda r: r.at_ns):
        lanes.setdefault(lane_of(r) if lane_of else r.delivery.rsplit(":", 1)[-1], []).append(r)
    return lanes


# The promise measures a gap where the request leaves; the sink sees it a moment later, each time a
# slightly different one. With the kernel's timestamps that moment is the way from the last check to write(2).
ARRIVAL_JITTER_MS = 2.0


def assert_paced(requests, delay_ms, allowance_ms=ARRIVAL_JITTER_MS):
    """No two arrivals closer than the delay. DELAY_MS: a number, or a function of the later request."""
    ordered = sorted(requests, key=lambda r: r.at_ns)
    short = []
    for before, after in zip(ordered, ordered[1:]):
        least = delay_ms(after) if callable(delay_ms) else delay_ms
        gap = (after.at_ns - before.at_ns) / 1e6
        if gap < least - allowance_ms:
            short.append((round(gap, 2), least, before.delivery, after.delivery))
    assert not short, f"{len(short)} of {len(ordered) - 1} gaps are too short: {short[:5]}"
