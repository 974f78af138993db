import base64
import sys

from hookpace import hookpace_verify

for line in sys.stdin:
    ident, timestamp, signatures, body, secret = line.rstrip("\n").split("\t")
    print(hookpace_verify(ident, timestamp, signatures, base64.b64decode(body), secret))
