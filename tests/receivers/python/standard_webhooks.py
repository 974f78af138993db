"""A receiver that verifies with the public library `standardwebhooks`, as the library's README shows it: verify(body, headers).

usage: standard_webhooks.py PORT SECRET
"""

import sys

from flask import Flask, Response, jsonify, request
from standardwebhooks import Webhook, WebhookVerificationError
from werkzeug.serving import make_server

app = Flask(__name__)
webhook = Webhook(sys.argv[2])


@app.route("/callback", methods=["POST"])
def callback():
    try:
        data = webhook.verify(request.get_data(), dict(request.headers))
    except WebhookVerificationError as error:
        return Response(str(error), status=401, mimetype="text/plain")
    except ValueError as error:  # the library decodes the body as text before it verifies
        return Response(str(error), status=400, mimetype="text/plain")
    return jsonify(status="ok", echo=data.get("id"))


@app.route("/callback", methods=["GET"])
def pingback():
    try:
        webhook.verify(b"", dict(request.headers), json_parse=False)
    except WebhookVerificationError as error:
        return Response(str(error), status=401, mimetype="text/plain")
    return jsonify(status="ok", echo=request.args.get("id"))


server = make_server("127.0.0.1", int(sys.argv[1]), app, threaded=True)
print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
