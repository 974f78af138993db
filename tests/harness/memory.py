"""What a program takes, and bytes that do not shrink."""

import base64
import hashlib
import re


class Peak:
    """The most resident memory of a program: the kernel's own high-water mark."""

    def __init__(self, program):
        self.path = f"/proc/{program.pid}"
        with open(self.path + "/clear_refs", "w") as f:
            f.write("5")

    def stop(self):
        with open(self.path + "/status") as f:
            return int(re.search(r"VmHWM:\s+(\d+)", f.read())[1])


def is_sanitized(receiver):
    """AddressSanitizer's own memory is most of what such a build uses."""
    with open(f"/proc/{receiver.pid}/maps") as f:
        return "libasan" in f.read()


def noise(count):
    """Bytes that do not shrink, as JSON text."""
    out, seed = [], b"seed"
    while sum(map(len, out)) < count:
        seed = hashlib.sha512(seed).digest()
        out.append(base64.b85encode(seed).replace(b'"', b"'").replace(b"\\", b"/"))
    return b"".join(out)
