"""Where the dispatcher may be talked into connecting to: spellings of addresses, names that turn, redirects."""

import json
import socket
import time

import pytest

from harness import config
from harness.downstream import Answer, Downstream
from harness.namespace import Namespace, NameServer
from harness.redis_server import free_port
from harness.wait import stays, wait_for

ONCE = {"schedule_s": [], "jitter": 0}
PUBLIC, OTHER, PRIVATE = "93.184.216.34", "93.184.216.35", "10.66.0.1"
PUBLIC6, PRIVATE6 = "2606:2800:220:1::1", "fd66::1"
DENY = ["10.0.0.0/8", "127.0.0.0/8", "0.0.0.0/8", "::/128", "::1/128", "fd00::/8"]


def configured(stack, urls, redis=None, **egress):
    conf = config.base(redis or stack.redis.url, dispatcher={"listen": "127.0.0.1:0", "egress": egress})
    for n, url in enumerate(urls):
        conf["sources"][f"in{n}"] = config.source(f"out{n}")
        conf["destinations"][f"out{n}"] = config.destination(url, retry=ONCE)
    return conf


def wait_end(stack, ident, destination):
    def look():
        found = stack.keys.delivery(f"{ident}:{destination}")
        return found if found.get("state") in ("done", "dead") else None
    found = wait_for(look, 15, lambda: f"the end of {ident}: {stack.keys.delivery(f'{ident}:{destination}')}")
    return found["state"], found.get("last_error", "")


SPELLINGS = ["127.0.0.1", "127.1", "127.0.1", "2130706433", "017700000001", "0x7f.1", "0x7f000001", "0177.0.0.1", "127.000.000.001",
             "0", "0.0.0.0", "localhost", "LOCALHOST", "127.0.0.1.", "[::1]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]",
             "[::ffff:7f00:1]", "[::ffff:7F00:0001]", "[::]", "127.127.127.127"]


def test_spellings_of_loopback(stack):
    """However it is written, it is the address connected to that is judged."""
    port = free_port()
    sinks = [Downstream(host="127.0.0.1", port=port)]
    listener = socket.socket(socket.AF_INET6)
    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listener.bind(("::1", port))
    listener.listen(8)
    listener.settimeout(0.1)
    stack.sinks += sinks
    conf = configured(stack, [f"http://{host}:{port}/x" for host in SPELLINGS], deny=DENY)
    stack.dispatcher(conf)
    receiver = stack.receiver(conf)
    for n in range(len(SPELLINGS)):
        receiver.send(f"e{n}", path=f"/in/in{n}")
    ends = {host: wait_end(stack, f"e{n}", f"out{n}") for n, host in enumerate(SPELLINGS)}
    # with a dot behind it, it is a name to be looked up, and there is none
    assert ends == {host: ("dead", "dns_not_found" if host == "127.0.0.1." else "blocked_address") for host in SPELLINGS}
    assert sinks[0].connections == 0
    with pytest.raises(TimeoutError):
        listener.accept()
    listener.close()


class World:
    """A dispatcher in a network of its own, where PORT of every address is a sink."""

    def __init__(self, stack, directory):
        self.stack = stack
        self.space = Namespace(directory, [f"{a}/32" for a in (PUBLIC, OTHER, PRIVATE)] + [f"{a}/128" for a in (PUBLIC6, PRIVATE6)])
        self.names = self.space.call(NameServer)
        self.port = 8000
        self.sinks = {a: self.space.call(lambda a=a: Downstream(host=a, port=self.port))
                      for a in (PUBLIC, OTHER, PRIVATE, PUBLIC6, PRIVATE6, "127.0.0.1")}
        stack.sinks += self.sinks.values()
        for sink in self.sinks.values():
            sink.default = Answer(close=True)
        self.sent = 0

    def start(self, **egress):
        self.conf = configured(self.stack, [f"http://app.test:{self.port}/x"], self.stack.redis.unix_url, **egress)
        self.receiver = self.stack.receiver(self.conf)
        self.dispatcher = self.stack.dispatcher(self.conf, wrapper=self.space.wrapper)

    def deliver(self):
        self.sent += 1
        self.receiver.send(f"e{self.sent}", path="/in/in0")
        return wait_end(self.stack, f"e{self.sent}", "out0")

    def reached(self):
        """Addresses that were connected to."""
        return {a for a, sink in self.sinks.items() if sink.connections}

    def close(self):
        self.names.close()
        self.space.close()


@pytest.fixture
def world(stack, tmp_path):
    made = World(stack, tmp_path)
    yield made
    made.close()


def test_a_name_that_turns_to_a_private_address(world):
    """DNS rebinding: public when it was looked at, private when it is connected to."""
    world.names.names["app.test"] = [PUBLIC]
    world.start(deny=DENY)
    assert world.deliver() == ("done", "")
    world.names.names["app.test"] = [PRIVATE]
    assert world.deliver() in (("done", ""), ("dead", "blocked_address"))  # what is still remembered
    world.dispatcher.reload(world.conf)  # now nothing is
    assert world.deliver() == ("dead", "blocked_address")
    world.names.names["app.test"] = ["127.0.0.1"]
    world.dispatcher.reload(world.conf)
    assert world.deliver() == ("dead", "blocked_address")
    assert world.reached() == {PUBLIC}


def test_a_name_with_a_new_address_for_every_look(world):
    answers = [[PUBLIC], [PRIVATE], [PRIVATE6], ["127.0.0.1"], ["::1"], ["0.0.0.0"], ["::ffff:127.0.0.1"]]
    world.names.names["app.test"] = lambda: answers[(len(world.names.asked) // 2) % len(answers)]
    world.start(deny=DENY)
    for _ in answers:
        assert world.deliver() in (("done", ""), ("dead", "blocked_address"), ("dead", "dns_not_found"))
        world.dispatcher.reload(world.conf)
    assert world.reached() <= {PUBLIC}


@pytest.mark.parametrize("addresses, reached", [
    ([PRIVATE, PUBLIC], PUBLIC), ([PRIVATE6, PRIVATE, OTHER], OTHER), (["::1", "127.0.0.1", PUBLIC6], PUBLIC6),
    ([PRIVATE, "10.66.0.2", PUBLIC], PUBLIC), ([PRIVATE6, PRIVATE, "127.0.0.1", "::1"], None)])
def test_a_name_with_several_addresses(world, addresses, reached):
    """Those that are closed are passed over, and no connection is tried."""
    world.names.names["app.test"] = addresses
    world.start(deny=DENY)
    assert world.deliver() == (("done", "") if reached else ("dead", "blocked_address"))
    assert world.reached() == ({reached} if reached else set())


def test_a_connection_from_before_is_not_used_under_new_rules(world):
    for sink in world.sinks.values():
        sink.default = Answer()  # and kept
    world.names.names["app.test"] = [PRIVATE]
    world.start()
    assert world.deliver() == ("done", "")
    assert world.deliver() == ("done", "")
    assert world.sinks[PRIVATE].connections == 1
    stricter = json.loads(json.dumps(world.conf))
    stricter["dispatcher"]["egress"] = {"deny": DENY}
    world.dispatcher.reload(stricter)
    assert world.deliver() == ("dead", "blocked_address")
    assert len(world.sinks[PRIVATE].all()) == 2


NAT64 = {"64:ff9b::5db8:d822": PUBLIC, "64:ff9b:1::5db8:d822": PUBLIC, "2002:5db8:d822::1": PUBLIC, "64:ff9b::a42:1": PRIVATE}


@pytest.mark.parametrize("egress, reached", [
    ({}, set(NAT64)), ({"deny": [f"{PUBLIC}/32"]}, {"64:ff9b::a42:1"}), ({"deny": ["10.0.0.0/8"]}, set(NAT64) - {"64:ff9b::a42:1"}),
    ({"deny": ["0.0.0.0/0"], "allow": [f"{PUBLIC}/32"]}, set(NAT64) - {"64:ff9b::a42:1"}),
    ({"deny": ["64:ff9b::/96"], "allow": ["0.0.0.0/0"]}, {"64:ff9b:1::5db8:d822", "2002:5db8:d822::1"})],
    ids=["open", "deny public", "deny private", "allow", "deny the prefix"])
def test_an_ipv4_address_in_the_spelling_of_a_translator(stack, tmp_path, egress, reached):
    """Where a network has a NAT64, `deny` of an IPv4 address closes each way to it."""
    space = Namespace(tmp_path, [f"{a}/128" for a in NAT64])
    sinks = {a: space.call(lambda a=a: Downstream(host=a, port=8000)) for a in NAT64}
    stack.sinks += sinks.values()
    try:
        conf = configured(stack, [f"http://[{a}]:8000/x" for a in NAT64], stack.redis.unix_url, **egress)
        receiver = stack.receiver(conf)
        stack.dispatcher(conf, wrapper=space.wrapper)
        for n in range(len(NAT64)):
            receiver.send(f"e{n}", path=f"/in/in{n}")
        ends = {a: wait_end(stack, f"e{n}", f"out{n}") for n, a in enumerate(NAT64)}
        assert ends == {a: ("done", "") if a in reached else ("dead", "blocked_address") for a in NAT64}
        assert {a for a, sink in sinks.items() if sink.connections} == reached
    finally:
        space.close()


@pytest.mark.parametrize("status", [300, 301, 302, 303, 305, 307, 308])
def test_redirects_are_not_followed(stack, status):
    sink, other = stack.downstream(), stack.downstream()
    sink.on(None, Answer(status=status, headers={"Location": other.url("/stolen"), "Refresh": f"0; url={other.url('/r')}",
                                                 "Alt-Svc": f'h2="127.0.0.1:{other.port}"; ma=3600'}))
    conf = configured(stack, [sink.url()])
    conf["destinations"]["out0"]["retry"] = {"schedule_s": [0.05], "jitter": 0}
    stack.dispatcher(conf)
    receiver = stack.receiver(conf)
    receiver.send("a", path="/in/in0")
    assert wait_end(stack, "a", "out0") == ("dead", f"http_{status}")
    assert len(sink.all()) == 2
    stays(lambda: other.connections == 0, 0.2)


DOTS = ["..", ".", "a/../b", "../admin", "..\\admin", "%2e%2e", "%2e%2e%2fadmin", "..%2fadmin", "%252e%252e", "..;", "..;/admin", "..;a=b", "a\\..\\b",
        "\uff0e\uff0e", "..\uff0fadmin", "\u2025", "..\uff3cadmin", "%c0%ae%c0%ae", "..%c0%afadmin", "%u002e%u002e", ".. /admin", "..?x", "..#x",
        "x/..", "./x", "%2e", "..%00"]
TAGS = [*DOTS, "//evil.example/", "\\evil", "@evil.example", "?x=1", "#x", "a&id=other", "a;b", "%00", "...", "a..", "..a", ".well-known",
        "http://evil.example/", "a b", "ü", "\u2028", "{a}", "$id", "a:80", "[::1]", "'\"<>", "+", "a=b&c=d"]


def test_tags_stay_where_they_were_put(stack):
    """In a path segment and in a query value: host, path and other parameters cannot be changed by them."""
    sink = stack.downstream()
    conf = configured(stack, [sink.url("/p/$tag/end"), sink.url("/q?id=$id&tag=$tag&last=1")])
    stack.dispatcher(conf)
    receiver = stack.receiver(conf)
    for n, tag in enumerate(TAGS):
        for d in (0, 1):
            receiver.send(f"e{d}-{n}", path=f"/in/in{d}", tag=tag)
    for n, tag in enumerate(TAGS):
        end = wait_end(stack, f"e0-{n}", "out0")
        if tag in DOTS:
            assert end == ("dead", "bad_url")
        else:
            assert end == ("done", "")
            target = sink.of(f"e0-{n}")[0].target
            assert target.startswith("/p/") and target.endswith("/end") and target.count("/") == 3 and "?" not in target, target
        assert wait_end(stack, f"e1-{n}", "out1") == ("done", "")
        request = sink.of(f"e1-{n}")[0]
        assert request.path == "/q" and request.query == {"id": f"e1-{n}", "tag": tag, "last": "1"}, request.target
    assert all(r.header("Host") == f"127.0.0.1:{sink.port}" for r in sink.all())


@pytest.mark.parametrize("template, tag", [("/p/.$tag", "."), ("/p/%2e$tag", "."), ("/p/%2E$tag", "%2e"), ("/p/$tag$tag", "."), ("/p/%25$tag", "2e"),
                                           ("/p/.%25$tag", "2e"), ("/p/a%2f$tag", ".."), ("/p/a%5C$tag", ".."), ("/p/$tag;v=1", ".."),
                                           ("/p/$tag%2fx", ".."), ("/p/$source.$tag", "")])
def test_a_dot_segment_at_the_border_of_the_template(stack, template, tag):
    """That delivery is dead at once. Its siblings, and the next event, go on."""
    sink = stack.downstream()
    source = "in0"
    conf = configured(stack, [sink.url(template), sink.url("/q?tag=$tag")])
    conf["sources"][source]["to"] = ["out0", "out1"]
    conf["destinations"]["out0"]["retry"] = {"schedule_s": [0.05] * 5, "jitter": 0}
    stack.dispatcher(conf)
    receiver = stack.receiver(conf)
    receiver.send("bad", path="/in/in0", tag=tag)
    receiver.send("good", path="/in/in0", tag="fine")
    wanted = ("done", "") if "$source" in template else ("dead", "bad_url")
    assert wait_end(stack, "bad", "out0") == wanted and stack.keys.delivery("bad:out0")["attempts"] == "1"
    assert wait_end(stack, "bad", "out1") == wait_end(stack, "good", "out0") == wait_end(stack, "good", "out1") == ("done", "")
    assert all(r.event == "good" or r.path == "/q" or "$source" in template for r in sink.all())


def test_ids_of_events_and_tasks_make_no_dot_segment(stack):
    sink = stack.downstream()
    conf = configured(stack, [sink.url("/p/$id/end")])
    stack.dispatcher(conf)
    receiver = stack.receiver(conf)
    for ident in ("..", "..\\x", "%2e%2e", "\uff0e\uff0e", "a/../b"):
        assert receiver.post("/in/in0", {"id": ident}).status == 200
    wait_for(lambda: len(stack.keys.dead("out0")) == 5, 10, lambda: str(stack.keys.dead("out0")))
    assert sink.connections == 0


def test_headers_of_a_sender_do_not_become_others(stack):
    """What travels with an event cannot end its line, replace ours, or change how the body is framed."""
    sink = stack.downstream()
    conf = configured(stack, [sink.url()])
    conf["sources"]["in0"]["keep_headers"] = ["*"]
    stack.dispatcher(conf)
    receiver = stack.receiver(conf)
    sent = {"X-Fine": "f", "Hookpace-Delivery": "forged", "Hookpace-Attempt": "99", "User-Agent": "forged", "Connection": "close, X-Fine",
            "X-Empty": "", "X-Colon": ": :", "TE": "trailers", "Upgrade": "h2c", "Proxy-Authorization": "p", "Authorization": "a",
            "Cookie": "c", "X-Semi;": None}
    sent = {k: v for k, v in sent.items() if v is not None}
    assert receiver.post("/in/in0", {"id": "a"}, sent).status == 200
    assert wait_end(stack, "a", "out0") == ("done", "")
    request = sink.all()[0]
    assert request.header("Hookpace-Delivery") == "a:out0" and request.header("Hookpace-Attempt") == "1"
    assert request.count("Hookpace-Delivery") == request.count("User-Agent") == request.count("Content-Length") == 1
    assert request.header("User-Agent").startswith("Hookpace/")
    for name in ("Connection", "TE", "Upgrade", "Proxy-Authorization", "Authorization", "Cookie", "Transfer-Encoding"):
        assert request.header(name) is None, name
    assert (request.header("X-Fine"), request.header("X-Empty"), request.header("X-Colon")) == ("f", "", ": :")
    assert time.time() - request.at_ns / 1e9 < 60
