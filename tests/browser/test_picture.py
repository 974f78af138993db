"""The picture in the documentation: what the first screen looks like after an hour of work."""

import base64
import math
import os
from pathlib import Path

from harness import config

PLACE = Path(__file__).resolve().parents[2] / "docs/images/dashboard.png"
BASE = "hookpace:{0}:"
LANES = {"orders": (300, 3), "audit": (290, 12), "crm": (120, 0), "mailer": (80, 25)}  # attempts in two minutes: done, failed


def an_hour_of_work(redis):
    """Writes counts of the last hour, as programs that had run so long would have. Its curves are waves."""
    minute = int(redis.time()[0]) // 60
    for ago in range(-2, 63):  # further minutes may begin meanwhile
        wave = 1 + 0.4 * math.sin(ago / 7) + 0.15 * math.sin(ago * 2.3)
        sent, failed = round(420 * wave), round(20 * wave * (3 if 20 < ago < 26 else 1))
        redis.hset(f"{BASE}history:{minute - ago}", mapping={
            "accepted": round(200 * wave), "refused": 4 if ago % 9 == 0 else 0, "sent": sent, "failed": failed, "dead": 5 if ago == 22 else 0,
            "attempt:8": sent // 2, "attempt:9": round(40 * wave * wave), "attempt:10": round(9 * wave), "delivery:8": sent // 3, "delivery:9": sent // 2, "delivery:10": round(12 * wave)})
    for ago in range(-1, 31):
        counts = {}
        for n, (lane, (done, failed)) in enumerate(LANES.items()):
            wave = 1 + 0.4 * math.sin(ago / 4 + n) + 0.2 * math.sin(ago * 1.7 + n)
            counts |= {f"{lane} done": round(done * wave), f"{lane} failed": round(failed * wave)}
        redis.hset(f"{BASE}trends:{minute // 2 - ago}", mapping=counts)
    results = {f"{lane} {result}": n for lane, (done, failed) in LANES.items() for result, n in (("done", 30 * done), ("retry", 30 * failed))}
    redis.hset(f"{BASE}results:{minute // 5}", mapping=results)


def test_a_picture_for_the_documentation(page, service):
    """Writes docs/images/dashboard.png when HOOKPACE_UPDATE_DOCS=1; else it only sees that the page can be drawn."""
    for lane in ("crm", "mailer"):
        service.conf["destinations"][lane] = config.destination(service.sink.url("/" + lane))
    service.receiver.reload(service.conf)
    an_hour_of_work(service.stack.redis.client())
    for n in range(12):
        service.post(f"order-{n}", tag=f"shop-{n % 3}")
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": 1280, "height": 840, "deviceScaleFactor": 1, "mobile": False})
    page.go("#/lanes")
    page.click("Pause lane orders")
    page.wait_cell("orders", "State", "paused")
    for n in range(12, 17):
        service.post(f"order-{n}", tag=f"shop-{n % 3}")
    page.see_no("Lane orders is paused")
    page.go("#/now")
    page.wait_cell("audit", "Dead", "17")
    page.wait_cell("orders", "Waiting", "5")
    page.see("Dead letters\n17", "Paused lanes\n1", "The large figures are of the last whole minute")
    picture = base64.b64decode(page.driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})["data"])
    assert 20_000 < len(picture) < 250_000
    if os.environ.get("HOOKPACE_UPDATE_DOCS") == "1":
        PLACE.parent.mkdir(exist_ok=True)
        PLACE.write_bytes(picture)
