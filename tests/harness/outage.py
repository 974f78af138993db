"""One server of a cluster that is away under load, and the judgement of what that cost."""

import time
from collections import Counter

import redis

from harness import oracle
from harness.exchange import Answer
from harness.senders import Senders
from harness.wait import every, wait_for

DELAY_MS = 50
JITTER_MS = 10.0  # between the last look at the clock and the arrival, on a machine with much to do
CONCURRENCY = 4
ANSWER_S = 0.02  # of the downstream, so that some requests are on their way at any moment
RETURN_S = 30.0
PATIENCE_MS = 3000  # of the programs with Redis, on a machine with much to do


class Outage:
    """Senders for each partition of SPREAD (tests/cluster/conftest.py), both programs, and a victim. Close it."""

    def __init__(self, spread, wait_replicas=0):
        self.spread, self.cluster = spread, spread.cluster
        self.victim = self.cluster.nodes[0]
        self.mine = spread.at(self.victim)
        self.others = [n for n in spread.names if n not in self.mine]
        assert len(self.mine) == 4, "the partitions spread evenly"
        spread.sink.default = Answer(delay=ANSWER_S)
        spread.conf["redis"] |= {"wait_replicas": wait_replicas, "timeout_ms": PATIENCE_MS}
        for destination in spread.conf["destinations"].values():
            destination |= {"delay_ms": DELAY_MS, "concurrency": CONCURRENCY}
        self.receiver, self.dispatcher = spread.receiver(spread.conf), spread.dispatcher(spread.conf)
        self.senders = Senders(self.receiver, spread.names)
        self.killed_at = None
        self.readiness, self.stop_asking = set(), lambda: None

    def kill(self):
        """Ends the victim while each lane has work."""
        self.strike(self.victim.kill9)

    def strike(self, blow):
        """Calls BLOW, which takes the victim away, while each lane has work."""
        self.senders.wait_more(self.spread.names, 10)
        self.stop_asking = every(0.05, lambda: self.readiness.update(p.get("/readyz").status for p in (self.receiver, self.dispatcher)))
        self.killed_at = time.monotonic()
        blow()

    def see_that_the_others_go_on(self):
        """The victim's partitions are refused. All others are accepted and delivered."""
        self.senders.wait_refused(self.mine)
        before = set(self.senders.acknowledged(self.others))
        self.senders.wait_more(self.others, 20)
        self.spread.sink.wait_events(set(self.senders.acknowledged(self.others)) - before, RETURN_S)

    def is_loading(self):
        with self.victim.client() as client:
            try:
                return bool(client.info("persistence")["loading"])
            except redis.RedisError:
                return False    # it does not listen yet

    def _nodes(self):
        return self.cluster.ask(self.cluster.nodes[1], "CLUSTER", "NODES")

    def _tells(self, program, warning, up):
        answer = program.get("/readyz")
        assert answer.status == 200, answer
        return answer.json().get("warning") == warning and program.metrics()["hookpace_redis_up"] == up

    def _wait_told(self, warning, up):
        for program in (self.receiver, self.dispatcher):
            wait_for(lambda: self._tells(program, warning, up), RETURN_S, f"{program.name} to tell {warning} and {up}")

    def _up(self, *away):
        return {(("shard", address),): float(address not in away) for address in self.addresses}

    def see_what_is_away(self):
        """The victim's partitions are refused, and both programs tell which they are. All others are accepted and delivered."""
        gone = f"127.0.0.1:{self.victim.port}"
        wait_for(lambda: ",fail " in self._nodes(), 30, "the others to give the victim up")
        self.addresses = {f"127.0.0.1:{n.port}" for n in self.cluster.nodes[:self.cluster.masters]}
        away = ", ".join(str(self.spread.names.index(name)) for name in self.mine)
        self._wait_told(f"Redis is away: partition {away}", self._up(gone))
        self.see_that_the_others_go_on()
        self._wait_told(f"Redis is away: partition {away}", self._up(gone))  # also when they know that it was given up

    def see_that_all_is_back(self, address):
        """The victim's partitions are at ADDRESS. All are accepted again, and nothing is told any more."""
        self.senders.wait_more(self.spread.names, 10, RETURN_S)
        self.addresses = {f"127.0.0.1:{n.port}" for n in self.cluster.nodes[1:self.cluster.masters]} | {address}
        self._wait_told(None, self._up())

    def judge(self):
        self.senders.stop()
        self.stop_asking()
        assert self.readiness == {200}, f"one server that is away, or on its way back, makes no program unready: {self.readiness}"
        refused = [a for name in self.others for a in self.senders.answers[name] if a.status != 200]
        assert not refused, f"partitions of other servers were refused: {refused[:5]}"
        assert set(self.senders.statuses(self.mine)) <= {200, 503}
        early = [a for name in self.mine for a in self.senders.answers[name] if a.status != 200 and a.ended < self.killed_at]
        assert not early, f"refused before: {early[:5]}"
        requests = self.spread.sink.wait_events(self.senders.acknowledged(), RETURN_S)
        stored = self.cluster.keys(self.spread.prefix, len(self.spread.names))
        wait_for(lambda: not stored.inflight(), RETURN_S, "nothing to be in flight")
        requests = self.spread.sink.all()
        self._judge_repeats(requests)
        for of_lane in oracle.by_lane(requests).values():
            oracle.assert_paced(of_lane, DELAY_MS, JITTER_MS)
        oracle.assert_each_in_one_place(stored, {r.delivery for r in requests})

    def _judge_repeats(self, requests):
        """What was on its way when the server died may come a second time."""
        arrivals = Counter(r.delivery for r in requests)
        again = {delivery: n for delivery, n in arrivals.items() if n > 1}
        assert all(n == 2 and delivery.rsplit(":", 1)[1] in self.mine for delivery, n in again.items()), again
        assert len(again) <= CONCURRENCY * len(self.mine), again

    def close(self):
        self.stop_asking()
        self.senders.over.set()
        for thread in self.senders.threads:
            thread.join()
