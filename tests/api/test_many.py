"""Pages of lists that are read in many steps: the same entries in the same order as one list would have."""

import json

import pytest

from harness.stored import Stored
from harness.wait import wait_for


@pytest.fixture
def many(empty):
    """20,000 tasks over 100 paths, 3,000 of them not fetched; 1,500 failed attempts of each kind; 30 tasks with 64 dead webhooks."""
    store = Stored(empty.stack.redis.client(), paths=100, ready=3_000, listed=20_000, failures=1_500, years=1, fanned=30)
    store.fill()
    empty.store = store
    return empty


def failed(store, kinds):
    """(kind, id) of the failed attempts, newest first; of one moment in any order."""
    entries = [(entry.split("-"), kind, json.loads(fields["attempt"])["id"]) for kind in kinds
               for entry, fields in store.client.xrange(store.key("errors:" + kind))]
    return sorted(((int(at[0]), kind + "_url", ident) for at, kind, ident in entries), reverse=True)


def in_order(seen, expected):
    """SEEN has the entries of EXPECTED by their moments: those of one moment may change places."""
    at = {entry[1:]: entry[0] for entry in expected}
    moments = [at[entry] for entry in seen]
    return moments == sorted(moments, reverse=True) and set(seen) <= set(at) and len(set(seen)) == len(seen)


@pytest.mark.parametrize("function,kinds", [(None, ("postback", "pingback")), ("pingback_url", ("pingback",))])
def test_pages_of_errors_make_the_whole(many, function, kinds):
    expected = failed(many.store, kinds)
    filtered = {"filtered_function": function} if function else {}
    walked = []
    while page := many.acme.errors(limit=700, offset=len(walked), **filtered):
        walked += [(e["function"], e["id"]) for e in page]
    assert len(walked) == len(expected) and in_order(walked, expected)
    deep = [(e["function"], e["id"]) for e in many.admin.errors(limit=10, offset=len(expected) - 5, **filtered)]
    assert deep == walked[-5:]


@pytest.mark.parametrize("sort", ["asc", "desc"])
@pytest.mark.parametrize("offset", [0, 1, 7_777, 19_999, 20_000])
def test_a_page_of_ids(many, sort, offset):
    ids = many.store.posted_ids()[::-1 if sort == "desc" else 1]
    assert [e["id"] for e in many.admin.id_list(sort=sort, offset=offset, limit=1000)] == ids[offset:offset + 1000]


def test_ready_by_path(many):
    assert many.acme.ready_ids("/v3/" + many.store.path(7)) == many.store.ready_ids(7)
    assert many.acme.ready_ids("/v3/serp") == many.store.ready_ids(merged=True)[:1000]
    assert many.acme.ready_ids("/v3/merchant/x/y") == [] and many.beta.ready_ids("/v3/serp") == []


def test_counts_of_a_year(many):
    seen = many.acme.counts()
    assert seen["done_not_fetched"] == 3_000 and seen["done_fetched"] in (24, 25), "retention.done_s is a day"


def test_resending_many_webhooks(many):
    """One call of the API, many of the script; every webhook is queued once."""
    answers = many.admin.resend(*many.store.fanned_ids())
    assert [a["status_code"] for a in answers] == [20100] * 30
    keys = many.stack.keys
    wait_for(lambda: sum(len(q) for q in keys.queues().values()) == 30 * 64)
    assert keys.queue("w5") == [f"{ident}:w5" for ident in many.store.fanned_ids()]
