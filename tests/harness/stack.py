"""Everything one test needs in one place, ended together."""

from harness.downstream import Downstream
from harness.programs import Dispatcher, Receiver
from harness.provider import Provider
from harness.redis_server import RedisServer


class Stack:
    """A private Redis, and whatever receivers, dispatchers and sinks the test starts on it.

        def test_it(stack):
            sink = stack.downstream()
            conf = config.simple(stack.redis.url, sink.url())
            receiver = stack.receiver(conf)
            stack.dispatcher(conf)
            receiver.send("a")
            sink.wait_count(1)
    """

    def __init__(self, directory, **redis_options):
        self.directory = directory
        self.redis = RedisServer(directory / "redis", **redis_options)
        self.programs = []
        self.sinks = []

    @property
    def keys(self):
        return self.redis.keys()

    def downstream(self, **options) -> Downstream:
        self.sinks.append(Downstream(**options))
        return self.sinks[-1]

    def provider(self, **options) -> Provider:
        self.sinks.append(Provider(**options))
        return self.sinks[-1]

    def receiver(self, conf, start=True, **options) -> Receiver:
        return self._program(Receiver, conf, start, options)

    def dispatcher(self, conf, start=True, **options) -> Dispatcher:
        return self._program(Dispatcher, conf, start, options)

    def _program(self, kind, conf, start, options):
        number = sum(isinstance(p, kind) for p in self.programs) + 1
        program = kind(conf, self.directory, name=f"{kind.part}-{number}", **options)
        self.programs.append(program)
        return program.start() if start else program

    def close(self):
        """Ends everything: the sinks first, so that no program waits for one."""
        for sink in self.sinks:
            sink.close()
        for program in self.programs:
            program.close()
        self.redis.stop()

    def logs(self):
        """(title, text) of every log, for the report of a failure."""
        for program in self.programs:
            state = "runs" if program.running else f"exit {program.process.returncode if program.process else '-'}"
            yield f"log of {program.name} ({state})", "\n".join(program.text[-200:])
        yield "log of redis-server", "\n".join(self.redis.log().splitlines()[-30:])
