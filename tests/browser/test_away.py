"""What the page says when something is away, and that it comes back by itself."""

AWAY = ("ERR_CONNECTION_REFUSED", "ERR_EMPTY_RESPONSE", "ERR_CONNECTION_RESET", "status of 503")


def test_redis_is_away(page, service):
    page.may_log += AWAY
    page.wait_cell("orders", "State", "runs")
    service.stack.redis.kill9()
    page.see("Redis does not answer")
    assert page.cell("orders", "State") == "runs"  # what it had is still there
    page.go("#/deliveries")
    page.see("Redis does not answer")
    service.stack.redis.start()
    page.see_no("Redis does not answer")


def test_a_partition_is_held(page, service):
    page.may_log += AWAY
    page.wait_cell("orders", "State", "runs")
    held = service.stack.redis.client()
    held.hset("hookpace:{0}:held", "0", "1")
    page.see("Held by an operator: partition 0", "hookpace partition release N")
    page.see_no("Redis does not answer")
    page.go("#/deliveries")
    page.see("Reason: held by an operator: partition 0")
    held.hdel("hookpace:{0}:held", "0")
    page.see_no("held by an operator")


def test_the_receiver_is_away(page, service):
    page.may_log += AWAY
    page.wait_cell("orders", "State", "runs")
    service.receiver.kill9()
    page.see("The receiver does not answer", "What you see is of")
    assert page.cell("orders", "State") == "runs"


def test_no_dispatcher_runs(service, chromium):
    from browser import Page
    page = Page(chromium, service.fill(dispatchers=0).receiver.admin)
    page.log_in("root")
    page.see("No dispatcher is running")
    page.close()
