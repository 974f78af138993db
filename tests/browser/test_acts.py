"""What operators do on the pages, with what became of it in the queue."""

from browser import Page
from harness.wait import stays, wait_for


def test_pause_and_resume_a_lane(page, service):
    page.go("#/lanes")
    page.click("Pause lane orders")
    page.wait_cell("orders", "State", "paused")
    page.see("Lane orders is paused")
    service.post("e1")
    page.wait_cell("orders", "Waiting", "1")
    assert stays(lambda: not any(r.path == "/orders" for r in service.sink.requests), 0.5) is None
    page.reload()
    page.wait_cell("orders", "State", "paused")
    page.click("Resume lane orders")
    page.wait_cell("orders", "State", "runs")
    wait_for(lambda: any(r.path == "/orders" for r in service.sink.requests), 10, "the delivery")


def test_two_operators_see_what_the_other_does(page, service, chromium):
    other = Page(chromium, service.receiver.admin)
    other.log_in("root", view="#/lanes")
    page.turn_to()
    page.go("#/lanes")
    page.click("Pause lane audit")
    page.wait_cell("audit", "State", "paused")
    other.turn_to()
    other.wait_cell("audit", "State", "paused")
    other.click("Resume lane audit")
    other.wait_cell("audit", "State", "runs")
    page.turn_to()
    page.wait_cell("audit", "State", "runs")
    other.close()


def test_two_operators_act_on_one_delivery(page, service, chromium):
    """The second one is told that the first one was quicker, and nothing is done twice."""
    service.post("e1")
    other = Page(chromium, service.receiver.admin)
    other.log_in("root", view="#/delivery/e1%3Aaudit")
    other.see("dead")
    other.click("Drop…")
    page.turn_to()
    page.go("#/delivery/e1%3Aaudit")
    page.click("Drop…")
    page.click("Drop")
    page.see("It was dropped")
    other.turn_to()
    other.may_log += ("status of 409",)
    other.click("Drop")
    other.see("the delivery is over")
    other.click("Cancel")
    other.see("dropped")
    other.close()
    page.turn_to()


def test_resend_one_delivery_and_not_its_sibling(page, service):
    service.post("e1")
    page.go("#/delivery/e1%3Aaudit")
    page.see("Attempt 1", "dead")
    service.sink.on("/audit", 200)
    page.click("Resend")
    page.see("It is queued again", "Attempt 2", "delivered")
    assert [r.path for r in service.sink.requests].count("/orders") == 1
    page.click("Resend")
    page.see("Attempt 3")


def test_drop_one_delivery(page, service):
    service.post("e1")
    page.go("#/delivery/e1%3Aaudit")
    page.see("dead")
    page.click("Drop…")
    page.see("Drop this delivery?")
    page.click("Cancel")
    page.see_no("Drop this delivery?")
    page.click("Drop…")
    page.click("Drop")
    page.see("It was dropped", "dropped")
    page.go("#/dead")
    page.see("There are no dead letters")
    page.go("#/delivery/e1%3Aorders")
    page.see("delivered")


def test_what_is_over_cannot_be_dropped_and_the_page_says_why(page, service):
    service.post("e1")
    page.go("#/delivery/e1%3Aorders")
    page.see("delivered")
    page.may_log += ("status of 409",)
    page.click("Drop…")
    page.click("Drop")
    page.see("the delivery is over")
    page.click("Cancel")


def test_the_delay_and_its_rule(page):
    page.go("#/lanes/orders")
    page.click("Change the delay of orders")
    page.may_log += ("status of 400",)
    for wrong, why in (("75", "multiple of 100"), ("fast", "is not a number"), ("1100", "multiple of 100")):
        page.fill_in("Delay in ms", wrong)
        page.click("Set the delay")
        page.see(why)
    page.fill_in("Delay in ms", "200")
    page.click("Set the delay")
    page.see("The delay is set")
    page.wait_cell("orders", "Delay", "200 ms")
    page.click("Change the delay of orders")
    assert page.input("Delay in ms").get_attribute("value") == "200"
    page.fill_in("Delay in ms", "")
    page.click("Set the delay")
    page.wait_cell("orders", "Delay", "none")
    page.go("#/accounts")
    page.click("Change the delay of account acme")
    page.fill_in("Delay in ms", "300")
    page.click("Set the delay")
    page.wait_cell("acme", "Delay", "300 ms")


def test_by_keyboard_alone(page):
    from selenium.webdriver.common.keys import Keys
    page.go("#/lanes")
    page.see("orders")
    page.tab_to("Pause lane orders")
    page.press(Keys.ENTER)
    page.wait_cell("orders", "State", "paused")
    assert page.driver.switch_to.active_element.accessible_name == "Resume lane orders"
    page.tab_to("Purge lane orders")
    page.press(Keys.ENTER)
    page.see("Purge lane orders?")
    assert page.driver.switch_to.active_element.accessible_name.startswith("Type the lane's name")
    page.press("wrong", Keys.ENTER)
    page.see("Type the lane's name exactly")
    page.press(Keys.ESCAPE)
    page.see_no("Purge lane orders?")
    assert page.driver.switch_to.active_element.accessible_name == "Purge lane orders"


def test_sources_count_what_was_refused(page, service):
    service.conf["sources"]["signed"] = {"verify": {"scheme": "github", "secrets": ["a-secret-of-a-test"]}, "to": ["orders"]}
    service.receiver.reload(service.conf)
    service.post("e1")
    service.post("e1")
    assert service.receiver.post("/in/signed", {"id": 1}).status == 401
    page.go("#/sources")
    page.wait_cell("shop", "Accepted", "1")
    page.wait_cell("shop", "Duplicates", "1")
    page.wait_cell("signed", "Refused", "missing_signature 1")
    assert page.cell("shop", "URL for the provider") == f"http://{service.receiver.address('ingest')}/in/shop"


def test_send_a_test_event(page, service):
    service.conf["sources"]["signed"] = {"verify": {"scheme": "github", "secrets": ["a-secret-of-a-test"]}, "to": ["orders"]}
    service.receiver.reload(service.conf)
    page.go("#/sources")
    page.click("Send a test event to signed")
    page.see("The receiver signs a sample as the provider would")
    page.fill_in("Body (empty: the receiver makes one)", "no JSON")
    page.click("Send")
    page.see("The receiver refused it with status 400")
    page.fill_in("Body (empty: the receiver makes one)", '{"id": "from-the-page"}')
    page.click("Send")
    page.see("Deliveries", "delivered")
    assert page.hash.startswith("#/event/")
    page.click("Show the body")
    page.see('"id": "from-the-page"')
    wait_for(lambda: any(r.path == "/orders" and b"from-the-page" in r.body for r in service.sink.requests), 10, "the delivery")


def test_watch_and_cancel_a_job(page, service):
    service.post("e1")
    page.go("#/dead")
    page.wait_cell("audit", "Dead letters", "1")
    page.click("Drop all dead letters of audit")
    page.fill_in('Type "drop" to confirm', "drop")
    page.click("Drop all")
    page.see("Drop: 1 done", "Finished.")
    r = service.stack.redis.client()
    (key,) = [k for k in r.keys("*job:*")]
    r.persist(key)  # as if another program had it and were in its middle
    r.hset(key, mapping={"over": "running", "owner": "another", "lease": 4102444800000, "done": 40, "failed": 2, "walks": "deaths", "walk": 1, "destination": ""})
    r.zadd("hookpace:{0}:deaths", {f"x{n}:gone": n for n in range(58)})
    page.go("#/jobs")
    page.wait_cell("Drop", "State", "running")
    page.wait_cell("Drop", "Progress", "42 of 100")
    page.wait_cell("Drop", "Not changed", "2")
    page.click("Drop")
    page.see("Drop: 40 done, 2 could not be changed, of 100. Running.")
    page.click("All jobs")
    page.wait_cell("Drop", "State", "running")
    button = page.find("button", page.driver.execute_script("return document.querySelector('td button').getAttribute('aria-label')"))
    button.click()
    page.see("The job is cancelled")
    page.wait_cell("Drop", "State", "cancelled")
    assert not page.driver.execute_script("return document.querySelector('td button')")


def test_resend_all_dead_letters_of_a_destination(page, service):
    for n in range(30):
        service.post(f"e{n}")
    page.go("#/dead")
    page.wait_cell("audit", "Dead letters", "30")
    service.sink.on("/audit", 200)
    page.click("Resend all dead letters of audit")
    page.see("Resend all that match?", "state dead, destination audit")
    page.click("Resend all")
    page.see("Resend: 30 done, 0 could not be changed", "Finished.", "destination audit", "Started by root")
    page.go("#/jobs")
    page.wait_cell("Resend", "State", "finished")
    assert page.cell("Resend", "What matches") == "state dead, destination audit" and page.cell("Resend", "By") == "root"
    page.click("Resend")
    page.reload()
    page.see("Resend: 30 done")
    page.go("#/dead")
    page.see("There are no dead letters")
    assert [r.path for r in service.sink.requests].count("/orders") == 30


def test_drop_all_that_match_a_filter(page, service):
    service.post("e1")
    service.post("e2")
    page.go("#/deliveries")
    page.see("Choose a state, a destination or a source")
    page.go("#/deliveries?tag=x&state=dead")
    page.see("Clear tag to use them")
    page.go("#/deliveries?state=dead")
    page.wait_cell("e2", "State", "dead")
    page.click("Drop all that match…")
    page.see("Drop all that match?")
    page.click("Drop all")
    page.see("Type the word drop")
    page.fill_in('Type "drop" to confirm', "drop")
    page.click("Drop all")
    page.see("Drop: 2 done", "Finished.")
    page.go("#/deliveries?state=dropped")
    page.see("e1", "e2", "dropped")
    page.go("#/deliveries?state=inflight")
    page.see_no("Resend all that match…")
    assert not page.has_button("Drop all that match…")


def test_purge_a_lane(page, service):
    page.go("#/lanes/orders")
    page.click("Pause lane orders")
    page.wait_cell("orders", "State", "paused")
    for n in range(20):
        service.post(f"e{n}")
    page.wait_cell("orders", "Waiting", "20")
    page.click("Purge lane orders")
    page.fill_in("Type the lane's name to confirm: orders", "orders")
    page.click("Purge")
    page.see("Purge of lane orders: 20 done", "Finished.")
    page.go("#/lanes/orders")
    page.click("Resume lane orders")
    page.wait_cell("orders", "Waiting", "0")
    assert not any(r.path == "/orders" for r in service.sink.requests)
