"""A real Prometheus scrapes both programs; the rules, the dashboard and docs/reference/metrics.md fit what it has."""

import json
import re
import subprocess

import pytest
import yaml
from prometheus import DEPLOY, Prometheus

from harness import config, paths
from harness.stack import Stack
from harness.wait import wait_for

JOBS = {"hookpace-receiver": "receiver", "hookpace-dispatcher": "dispatcher"}
FROM_REDIS = ["hookpace_queue_depth", "hookpace_oldest_seconds", "hookpace_dead_letters", "hookpace_retry_waiting", "hookpace_inflight",
              "hookpace_lane_paused", "hookpace_circuit_open"]
DASHBOARD = json.loads((paths.REPOSITORY / "deploy" / "grafana" / "hookpace.json").read_text())
ALERTS = [rule for group in yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"] for rule in group["rules"]]
RECORDED = {rule["record"] for group in yaml.safe_load((DEPLOY / "recording.yml").read_text())["groups"] for rule in group["rules"]}
FOREIGN = {"up", "redis_memory_used_bytes", "redis_memory_max_bytes"}  # of Prometheus itself, and of redis_exporter
NAME = re.compile(r"\b(?:(?:hookpace|process|redis)_\w+|[a-z_]+:\w+:\w+|up(?=\{))")


class Watched:
    """Programs that have done a little of everything, and the Prometheus that scrapes them."""

    def __init__(self, directory):
        self.stack = Stack(directory)
        self.stack.redis.start()
        sink = self.stack.downstream()
        conf = config.simple(self.stack.redis.url, sink.url("/out"))
        conf["destinations"]["slow"] = config.destination(sink.url("/slow"), delay_ms=1000, lane="slow-lane")
        conf["destinations"]["gone"] = config.destination(sink.url("/gone"))
        conf["sources"]["many"] = config.source("slow")
        conf["sources"]["gone"] = config.source("gone")
        conf["sources"]["signed"] = config.source("out", "github", ["github-secret-1"])
        sink.on("/gone", 410)
        self.receiver, self.dispatcher = self.stack.receiver(conf), self.stack.dispatcher(conf)
        for n in range(4):
            self.receiver.send(f"m{n}", "/in/many")
        self.receiver.send("out")
        self.receiver.send("gone", "/in/gone")
        assert self.receiver.post("/in/signed", b"{}").status == 401
        self.prometheus = Prometheus(directory / "prometheus", {"hookpace-receiver": self.receiver.admin, "hookpace-dispatcher": self.dispatcher.address("dispatcher")})

    def close(self):
        if hasattr(self, "prometheus"):
            self.prometheus.close()
        self.stack.close()


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    made = Watched(tmp_path_factory.mktemp("watched"))
    try:
        wait_for(lambda: made.prometheus.value('sum(hookpace_events_total{result="ok"})') == 6, 20, "a scrape of the receiver")
        wait_for(lambda: made.prometheus.value("sum(hookpace_requeues_total)"), 20, "a delivery that went to the tail")
        wait_for(lambda: made.prometheus.value('sum(hookpace_attempts_total{result="done"})') == 5, 20, "all deliveries")
        yield made
    finally:
        made.close()


def documented():
    """{name: (type, labels, programs)} of the table in docs/reference/metrics.md."""
    rows = {}
    for line in (paths.REPOSITORY / "docs" / "reference" / "metrics.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == 5 and cells[0].startswith("`"):
            programs = set(JOBS.values()) if cells[3] == "both" else {cells[3]}
            rows[cells[0].strip("`")] = (cells[1], set(re.findall(r"`(\w+)`", cells[2])), programs)
    return rows


def families(program):
    """{name: type} of what a program declares."""
    return dict(re.findall(r"^# TYPE (\S+) (\S+)$", program.get("/metrics").body.decode(), re.M))


def test_both_programs_are_scraped(watched):
    assert {dict(labels)["job"] for labels, value in watched.prometheus.query("up").items() if value == 1} == set(JOBS)
    assert watched.prometheus.value('sum(hookpace_events_total{source="many",result="ok"})') == 4
    assert watched.prometheus.value('sum(hookpace_events_total{source="signed",result="missing_signature"})') == 1
    assert watched.prometheus.value('sum(hookpace_attempts_total{destination="gone",result="dead"})') == 1
    wait_for(lambda: watched.prometheus.value("lane:hookpace_queue_depth:max{lane='slow-lane'}") == 0, 10, "the recorded depth")
    wait_for(lambda: watched.prometheus.value("destination:hookpace_dead_letters:max{destination='gone'}") == 1, 10, "the recorded dead letter")
    assert watched.prometheus.value('hookpace_send_gap_overshoot_seconds_count{job="hookpace-dispatcher"}') >= 1
    shards = watched.prometheus.query("hookpace_redis_up")
    assert {dict(labels)["shard"] for labels in shards} == {watched.stack.redis.url.split("//")[1].split("/")[0]} and set(shards.values()) == {1}


def test_the_reference_has_all_metrics_with_their_types(watched):
    types = {name: row[0] for name, row in documented().items()}
    assert families(watched.receiver) == types and families(watched.dispatcher) == types


def test_the_reference_has_their_labels_and_who_reports_them(watched):
    for name, (kind, labels, programs) in documented().items():
        series = watched.prometheus.ask("series", **{"match[]": name + ("_bucket" if kind == "histogram" else "")})
        seen = {}
        for one in series:
            seen.setdefault(JOBS[one["job"]], set()).update(set(one) - {"__name__", "job", "instance", "le"})
        assert {p for p in seen if seen[p] == labels} >= programs, (name, seen)
        assert all(found == labels for found in seen.values()), (name, seen)
        if labels:  # a histogram without labels is declared by both, and has counted nothing in the other program
            assert set(seen) == programs, (name, seen)


def test_promtool_has_no_objection(watched):
    for program in (watched.receiver, watched.dispatcher):
        done = subprocess.run(["promtool", "check", "metrics"], input=program.get("/metrics").body, capture_output=True, timeout=30)
        assert done.returncode == 0 and not done.stdout + done.stderr, done


@pytest.mark.parametrize("args", [["check", "config", "prometheus.yml"], ["check", "rules", "recording.yml", "alerts.yml"], ["test", "rules", "alerts_test.yml"]])
def test_the_example_and_its_rules(args):
    done = subprocess.run(["promtool", *args], cwd=DEPLOY, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tested_both_ways():
    fires, does_not = set(), set()
    for test in yaml.safe_load((DEPLOY / "alerts_test.yml").read_text())["tests"]:
        for one in test["alert_rule_test"]:
            (fires if one["exp_alerts"] else does_not).add(one["alertname"])
    assert fires == does_not == {rule["alert"] for rule in ALERTS}


def anchors(page):
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_to_do(rule):
    notes = rule["annotations"]
    assert notes["summary"] and rule["labels"]["severity"] in ("page", "ticket")
    commands = re.findall(r"`hookpace ([a-z-]+)([^`]*)`", notes["description"])
    assert commands
    for name, rest in commands:
        done = subprocess.run([paths.command(), name, "--help"], capture_output=True, text=True, timeout=10)
        assert done.returncode == 0 and all(option in done.stdout for option in re.findall(r"--\w+", rest)), (name, rest)
    page, anchor = notes["docs"].split("#")
    assert anchor in anchors(paths.REPOSITORY / page)


def names_of(expr):
    # without the texts in quotes
    return set(NAME.findall(re.sub(r'"[^"]*"', '""', expr)))


def exists(name):
    rows = documented()
    histogram = re.sub(r"_(bucket|sum|count)$", "", name)
    return name in rows and rows[name][0] != "histogram" or rows.get(histogram, ("",))[0] == "histogram" and histogram != name


def test_alerts_name_only_what_exists():
    for rule in ALERTS:
        unknown = {n for n in names_of(rule["expr"]) if not exists(n)} - RECORDED - FOREIGN
        assert names_of(rule["expr"]) and not unknown, (rule["alert"], unknown)


def test_no_rule_fails(watched):
    def evaluated():
        rules = [rule for group in watched.prometheus.ask("rules")["groups"] for rule in group["rules"]]
        return len(rules) == len(ALERTS) + len(RECORDED) and all(rule["health"] == "ok" for rule in rules)
    wait_for(evaluated, 20, "the rules")


# -- the dashboard -----------------------------------------------------------------------------------------

PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
VARIABLES = {v["name"]: v for v in DASHBOARD["templating"]["list"]}


def expressions():
    for panel in PANELS:
        for target in panel["targets"]:
            expr = target["expr"].replace("$__rate_interval", "1m")
            for name in VARIABLES:
                expr = expr.replace("$" + name, ".*")
            yield panel["title"], expr


def test_every_query_of_the_dashboard_is_answered(watched):
    for title, expr in expressions():
        unknown = {n for n in names_of(expr) if not exists(n)}
        assert names_of(expr) and not unknown, (title, unknown)
        wait_for(lambda expr=expr: watched.prometheus.query(expr) or "result!~" in expr, 10, title)


def test_every_metric_is_on_the_dashboard():
    shown = {re.sub(r"_bucket$", "", name) for _, expr in expressions() for name in names_of(expr)}
    assert set(documented()) - shown == {"process_virtual_memory_bytes"}


def test_the_dashboard_can_be_imported():
    assert {"uid", "title", "schemaVersion", "panels", "templating", "time"} <= set(DASHBOARD) and "id" not in DASHBOARD
    assert VARIABLES["datasource"]["type"] == "datasource" and VARIABLES["datasource"]["query"] == "prometheus"
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    source = {"type": "prometheus", "uid": "${datasource}"}
    for panel in PANELS:
        assert panel["title"] and panel["description"] and panel["datasource"] == source
        refs = [target["refId"] for target in panel["targets"]]
        assert len(refs) == len(set(refs)) and all(target["datasource"] == source for target in panel["targets"])
    for name in set(VARIABLES) - {"datasource"}:
        metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", VARIABLES[name]["definition"]).groups()
        assert VARIABLES[name]["datasource"] == source and label in documented()[metric][1]


def test_the_panels_do_not_cover_each_other():
    cells = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        assert 0 <= at["x"] and at["x"] + at["w"] <= 24
        mine = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not mine & cells, panel["title"]
        cells |= mine


# -- at the end: this one stops Redis ----------------------------------------------------------------------

def test_gauges_of_redis_are_absent_while_it_is_away(watched):
    prometheus = watched.prometheus
    assert all(len(prometheus.query(name)) >= 2 for name in FROM_REDIS)
    watched.stack.redis.kill9()
    wait_for(lambda: prometheus.value("max(hookpace_redis_up)") == 0, 20, "both programs without Redis")
    wait_for(lambda: not any(prometheus.query(name) for name in FROM_REDIS), 20, "the end of the gauges")
    wait_for(lambda: prometheus.query('ALERTS{alertname="HookpaceRedisAway",alertstate="pending"}'), 20, "the alert")
    watched.stack.redis.start()
    wait_for(lambda: prometheus.value("min(hookpace_redis_up)") == 1 and all(prometheus.query(name) for name in FROM_REDIS), 20, "the gauges again")
