"""claim.lua: what a dispatcher may take of each holder."""


def put_lanes(queue, *lanes, count=5, concurrency=100):
    for lane in lanes:
        queue.limits(**{lane: (concurrency, 10000, 2000, 8)})
        queue.put_simple(*[f"{lane}{i}" for i in range(count)], destination=lane, lane=lane)


def lanes_of(claims):
    return sorted(c.lane for c in claims)


def test_a_holder_gets_what_the_dispatcher_has_room_for(queue):
    put_lanes(queue, "a", "b")
    assert lanes_of(queue.claim(want=20, unlisted=3, rooms=[("l:b", 1, 0)])) == ["a", "a", "a", "b"]
    assert queue.crowded == 2
    assert lanes_of(queue.claim(want=20)) == ["a", "a"] + ["b"] * 4
    queue.check()


def test_a_lane_without_room_stays_due_for_others(queue):
    """The dispatcher without room is not told to ask again at once; another one gets it."""
    put_lanes(queue, "a")
    assert queue.claim(rooms=[("l:a", 0, 0)]) == [] and queue.crowded == 2
    assert queue.wait_us == -1
    assert lanes_of(queue.claim()) == ["a"] * 5
    queue.check()


def test_many_lanes_without_room_hide_no_other(queue):
    names = [f"x{n}" for n in range(150)]
    put_lanes(queue, *names, count=2)
    put_lanes(queue, "good", count=2)
    assert lanes_of(queue.claim(rooms=[(f"l:{n}", 0, 0) for n in names])) == ["good"] * 2
    assert queue.wait_us > 1_000_000, "until the leases are over"
    queue.check()


def test_only_the_reserve_is_left(queue):
    """Who is not listed gets nothing; who is listed and may have the reserve is found behind any number of others."""
    put_lanes(queue, *[f"x{n}" for n in range(150)], count=1)
    put_lanes(queue, "slow", "good", count=3)
    claims = queue.claim(unlisted=0, common=0, rooms=[("l:good", 2, 1), ("l:slow", 2, 0)])
    assert lanes_of(claims) == ["good"] * 2 and queue.crowded == 2
    assert queue.claim(unlisted=0, common=0, rooms=[("l:good", 0, 1)]) == [] and queue.wait_us > 1_000_000
    queue.check()


def test_what_is_common_is_counted_over_all(queue):
    put_lanes(queue, "a", "b", "c", count=5)
    claims = queue.claim(want=15, unlisted=5, common=4, rooms=[("l:c", 5, 1)])
    assert lanes_of(claims).count("c") == 5 and len(claims) == 9
    queue.check()


def test_destinations_that_share_a_lane_have_shares_of_their_own(queue):
    """The one without room waits beside the lane, and the other one goes on."""
    queue.limits(a=(9, 10000, 2000, 8, "-", 1), b=(9, 10000, 2000, 8, "-", 1))
    queue.put(*[queue.event(f"e{i}", ("a" if i % 2 else "b", "both", 0), body=str(i)) for i in range(8)])
    claims = queue.claim(rooms=[("d:b", 1, 0)])
    assert sorted(c.id.split(":")[1] for c in claims) == ["a"] * 4 + ["b"]
    queue.check()


def test_a_lane_with_a_delay_keeps_to_the_room(queue):
    put_lanes(queue, "p", count=0)
    queue.put_simple("p0", "p1", destination="p", lane="p", delay=50)
    assert queue.claim(rooms=[("l:p", 0, 0)]) == [] and queue.wait_us == -1
    assert lanes_of(queue.claim()) == ["p"]
    queue.check()
