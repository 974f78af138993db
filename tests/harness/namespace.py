"""A network of its own, with its own name server: public addresses that lead nowhere else. Needs root."""

import contextlib
import ctypes
import os
import socket
import struct
import subprocess
import threading

CLONE_NEWNET = 0x40000000


class Namespace:
    """A network namespace with ADDRESSES on its loopback, and a mount namespace that asks 127.0.0.1 for names.

    `wrapper` starts a program inside (harness.programs.Program(wrapper=...)); call() runs a function of this
    process inside, and the sockets that it makes stay there.
    """

    def __init__(self, directory, addresses=()):
        (directory / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:2\n")
        (directory / "nsswitch.conf").write_text("passwd: files\nhosts: dns\n")
        setup = ["ip link set lo up"]
        setup += [f"ip address add {a} dev lo nodad" if ":" in a else f"ip address add {a} dev lo" for a in addresses]
        setup += [f"mount --bind {directory}/{name} /etc/{name}" for name in ("resolv.conf", "nsswitch.conf")]
        script = " && ".join(setup) + " && echo ready && exec sleep 3600"
        self.process = subprocess.Popen(["unshare", "--net", "--mount", "sh", "-c", script], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            raise AssertionError(f"no namespace: {self.process.stderr.read()}")

    @property
    def wrapper(self):
        pid = self.process.pid
        return ["nsenter", f"--net=/proc/{pid}/ns/net", f"--mount=/proc/{pid}/ns/mnt"]

    def call(self, function):
        """FUNCTION() in a thread that is inside; its result."""
        result = []

        def run():
            fd = os.open(f"/proc/{self.process.pid}/ns/net", os.O_RDONLY)
            try:
                if ctypes.CDLL(None, use_errno=True).setns(fd, CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
                result.append(function())
            finally:
                os.close(fd)
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        return result[0]

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


class NameServer:
    """Answers for every name in `names`: a list of addresses, or a function that makes one. It fails for names in `broken`. All
    others do not exist.

    To be made inside a Namespace.
    """

    def __init__(self, names=None):
        self.names = names or {}
        self.broken = set()
        self.asked = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 53))
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def close(self):
        with contextlib.suppress(OSError):  # "not connected", and recvfrom wakes up all the same
            self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join(5)
        self.socket.close()

    def _serve(self):
        while True:
            try:
                query, peer = self.socket.recvfrom(512)
            except OSError:
                return
            if not query:
                return
            self.socket.sendto(self._answer(query), peer)

    def _answer(self, query):
        at, labels = 12, []
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        question, kind = query[12:at + 5], struct.unpack(">H", query[at + 1:at + 3])[0]
        name = ".".join(labels).lower()
        found = self.names.get(name)
        addresses = found() if callable(found) else found
        self.asked.append((name, kind))
        family = {1: socket.AF_INET, 28: socket.AF_INET6}.get(kind)
        records = [socket.inet_pton(family, a) for a in addresses or () if family and (":" in a) == (kind == 28)]
        head = query[:2] + struct.pack(">HHHHH", 0x8180 | (2 if name in self.broken else 0 if found else 3), 1, len(records), 0, 0)
        return head + question + b"".join(struct.pack(">HHHIH", 0xc00c, kind, 1, 0, len(r)) + r for r in records)
