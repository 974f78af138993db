"""A real Prometheus, which scrapes programs by the example of deploy/prometheus."""

import json
import shutil
import subprocess
import urllib.parse

import yaml

from harness import http, paths
from harness.redis_server import free_port
from harness.wait import wait_for

DEPLOY = paths.REPOSITORY / "deploy" / "prometheus"


class Prometheus:
    """Scrapes TARGETS, a dict of addresses by the name of the job. The files are those of DEPLOY; only addresses and times differ."""

    def __init__(self, directory, targets):
        directory.mkdir()
        conf = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
        conf["global"] = {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"}
        assert {job["job_name"] for job in conf["scrape_configs"]} == set(targets)
        for job in conf["scrape_configs"]:
            job["static_configs"] = [{"targets": [targets[job["job_name"]]]}]
        for rules in conf["rule_files"]:
            shutil.copy(DEPLOY / rules, directory)
        (directory / "prometheus.yml").write_text(yaml.safe_dump(conf))
        self.address = f"127.0.0.1:{free_port()}"
        self.log = (directory / "log").open("wb")
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/data", f"--web.listen-address={self.address}"],
            stdout=self.log, stderr=self.log)
        wait_for(self._is_ready, 30, "Prometheus")

    def _is_ready(self):
        assert self.process.poll() is None, "Prometheus has ended"
        try:
            return self._get("/-/ready").status == 200
        except OSError:
            return False

    def _get(self, target):
        with http.Client(self.address) as client:
            return client.request("GET", target, {}, b"")

    def ask(self, path, **query):
        """The data of a call of its API, which must succeed."""
        answer = json.loads(self._get(f"/api/v1/{path}?{urllib.parse.urlencode(query)}").body)
        assert answer["status"] == "success", (query, answer)
        return answer["data"]

    def query(self, expr):
        """The samples of an expression now: a dict of values by the labels, as a frozenset of pairs."""
        return {frozenset(s["metric"].items()): float(s["value"][1]) for s in self.ask("query", query=expr)["result"]}

    def value(self, expr):
        """The value of an expression with one sample; None if it has none."""
        return next(iter(self.query(expr).values()), None)

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
