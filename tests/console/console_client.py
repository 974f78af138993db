"""A client of the operators' API: what a call answers, with its form checked."""

import base64
import json
import urllib.parse

from harness import http

PASSWORDS = {"root": "root-password", "eye": "eye-password", "acme": "acme-password"}


class Console:
    def __init__(self, receiver, name, password=None):
        login = f"{name}:{password or PASSWORDS[name]}".encode()
        self.address = receiver.admin
        self.headers = {"Authorization": "Basic " + base64.b64encode(login).decode()}

    def raw(self, method, target, body=b"", headers=None):
        with http.Client(self.address) as client:
            return client.request(method, target, {**self.headers, **(headers or {})}, body)

    def get(self, path, status=200, **query):
        """GET /api/PATH, which must answer STATUS. Returns the JSON; of an error the object below "error"."""
        target = "/api/" + path + ("?" + urllib.parse.urlencode(query) if query else "")
        return self._read(self.raw("GET", target), status)

    def post(self, path, body=None, status=200):
        data = b"" if body is None else json.dumps(body).encode()
        return self._read(self.raw("POST", "/api/" + path, data, {"Content-Type": "application/json"}), status)

    def all(self, path, **query):
        """The items of every page of a list."""
        items, cursor = [], None
        while True:
            page = self.get(path, **query, **({"cursor": cursor} if cursor else {}))
            assert set(page) == {"items", "next"}
            items += page["items"]
            cursor = page["next"]
            if cursor is None:
                return items

    @staticmethod
    def _read(answer, status):
        assert answer.header("content-type") == "application/json"
        value = answer.json()
        assert answer.status == status, value
        if status < 400:
            return value
        assert set(value) == {"error"} and set(value["error"]) == {"code", "message"}
        return value["error"]
