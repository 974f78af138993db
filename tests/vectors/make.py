#!/usr/bin/python3
"""Makes schemes.txt: requests, and what each scheme must say about them.

The signatures come from Python's hmac and hashlib, or are copied from what a provider publishes
(marked "published"), so that our own code is never its own oracle. Run it here and commit the result:

    tests/vectors/make.py > tests/vectors/schemes.txt

A case is lines up to a blank one: `case NAME`, `scheme NAME`, `field NAME VALUE` (a custom scheme's),
`secret TEXT`, `now MS`, `header NAME: VALUE`, `query TEXT`, `body HEX`, and either `expect
ok|missing|invalid|stale` or `sign ID` followed by the `line`s that signing must produce.
"""
import base64
import hmac

NOW = 1700000000
BODY = b'{"id":"t-1","tag":"\xc3\xa9","n":1.0,"n":1}\r\n'
SECRET = "a-secret-of-some-length"
OTHER = "another-secret-of-some-length"
SW_KEY = bytes(range(32))
SW = "whsec_" + base64.b64encode(SW_KEY).decode()
SW_OLD_KEY = b"the key before that one "
SW_OLD = "whsec_" + base64.b64encode(SW_OLD_KEY).decode()


def mac(secret, text, digest="sha256"):
    key = secret if isinstance(secret, bytes) else secret.encode()
    return hmac.new(key, text, digest).digest()


def hexmac(secret, text, digest="sha256"):
    return mac(secret, text, digest).hex()


def b64mac(secret, text, digest="sha256"):
    return base64.b64encode(mac(secret, text, digest)).decode()


def emit(name, scheme, *, secrets=(SECRET,), fields=(), now=NOW * 1000, headers=(), query=None,
         body=BODY, expect=None, sign=None, lines=()):
    print(f"case {name}")
    print(f"scheme {scheme}")
    for key, value in fields:
        print(f"field {key} {value}")
    for secret in secrets:
        print(f"secret {secret}")
    print(f"now {now}")
    for header, value in headers:
        print(f"header {header}: {value}")
    if query is not None:
        print(f"query {query}")
    print(f"body {body.hex()}")
    if sign is not None:
        print(f"sign {sign}")
        for header, value in lines:
            print(f"line {header}: {value}")
    else:
        print(f"expect {expect}")
    print()


def published():
    sw = dict(secrets=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], body=b'{"test": 2432232314}')
    emit("Standard Webhooks, published", "standard-webhooks", now=1614265330123, headers=[
        ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"), ("webhook-timestamp", "1614265330"),
        ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")], expect="ok", **sw)
    emit("Standard Webhooks, published, signing", "standard-webhooks", now=1614265330999,
         sign="msg_p5jXN8AQM9LWM0D4loKWxJek", lines=[
             ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"), ("webhook-timestamp", "1614265330"),
             ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")], **sw)
    emit("Svix, published", "standard-webhooks", secrets=["whsec_plJ3nmyCDGBKInavdOK15jsl"],
         now=1731705121000, body=b'{"event_type":"ping","data":{"success":true}}', headers=[
             ("svix-id", "msg_loFOjxBNrRLzqYUf"), ("svix-timestamp", "1731705121"),
             ("svix-signature", "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=")], expect="ok")
    github = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    emit("GitHub, published", "github", secrets=["It's a Secret to Everybody"], body=b"Hello, World!",
         headers=[("X-Hub-Signature-256", github)], expect="ok")
    emit("GitHub, published, signing", "github", secrets=["It's a Secret to Everybody"],
         body=b"Hello, World!", sign="", lines=[("X-Hub-Signature-256", github)])
    slack = dict(secrets=["8f742231b10e8888abcd99yyyzzz85a5"], body=(
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow"
        b"&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner"
        b"&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands"
        b"%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
        b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"))
    signature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    lines = [("X-Slack-Request-Timestamp", "1531420618"), ("X-Slack-Signature", signature)]
    emit("Slack, published", "slack", now=1531420618000, headers=lines, expect="ok", **slack)
    emit("Slack, published, signing", "slack", now=1531420618000, sign="", lines=lines, **slack)


def bare_hex(scheme, header):
    """Everything that can be wrong with one hex MAC in one header."""
    good = hexmac(SECRET, BODY)
    case = lambda name, value, expect, **more: emit(
        f"{scheme}: {name}", scheme, headers=[(header, value)], expect=expect, **more)
    case("right", good, "ok")
    case("upper-case hex", good.upper(), "ok")
    case("second secret", hexmac(OTHER, BODY), "ok", secrets=[SECRET, OTHER])
    case("secret not configured", hexmac(OTHER, BODY), "invalid")
    case("first byte differs", "%02x" % (bytes.fromhex(good)[0] ^ 1) + good[2:], "invalid")
    case("last byte differs", good[:-2] + "%02x" % (bytes.fromhex(good)[-1] ^ 1), "invalid")
    case("body differs", good, "invalid", body=BODY + b" ")
    case("empty body", hexmac(SECRET, b""), "ok", body=b"")
    case("empty", "", "missing")
    case("too short", good[:-2], "invalid")
    case("odd", good[:-1], "invalid")
    case("too long", good + "00", "invalid")
    case("not hex", "g" + good[1:], "invalid")
    case("0x", "0x" + good[2:], "invalid")
    case("prefix of another scheme", "sha256=" + good, "invalid")
    case("SHA-1", hexmac(SECRET, BODY, "sha1"), "invalid")
    case("base64", b64mac(SECRET, BODY), "invalid")
    case("two in one line", good + ", " + good, "invalid")
    case("NULs", "00" * 32, "invalid")
    emit(f"{scheme}: absent", scheme, expect="missing")
    emit(f"{scheme}: two headers", scheme, headers=[(header, good), (header, good)], expect="invalid")
    emit(f"{scheme}: signing", scheme, sign="ignored", lines=[(header, good)])


def github():
    good = "sha256=" + hexmac(SECRET, BODY)
    header = "X-Hub-Signature-256"
    case = lambda name, headers, expect, **more: emit(
        f"github: {name}", "github", headers=headers, expect=expect, **more)
    case("right, with its companions", [(header, good), ("X-GitHub-Delivery", "72d3162e-cc78"),
                                        ("X-Hub-Signature", "sha1=00")], "ok")
    case("upper-case hex", [(header, "sha256=" + hexmac(SECRET, BODY).upper())], "ok")
    case("upper-case label", [(header, good.upper())], "invalid")
    case("no label", [(header, good[7:])], "invalid")
    case("label of SHA-1", [(header, "sha1=" + good[7:])], "invalid")
    case("only SHA-1", [("X-Hub-Signature", "sha1=" + hexmac(SECRET, BODY, "sha1"))], "missing")
    case("SHA-1 in the new header", [(header, "sha1=" + hexmac(SECRET, BODY, "sha1"))], "invalid")
    case("space behind the label", [(header, "sha256= " + good[7:])], "invalid")
    case("two ids", [(header, good), ("X-GitHub-Delivery", "a"), ("X-GitHub-Delivery", "b")], "invalid")
    case("two signatures", [(header, good), (header.lower(), good)], "invalid")


def sw_signature(key, id, at, body=BODY):
    return "v1," + b64mac(key, f"{id}.{at}.".encode() + body)


def standard_webhooks():
    def case(name, expect, *, id="msg_1", at=str(NOW), signature=None, prefix="webhook", extra=(), **more):
        signature = sw_signature(SW_KEY, id, at) if signature is None else signature
        headers = [(f"{prefix}-{part}", value) for part, value in
                   (("id", id), ("timestamp", at), ("signature", signature)) if value is not None]
        more.setdefault("secrets", [SW])
        emit(f"standard-webhooks: {name}", "standard-webhooks", headers=headers + list(extra),
             expect=expect, **more)

    good = sw_signature(SW_KEY, "msg_1", NOW)
    bad = "v1," + base64.b64encode(bytes(32)).decode()
    case("right", "ok")
    case("svix", "ok", prefix="svix")
    case("svix wins over webhook", "ok", prefix="svix",
         extra=[("webhook-id", "x"), ("webhook-timestamp", "1"), ("webhook-signature", bad)])
    case("a wrong svix wins too", "invalid", extra=[("svix-signature", bad)])
    case("each header by itself", "ok", signature="v1,", extra=[("svix-signature", good)])
    case("secret without whsec_", "ok", secrets=[SW[6:]])
    case("secret without padding", "ok", secrets=[SW.rstrip("=")])
    case("old secret", "ok", secrets=[SW_OLD, SW])
    case("secret taken as text", "invalid",
         signature="v1," + b64mac(SW, f"msg_1.{NOW}.".encode() + BODY))
    case("several signatures", "ok", signature=f"{bad} v1a,AAAA v2,{good[3:]} {good}")
    case("good first", "ok", signature=f"{good} {bad}")
    case("several spaces", "ok", signature=f"{bad}  {good}")
    case("only another version", "invalid", signature="v1a," + good[3:])
    case("no version", "invalid", signature=good[3:])
    case("the eighth counts", "ok", signature=" ".join([bad] * 7 + [good]))
    case("the ninth does not", "invalid", signature=" ".join([bad] * 8 + [good]))
    case("comma list", "invalid", signature=f"{good},{good}")
    case("without padding", "invalid", signature=good.rstrip("="))
    case("two paddings", "invalid", signature=good + "=")
    # the same digest, spelled with set bits that the padding leaves over
    case("unused bits", "invalid", signature=good[:-2] + chr(ord(good[-2]) + 1) + "=")
    digest = base64.b64decode(good[3:])
    case("a byte more", "invalid", signature="v1," + base64.b64encode(digest + b"x").decode())
    case("a byte less", "invalid", signature="v1," + base64.b64encode(digest[:-1]).decode())
    case("unreadable and stale", "invalid", at=str(NOW - 301), signature="v1,?")
    tricky = next(i for i in range(1000) if {"+", "/"} <= set(sw_signature(SW_KEY, f"m{i}", NOW)))
    case("plus and slash", "ok", id=f"m{tricky}")
    case("base64url", "invalid", id=f"m{tricky}", signature=sw_signature(
        SW_KEY, f"m{tricky}", NOW).replace("+", "-").replace("/", "_"))
    case("hex", "invalid", signature="v1," + mac(SW_KEY, f"msg_1.{NOW}.".encode() + BODY).hex())
    case("id absent", "missing", id=None, signature=good)
    case("id empty", "missing", id="", signature=good)
    case("timestamp absent", "missing", at=None, signature=good)
    case("signature absent", "missing", signature="")
    case("other id", "invalid", id="msg_2", signature=good)
    case("other timestamp", "invalid", at=str(NOW + 1), signature=good)
    # "a.1700000000" + body must not pass as id "a" of a body that starts with a number
    case("id with a dot", "invalid", id="msg.1")
    case("two ids", "invalid", extra=[("webhook-id", "msg_1")])
    case("two timestamps", "invalid", extra=[("webhook-timestamp", str(NOW))])
    case("two signatures", "invalid", extra=[("webhook-signature", good)])
    for seconds, expect in ((300, "ok"), (301, "stale"), (-300, "ok"), (-301, "stale"), (10**10, "stale")):
        case(f"{seconds} s ahead", expect, at=str(NOW + seconds))
    case("300.999 s old", "ok", at=str(NOW - 300), now=NOW * 1000 + 999)
    case("milliseconds", "invalid", at=str(NOW * 1000))
    case("zero", "stale", at="0")
    case("leading zero, as it stands", "ok", at=f"0{NOW}")
    for at in ("1e9", f"{NOW}.5", f"-{NOW}", f"+{NOW}", f"{NOW}abc", f"{NOW} 1", "0x65", "9" * 13, "9" * 40,
               "now", "\u0661"):
        case(f"timestamp {at}", "invalid", at=at)
    emit("standard-webhooks: signing", "standard-webhooks", secrets=[SW, SW_OLD], sign="evt-1:orders",
         lines=[("webhook-id", "evt-1:orders"), ("webhook-timestamp", str(NOW)),
                ("webhook-signature", sw_signature(SW_KEY, "evt-1:orders", NOW))])
    emit("standard-webhooks: signing an id with dots", "standard-webhooks", secrets=[SW], sign="a.b.c:o",
         lines=[("webhook-id", "a%2Eb%2Ec:o"), ("webhook-timestamp", str(NOW)),
                ("webhook-signature", sw_signature(SW_KEY, "a%2Eb%2Ec:o", NOW))])


def stripe():
    key = "whsec_is-part-of-the-key"
    sign = lambda at, secret=key: hexmac(secret, f"{at}.".encode() + BODY)
    good = sign(NOW)
    case = lambda name, value, expect, **more: emit(
        f"stripe: {name}", "stripe", secrets=[key], headers=[("Stripe-Signature", value)],
        expect=expect, **more)
    case("right", f"t={NOW},v1={good}", "ok")
    case("with v0", f"t={NOW},v1={good},v0={'0' * 64}", "ok")
    case("other order", f"v1={good},t={NOW}", "ok")
    case("several", f"t={NOW},v1={'0' * 64},v1={good}", "ok")
    case("right under v0", f"t={NOW},v0={good}", "invalid")
    case("right under v2", f"t={NOW},v2={good}", "invalid")
    case("right under V1", f"t={NOW},V1={good}", "invalid")
    case("space behind the comma", f"t={NOW}, v1={good}", "invalid")
    case("no t", f"v1={good}", "invalid")
    case("empty t", f"t=,v1={good}", "invalid")
    case("two t", f"t={NOW},t={NOW},v1={good}", "invalid")
    case("no v1", f"t={NOW}", "invalid")
    case("base64 key", f"t={NOW},v1={sign(NOW, base64.b64decode('aXMtcGFydA=='))}", "invalid")
    case("300 s old", f"t={NOW - 300},v1={sign(NOW - 300)}", "ok")
    case("301 s old", f"t={NOW - 301},v1={sign(NOW - 301)}", "stale")
    case("301 s ahead", f"t={NOW + 301},v1={sign(NOW + 301)}", "stale")
    case("tolerance off", f"t=1,v1={sign(1)}", "ok", fields=[("tolerance_s", 0)])
    case("tolerance 10", f"t={NOW - 11},v1={sign(NOW - 11)}", "stale", fields=[("tolerance_s", 10)])
    case("t not a number", f"t={NOW}x,v1={sign(str(NOW) + 'x')}", "invalid")
    emit("stripe: two headers", "stripe", secrets=[key], expect="invalid",
         headers=[("Stripe-Signature", f"t={NOW},v1={good}")] * 2)
    emit("stripe: absent", "stripe", secrets=[key], expect="missing")
    emit("stripe: signing", "stripe", secrets=[key], sign="", now=NOW * 1000 + 999,
         lines=[("Stripe-Signature", f"t={NOW},v1={good}")])


def slack():
    sign = lambda at: "v0=" + hexmac(SECRET, f"v0:{at}:".encode() + BODY)
    def case(name, at, value, expect):
        headers = [("X-Slack-Request-Timestamp", at), ("X-Slack-Signature", value)]
        emit(f"slack: {name}", "slack", headers=[h for h in headers if h[1] is not None], expect=expect)
    case("right", NOW, sign(NOW), "ok")
    case("300 s ahead", NOW + 300, sign(NOW + 300), "ok")
    case("301 s ahead", NOW + 301, sign(NOW + 301), "stale")
    case("301 s old", NOW - 301, sign(NOW - 301), "stale")
    case("no timestamp", None, sign(NOW), "missing")
    case("no signature", NOW, None, "missing")
    case("timestamp of words", "soon", sign("soon"), "invalid")
    case("v1", NOW, "v1=" + sign(NOW)[3:], "invalid")
    case("no v0", NOW, sign(NOW)[3:], "invalid")


def shopify():
    good = b64mac(SECRET, BODY)
    old, new = "X-Shopify-Hmac-Sha256", "shopify-hmac-sha256"
    case = lambda name, headers, expect: emit(f"shopify: {name}", "shopify", headers=headers, expect=expect)
    case("right", [(old, good), ("X-Shopify-Webhook-Id", "w-1")], "ok")
    case("new family", [(new, good), ("shopify-event-id", "e-1")], "ok")
    case("new family wins", [(old, good), (new, b64mac(OTHER, BODY))], "invalid")
    case("new family wins, right", [(old, "AAAA"), (new, good)], "ok")
    case("two of the old beside a new one", [(old, good), (old, good), (new, good)], "invalid")
    case("hex", [(old, hexmac(SECRET, BODY))], "invalid")
    case("without padding", [(old, good.rstrip("="))], "invalid")
    case("absent", [], "missing")
    emit("shopify: signing", "shopify", sign="evt-1.2:orders", lines=[
        ("X-Shopify-Webhook-Id", "evt-1.2:orders"), (old, good)])


def custom():
    full = [("header", "X-Sig"), ("prefix", "sha512="), ("encoding", "base64"), ("digest", "sha512"),
            ("signed", "v2|{timestamp}|{id}|{body}|end")]
    full += [("id_header", "X-Id"), ("timestamp_header", "X-Time"), ("tolerance_s", 60)]
    text = f"v2|{NOW}|a.b|".encode() + BODY + b"|end"
    good = "sha512=" + b64mac(SECRET, text, "sha512")
    headers = [("X-Id", "a.b"), ("X-Time", NOW), ("X-Sig", good)]
    emit("hmac: everything set", "hmac", fields=full, headers=headers, expect="ok")
    emit("hmac: everything set, signing", "hmac", fields=full, sign="a.b", lines=headers)
    emit("hmac: own tolerance", "hmac", fields=full, headers=headers, now=NOW * 1000 + 61000, expect="stale")
    emit("hmac: the id's neighbour in the id", "hmac", fields=full, expect="invalid", headers=[
        ("X-Id", "a|b"), ("X-Time", NOW),
        ("X-Sig", "sha512=" + b64mac(SECRET, f"v2|{NOW}|a|b|".encode() + BODY + b"|end", "sha512"))])
    emit("hmac: signing that id", "hmac", fields=full, sign="a|b", lines=[
        ("X-Id", "a%7Cb"), ("X-Time", NOW),
        ("X-Sig", "sha512=" + b64mac(SECRET, f"v2|{NOW}|a%7Cb|".encode() + BODY + b"|end", "sha512"))])
    emit("hmac: defaults", "hmac", headers=[("X-Signature", hexmac(SECRET, BODY))], expect="ok")
    emit("hmac: defaults, signing", "hmac", sign="", lines=[("X-Signature", hexmac(SECRET, BODY))])
    emit("hmac: SHA-1", "hmac", fields=[("digest", "sha1"), ("prefix", "sha1=")],
         headers=[("X-Signature", "sha1=" + hexmac(SECRET, BODY, "sha1"))], expect="ok")
    emit("hmac: SHA-1 is not SHA-256", "hmac", fields=[("digest", "sha1")],
         headers=[("X-Signature", hexmac(SECRET, BODY))], expect="invalid")
    back = [("signed", "{body}.{timestamp}.{id}"), ("id_header", "X-Id"), ("timestamp_header", "X-Time")]
    emit("hmac: everything behind the body", "hmac", fields=back, expect="ok", headers=[
        ("X-Id", "i"), ("X-Time", NOW), ("X-Signature", hexmac(SECRET, BODY + f".{NOW}.i".encode()))])
    emit("hmac: everything behind the body, the id's neighbour in the id", "hmac", fields=back,
         expect="invalid", headers=[("X-Id", "i.j"), ("X-Time", NOW), (
             "X-Signature", hexmac(SECRET, BODY + f".{NOW}.i.j".encode()))])
    emit("hmac: an id that is only carried", "hmac", fields=[("id_header", "X-Id")], expect="ok",
         headers=[("X-Signature", hexmac(SECRET, BODY))])
    emit("hmac: long secret", "hmac", secrets=["k" * 200], expect="ok",
         headers=[("X-Signature", hexmac("k" * 200, BODY))])


def credentials():
    def case(name, expect, query=None, auth=(), secrets=("top+secret/1=",), scheme="token"):
        emit(f"{scheme}: {name}", scheme, secrets=secrets, query=query, expect=expect,
             headers=[("Authorization", a) for a in auth])
    case("in the query", "ok", "id=1&token=top+secret/1=")
    case("percent-encoded", "ok", "token=top%2Bsecret%2f1%3D&tag=x")
    case("second secret", "ok", "token=another-secret", secrets=["the-first-one", "another-secret"])
    case("bearer", "ok", "id=1", ["Bearer top+secret/1="])
    case("bearer in any case", "ok", "", ["bEARER top+secret/1="])
    case("query wins", "invalid", "token=wrongwrong", ["Bearer top+secret/1="])
    case("wrong", "invalid", "token=top+secret/1")
    case("wrong case", "invalid", "token=TOP+secret/1=")
    case("plus as space", "invalid", "token=top%20secret/1=")
    case("absent", "missing")
    case("empty", "missing", "token=")
    case("another parameter", "missing", "xtoken=top+secret/1=&Token=top+secret/1=")
    case("twice", "invalid", "token=top+secret/1=&token=top+secret/1=")
    case("broken escape", "invalid", "token=top%2")
    case("NUL", "invalid", "token=top+secret/1=%00")
    case("Basic instead of Bearer", "missing", "", ["Basic top+secret/1="])
    case("no space behind Bearer", "missing", "", ["Bearertop+secret/1="])
    case("Bearer without a token", "missing", "", ["Bearer"])
    case("two Authorization headers", "invalid", "", ["Bearer top+secret/1="] * 2)
    basic = lambda text: "Basic " + base64.b64encode(text.encode()).decode()
    users = ["joe:pass:word", "ann:l\u00f6sung-1"]
    case("right", "ok", auth=[basic(users[0])], secrets=users, scheme="basic")
    case("UTF-8", "ok", auth=[basic(users[1])], secrets=users, scheme="basic")
    case("any case", "ok", auth=[basic(users[0]).replace("Basic", "BASIC")], secrets=users, scheme="basic")
    case("wrong password", "invalid", auth=[basic("joe:pass:wort")], secrets=users, scheme="basic")
    case("password of another", "invalid", auth=[basic("joe:l\u00f6sung-1")], secrets=users, scheme="basic")
    case("not base64", "invalid", auth=["Basic joe:pass:word"], secrets=users, scheme="basic")
    case("broken padding", "invalid", auth=[basic(users[0]) + "="], secrets=users, scheme="basic")
    case("no padding", "invalid", auth=[basic(users[0]).rstrip("=")], secrets=users, scheme="basic")
    case("absent", "missing", secrets=users, scheme="basic")
    case("bearer", "missing", auth=["Bearer am9l"], secrets=users, scheme="basic")
    case("two", "invalid", auth=[basic(users[0])] * 2, secrets=users, scheme="basic")
    emit("none", "none", secrets=[], expect="ok")


print("# Made by make.py; see there.\n")
published()
bare_hex("serphouse", "x-serphouse-signature")
bare_hex("semscraper", "X-Signature")
github()
standard_webhooks()
stripe()
slack()
shopify()
custom()
credentials()
