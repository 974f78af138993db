"""deploy/kubernetes fits the schemas of Kubernetes, and the programs take what it gives them."""

import json
import os
import subprocess
import venv
from pathlib import Path

import pytest
import yaml

from harness import paths

HERE = paths.REPOSITORY / "deploy/kubernetes"
BUILT = paths.REPOSITORY / "var/kubernetes"
VALIDATOR = "kubernetes-validate==1.31.0"
SECRETS = {"HOOKPACE_REDIS_URL": "redis://redis:6379/0", "HOOKPACE_ADMIN_PASSWORD": "a long password", "GITHUB_SECRET": "0123456789abcdef"}


@pytest.fixture(scope="module")
def validate():
    tool = BUILT / "bin/kubernetes-validate"
    if not tool.exists():
        venv.create(BUILT, with_pip=True, clear=True)
        subprocess.run([BUILT / "bin/python3", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", VALIDATOR], check=True, timeout=300)
    return lambda file: subprocess.run([tool, "--strict", file], capture_output=True, text=True, timeout=120, check=False)


def documents(name):
    return list(yaml.safe_load_all((HERE / name).read_text()))


def containers():
    for name in ("receiver.yaml", "dispatcher.yaml"):
        for document in documents(name):
            if document["kind"] == "Deployment":
                yield document, document["spec"]["template"]["spec"]["containers"][0]


@pytest.mark.parametrize("name", ["receiver.yaml", "dispatcher.yaml"])
def test_it_fits_the_schemas(validate, name):
    done = validate(HERE / name)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_validator_is_awake(validate, tmp_path):
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text((HERE / "receiver.yaml").read_text().replace("replicas: 2", "replicas: two"))
    assert validate(wrong).returncode != 0
    wrong.write_text((HERE / "receiver.yaml").read_text().replace("readinessProbe:", "readynessProbe:"))
    assert validate(wrong).returncode != 0


def test_everything_is_listed():
    listed = documents("kustomization.yaml")[0]
    assert {*listed["resources"], "kustomization.yaml", *listed["configMapGenerator"][0]["files"]} == {f.name for f in HERE.iterdir()}


@pytest.mark.parametrize("part", ["receiver", "dispatcher"])
def test_the_programs_take_the_configuration(part):
    """With the secrets that kustomization.yaml tells, and no others."""
    told = (HERE / "kustomization.yaml").read_text()
    assert all(f"--from-literal={name}=" in told for name in SECRETS)
    env = {"PATH": os.environ["PATH"], "HOOKPACE_CONFIG": str(HERE / "hookpace.json"), **SECRETS}
    done = subprocess.run([paths.program(part), "--check-config"], env=env, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_ports_selectors_and_ends_fit():
    """What names something else names what is there; a Pod is given longer to end than its program needs."""
    conf = json.loads((HERE / "hookpace.json").read_text())
    labels = {}
    for deployment, container in containers():
        template = deployment["spec"]["template"]
        part = template["metadata"]["labels"]["app.kubernetes.io/component"]
        labels[part] = {port["name"] for port in container["ports"]}
        assert container["args"] == [f"hookpace-{part}"]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert container[probe]["httpGet"]["port"] in labels[part]
        wait_s = conf["receiver"]["grace_ms"] / 1000 if part == "receiver" else 15
        assert template["spec"]["terminationGracePeriodSeconds"] >= wait_s + 15
    others = [d for name in ("receiver.yaml", "dispatcher.yaml", "podmonitor.yaml") for d in documents(name) if d["kind"] != "Deployment"]
    for document in others:
        selector = document["spec"]["selector"]
        part = selector.get("matchLabels", selector)["app.kubernetes.io/component"]
        for port in document["spec"].get("ports", []):
            assert port["targetPort"] in labels[part]
        for endpoint in document["spec"].get("podMetricsEndpoints", []):
            assert endpoint["port"] in labels[part]
    assert sorted(d["kind"] for d in others) == ["PodDisruptionBudget"] * 2 + ["PodMonitor"] * 2 + ["Service"] * 2
