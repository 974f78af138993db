"""The class RestClient of the provider's published Python examples, as it is but for `domain`; and the example of webhook_resend.

Arguments: host:port, login, password, path, then the body of a POST.
"""

import json
import sys
from base64 import b64encode
from http.client import HTTPSConnection
from json import dumps, loads


class RestClient:
    domain = sys.argv[1]

    def __init__(self, username, password):
        self.username = username
        self.password = password

    def request(self, path, method, data=None):
        connection = HTTPSConnection(self.domain)
        try:
            base64_bytes = b64encode(("%s:%s" % (self.username, self.password)).encode("ascii")).decode("ascii")
            headers = {"Authorization": "Basic %s" % base64_bytes, "Content-Encoding": "gzip"}
            connection.request(method, path, headers=headers, body=data)
            response = connection.getresponse()
            return loads(response.read().decode())
        finally:
            connection.close()

    def get(self, path):
        return self.request(path, "GET")

    def post(self, path, data):
        if isinstance(data, str):
            data_str = data
        else:
            data_str = dumps(data)
        return self.request(path, "POST", data_str)


client = RestClient(sys.argv[2], sys.argv[3])
if len(sys.argv) > 5:
    answer = client.post(sys.argv[4], json.loads(sys.argv[5]))
else:
    answer = client.get(sys.argv[4])
print(dumps(answer))
