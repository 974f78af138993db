"""Semscraper's example of a callback in Python, run with Debian's Flask.

The page does not print it in Python; the steps are those of its C# and JavaScript. Filled in besides: the port as an argument,
and the pingback, which has no body and hence no signature.
"""

import hashlib
import hmac
import json
import sys
from datetime import datetime, timezone

from flask import Flask, Response, jsonify, request
from werkzeug.serving import make_server

app = Flask(__name__)
SHARED_SECRET = b"HMAC_KEY"


@app.route("/callback", methods=["POST"])
def callback():
    # 1) Read the raw body (JSON)
    raw = request.get_data()

    # 2) Retrieve the headers
    signature = request.headers.get("X-Signature", "")

    # 3) (Optional) Verify the HMAC signature
    expected = hmac.new(SHARED_SECRET, raw, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, signature):
        return Response("Invalid signature", status=401, mimetype="text/plain")

    # 4) Decode the JSON
    try:
        data = json.loads(raw)
    except ValueError:
        return Response("Invalid JSON", status=400, mimetype="text/plain")

    # 5) Process the data
    # data contains what the client sent in the payload
    # For example: data["id"], data["results"], etc.

    # 6) Respond in JSON (optional, we log these responses for tracking purposes)
    return jsonify(status="ok", received_at=datetime.now(timezone.utc).isoformat(), echo=data.get("id"))


@app.route("/callback", methods=["GET"])
def pingback():
    return jsonify(status="ok", echo=request.args.get("id"), signature=request.headers.get("X-Signature"))


server = make_server("127.0.0.1", int(sys.argv[1]), app, threaded=True)
print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
