"""The configuration to start from: what DataForSEO sends as gzip is verified by the public library of Standard Webhooks."""

import gzip
import json

from harness import paths
from harness.provider import envelope
from harness.stack import Stack
from harness.wait import wait_for

TOKEN = "a-dataforseo-token"
IDENT = "11210526-483d-0066-0000-20f2e61e41d7"


def test_a_dataforseo_postback_through_the_shipped_example(receivers, tmp_path):
    """The library's receiver answers 200 only if the signature is right and the body is JSON."""
    program = receivers["standard-webhooks-python"]
    stack = Stack(tmp_path)
    try:
        stack.redis.start()
        audit = stack.downstream()
        anywhere = "127.0.0.1:0"
        env = {"HOOKPACE_REDIS_URL": stack.redis.url, "HOOKPACE_LISTEN": anywhere, "HOOKPACE_ADMIN_LISTEN": anywhere,
               "HOOKPACE_DISPATCHER_LISTEN": anywhere, "HOOKPACE_ADMIN_PASSWORD": "an-admin-password",
               "SERPHOUSE_SECRET": "a-serphouse-secret", "DATAFORSEO_TOKEN": TOKEN, "ORDERS_URL": program.url,
               "ORDERS_SECRET": program.secret, "AUDIT_URL": audit.url("/ping?id=$id")}
        example = paths.REPOSITORY / "hookpace.example.json"
        receiver = stack.receiver(example, env=env)
        stack.dispatcher(example, env=env)
        body = gzip.compress(json.dumps(envelope("task_get", result=[{"title": "Café"}], ident=IDENT), ensure_ascii=False).encode())
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        assert receiver.post(f"/in/dataforseo?token={TOKEN}", body, headers).status == 200

        def relayed():
            return stack.keys.delivery(f"{IDENT}:orders")
        wait_for(lambda: relayed().get("last_status") or relayed().get("last_error"), 10, "an answer")
        assert (relayed()["state"], relayed()["last_status"]) == ("done", "200")
        (ping,) = audit.wait_count(1)
        assert (ping.method, ping.query) == ("GET", {"id": IDENT})
    finally:
        stack.close()
