"""Signatures of every scheme, made from the providers' documentation and not from the product's table."""

import base64
import hashlib
import hmac
import time


def _mac(secret, body: bytes, digest="sha256") -> bytes:
    key = secret.encode() if isinstance(secret, str) else secret
    return hmac.new(key, body, getattr(hashlib, digest)).digest()


def hex_mac(secret, body: bytes, digest="sha256") -> str:
    return _mac(secret, body, digest).hex()


def b64_mac(secret, body: bytes, digest="sha256") -> str:
    return base64.b64encode(_mac(secret, body, digest)).decode()


def standard_key(secret: str) -> bytes:
    """The key bytes of a Standard Webhooks secret: base64 after an optional whsec_."""
    text = secret[6:] if secret.startswith("whsec_") else secret
    return base64.b64decode(text + "=" * (-len(text) % 4))


def standard_secret(raw: bytes = b"0123456789abcdef0123456789abcdef") -> str:
    return "whsec_" + base64.b64encode(raw).decode()


def headers(scheme: str, secret: str, body: bytes, message_id="msg_1", at=None) -> dict:
    """The headers that sign BODY under SCHEME. AT: unix seconds, now by default."""
    ts = str(int(time.time() if at is None else at))
    if scheme == "serphouse":
        return {"x-serphouse-signature": hex_mac(secret, body)}
    if scheme == "semscraper":
        return {"X-Signature": hex_mac(secret, body)}
    if scheme in ("standard-webhooks", "svix"):
        prefix = "webhook" if scheme == "standard-webhooks" else "svix"
        signed = f"{message_id}.{ts}.".encode() + body
        return {f"{prefix}-id": message_id, f"{prefix}-timestamp": ts,
                f"{prefix}-signature": "v1," + b64_mac(standard_key(secret), signed)}
    if scheme == "github":
        return {"X-Hub-Signature-256": "sha256=" + hex_mac(secret, body), "X-GitHub-Event": "push",
                "X-GitHub-Delivery": message_id}
    if scheme == "stripe":
        return {"Stripe-Signature": f"t={ts},v1=" + hex_mac(secret, f"{ts}.".encode() + body)}
    if scheme == "slack":
        return {"X-Slack-Request-Timestamp": ts,
                "X-Slack-Signature": "v0=" + hex_mac(secret, f"v0:{ts}:".encode() + body)}
    if scheme == "shopify":
        return {"X-Shopify-Hmac-Sha256": b64_mac(secret, body), "X-Shopify-Webhook-Id": message_id}
    if scheme == "token":
        return {"Authorization": "Bearer " + secret}
    if scheme == "basic":
        return {"Authorization": "Basic " + base64.b64encode(secret.encode()).decode()}
    if scheme == "none":
        return {}
    raise ValueError(f"no such scheme: {scheme}")


SIGNED = ("serphouse", "semscraper", "standard-webhooks", "svix", "github", "stripe", "slack", "shopify")
