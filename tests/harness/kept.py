"""One service for all tests of a module that only ask, because a start takes longer than such a test."""

import pytest

from harness.stack import Stack


def kept_service(service):
    """Returns two fixtures, `kept` and `empty`, which a conftest must give these names.

    SERVICE is a class that gets a Stack and has start(dispatchers). `kept` is one of these without dispatchers, for a whole module.
    `empty` is the same service on a Redis that was emptied for the test.
    """
    @pytest.fixture(scope="module", name="kept")
    def kept(tmp_path_factory):
        stack = Stack(tmp_path_factory.mktemp("kept"))
        try:
            stack.redis.start()
            yield service(stack).start(dispatchers=0)
        finally:
            stack.close()

    @pytest.fixture(name="empty")
    def empty(kept):
        kept.stack.redis.client().flushall()
        return kept

    return kept, empty
