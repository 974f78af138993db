"""DataForSEO's example receivers, as downstreams of an account that does not sign."""

import json

import published
import pytest


@pytest.fixture
def example(gateway, tmp_path):
    """Starts an example script; its files go to tmp_path."""
    started = []

    def start(script):
        started.append(published.example_server(script, API_URL=f"http://{gateway.receiver.admin}/", DIRECTORY=str(tmp_path)))
        return started[-1].url
    yield start
    published.close_all(started)


def file_of(directory, kind, ident):
    return json.loads((directory / f"{kind}-{ident}.json").read_text())


def test_postback_example(gateway, example, tmp_path):
    """It unpacks gzip without a look at the headers, so plain JSON would be an error."""
    status, text = gateway.task("login", "example-1", "postback", example("dataforseo_postback.php"))
    assert (status, text) == (200, "ok")
    (task,) = file_of(tmp_path, "postback", "example-1")["tasks"]
    assert task["result"][0]["id"] == "example-1"


def test_pingback_example(gateway, example, tmp_path):
    """It fetches the result in its handler, while the pingback is still being answered."""
    status, text = gateway.task("login", "example-2", "pingback", example("dataforseo_pingback.php"))
    assert (status, text) == (200, "ok")
    file = file_of(tmp_path, "pingback", "example-2")
    assert (file["id"], file["tag"]) == ("example-2", "a tag")
    (task,) = file["result"]["tasks"]
    assert task["status_code"] == 20000
    assert task["result"][0]["id"] == "example-2"
