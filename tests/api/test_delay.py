"""webhook_delay: set while running, for what is accepted from then on."""

import pytest

import shapes
from harness import config

URL = "/v3/appendix/webhook_delay"
DELAY = {"webhook_delay": int, "account": str}


def test_an_accounts_own(empty):
    assert empty.acme.result(URL, DELAY) == [{"webhook_delay": 0, "account": "acme"}]
    assert empty.acme.result(URL, DELAY, [{"webhook_delay": 300}]) == [{"webhook_delay": 300, "account": "acme"}]
    assert empty.acme.delay() == 300 and empty.beta.delay() == 0 and empty.admin.delay() == 0
    a = empty.acme.set_one(postback_url=empty.hook())
    assert empty.delivery(a)["delay_ms"] == "300"
    b = empty.beta.set_one(postback_url=empty.hook())
    assert empty.delivery(b, account="beta")["delay_ms"] == "0"
    (user,) = empty.acme.result("/v3/appendix/user_data", shapes.USER)
    assert user["webhook_delay"] == 300


def test_admins_set_the_top_level_one(empty):
    assert empty.admin.result(URL, {"webhook_delay": int}, [{"webhook_delay": 500}]) == [{"webhook_delay": 500}]
    assert empty.acme.delay() == 500, "inherited"
    empty.acme.set_delay(100)
    assert empty.acme.delay() == 100 and empty.beta.delay() == 500
    assert empty.admin.set_delay(50, account="beta") == 50 and empty.beta.delay() == 50
    assert empty.acme.set_delay(None) == 500, "back to the configuration, which inherits"


def test_a_destinations(service):
    service.conf["sources"]["in"] = config.source(["out", "slow"])
    service.conf["destinations"] = {"out": config.destination(service.sink.url()), "slow": config.destination(service.sink.url(), delay_ms=200)}
    service.start(dispatchers=0)

    def delays(ident):
        service.receiver.post("/in/in", b'{"id":"%s"}' % ident.encode())
        return [service.stack.keys.delivery(f"{ident}:{name}")["delay_ms"] for name in ("out", "slow")]
    assert delays("a") == ["0", "200"]
    assert service.admin.set_delay(700) == 700 and delays("b") == ["700", "200"]
    assert service.admin.set_delay(50, destination="slow") == 50 and delays("c") == ["700", "50"]
    assert service.admin.delay("?destination=slow") == 50 and service.admin.delay("?destination=out") == 700
    assert service.admin.set_delay(None, destination="slow") == 200 and service.admin.set_delay(None) == 0
    assert delays("d") == ["0", "200"]


@pytest.mark.parametrize("delay", [49, 75, 150, 1100, -1, -100, "100", 100.0, True, [], 10**20])
def test_the_rule(empty, delay):
    answer = empty.acme.post(URL, [{"webhook_delay": delay}])
    shapes.check_failure(answer, 40501)
    assert "'webhook_delay'" in answer["status_message"] and "multiple of 100" in answer["status_message"]
    assert empty.acme.delay() == 0


@pytest.mark.parametrize("delay", [0, 50, 100, 900, 1000])
def test_what_is_allowed(empty, delay):
    assert empty.acme.set_delay(delay) == delay == empty.acme.delay()


def test_a_step_of_one_allows_any(service):
    service.conf["delay_step_ms"] = 1
    service.start(dispatchers=0)
    assert service.acme.set_delay(75) == 75


@pytest.mark.parametrize("body,code", [(b"", 40502), (b"[]", 40502), (b"{}", 40503), (b"[7]", 40503), (b"[{}]", 40501),
                                       (b'[{"webhook_delay":100},{"webhook_delay":200}]', 40000),
                                       (b'[{"webhook_delay":100,"webhook_delay":200}]', 40501)])
def test_a_body_that_is_refused(empty, body, code):
    empty.acme.refused(URL, body, code)
    assert empty.acme.delay() == 0


@pytest.mark.parametrize("name,value", [("destination", "nothing"), ("destination", 7), ("destination", "postback@acme"), ("account", "nobody")])
def test_whose_there_is_not(empty, name, value):
    answer = empty.admin.post(URL, [{"webhook_delay": 100, name: value}])
    shapes.check_failure(answer, 40501)
    assert f"'{name}'" in answer["status_message"]


def test_users_set_nobody_elses(empty):
    for whose in ({"account": "beta"}, {"destination": "out"}):
        shapes.check_failure(empty.acme.post(URL, [{"webhook_delay": 100, **whose}]), 40501)
    shapes.check_failure(empty.acme.get(URL + "?account=beta"), 40501)
    assert empty.beta.delay() == 0


@pytest.mark.redis(fsync="always")
def test_on_every_receiver_and_after_restarts(quiet, stack):
    other = stack.receiver(quiet.conf)
    quiet.acme.set_delay(400)
    theirs = quiet.api("acme", other)
    assert theirs.delay() == 400
    assert quiet.delivery(theirs.set_one(postback_url=quiet.hook()))["delay_ms"] == "400"
    for program in (quiet.receiver, other):
        program.kill9()
    stack.redis.kill9()
    stack.redis.start()
    again = quiet.api("acme", stack.receiver(quiet.conf))
    assert again.delay() == 400
    assert quiet.delivery(again.set_one(postback_url=quiet.hook()))["delay_ms"] == "400"


def test_tasks_keep_the_delay_under_which_they_were_set(quiet, stack):
    """help.dataforseo.com on the webhook delay: 100 tasks under 1,000 ms keep it, whatever is set before they are sent."""
    quiet.acme.set_delay(1000)
    ids = [t["id"] for t in quiet.acme.set(*[{"result": i, "postback_url": quiet.hook()} for i in range(100)])]
    quiet.acme.set_delay(0)
    stack.dispatcher(quiet.conf)
    requests = quiet.sink.wait_count(4)
    gaps = [(b.at_ns - a.at_ns) / 1e6 for a, b in zip(requests, requests[1:])]
    assert all(gap >= 998 for gap in gaps), gaps
    assert {quiet.delivery(i)["delay_ms"] for i in ids} == {"1000"}
    quiet.acme.set_delay(50)
    after = quiet.acme.set_one(postback_url=quiet.hook())
    assert quiet.delivery(after)["delay_ms"] == "50"
