"""A receiver with a source of every scheme."""

from harness import config, sign
from harness.stack import Stack

SECRET = "a-secret-of-the-attack-0123"


class Farm:
    """A receiver that a whole file of tests shares. Whatever it is sent, it goes on."""

    def __init__(self, directory):
        self.stack = Stack(directory)
        self.stack.redis.start()
        conf = config.base(self.stack.redis.url)
        conf["destinations"]["out"] = config.destination("http://127.0.0.1:9/x")
        conf["sources"] = {"in": config.source("out"), "any": config.source("out", payload="any"),
                           "wire": config.source("out", "serphouse", [SECRET], signed_over="wire"),
                           "hmac": config.source("out") | {"verify": {
                               "scheme": "hmac", "header": "X-Sig", "encoding": "base64", "id_header": "X-Id",
                               "timestamp_header": "X-Time", "signed": "{id}.{timestamp}.{body}", "secrets": [SECRET]}}}
        for scheme in set(sign.SIGNED) - {"svix"} | {"token", "basic"}:
            conf["sources"][scheme] = config.source("out", scheme, [self.secret(scheme)])
        self.receiver = self.stack.receiver(conf)

    @staticmethod
    def secret(scheme):
        if scheme in ("standard-webhooks", "svix"):
            return sign.standard_secret()
        return "user:" + SECRET if scheme == "basic" else SECRET

    def queued(self):
        return sum(len(ids) for ids in self.stack.keys.queues().values())


def unique(n=[0]):
    n[0] += 1
    return f"u{n[0]}"
