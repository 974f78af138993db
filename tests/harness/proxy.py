"""A TCP proxy that is a bad network: delays, holds, trickles, cuts and resets, changed while it runs."""

import random
import socket
import struct
import threading
import time


class Way:
    """What happens to the bytes of one direction.

    delay    seconds before a piece is passed on
    held     nothing is passed on, nothing is closed: a partition. What waited is passed on afterwards, as TCP does
    trickle  bytes a step of 20 ms, None for all there is
    cut      the connection is reset after so many further bytes, None for never
    """

    def __init__(self):
        self.passing = threading.Event()
        self.clear()

    def clear(self):
        self.delay, self.trickle, self.cut = 0.0, None, None
        self.held = False

    @property
    def held(self):
        return not self.passing.is_set()

    @held.setter
    def held(self, value):
        (self.passing.clear if value else self.passing.set)()


class Proxy:
    """Listens on a free port of loopback and connects on to TARGET, a (host, port). `up` leads to it, `down` back.

    reset_chance: probability that a piece of either way resets its connection instead; RNG makes it repeatable.
    refuse: new connections are reset at once.
    """

    def __init__(self, target, rng=None):
        self.target = target
        self.rng = rng or random.Random(1)
        self.up, self.down = Way(), Way()
        self.reset_chance = 0.0
        self.refuse = False
        self.resets = 0
        self.pairs = set()
        self.lock = threading.Lock()
        self.closing = False
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def partition(self, up=True, down=True):
        self.up.held, self.down.held = up, down

    def heal(self):
        """Everything passes again."""
        self.reset_chance, self.refuse = 0.0, False
        self.up.clear()
        self.down.clear()

    def reset_all(self):
        """RST to both ends of every connection."""
        with self.lock:
            pairs = list(self.pairs)
        for pair in pairs:
            self._reset(pair)

    def close(self):
        self.closing = True
        self.heal()
        self.listener.close()
        self.reset_all()

    def _accept(self):
        while not self.closing:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if self.refuse:
                abort(client)
                continue
            try:
                server = socket.create_connection(self.target, 5)
            except OSError:
                abort(client)
                continue
            server.settimeout(None)
            pair = (client, server)
            with self.lock:
                self.pairs.add(pair)
            for sock in pair:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            ends = [0]
            threading.Thread(target=self._pump, args=(pair, client, server, self.up, ends), daemon=True).start()
            threading.Thread(target=self._pump, args=(pair, server, client, self.down, ends), daemon=True).start()

    def _pump(self, pair, source, sink, way, ends):
        try:
            while data := source.recv(65536):
                if self.reset_chance and self.rng.random() < self.reset_chance:
                    self._reset(pair)
                    return
                if not self._pass(pair, sink, way, data):
                    return
            way.passing.wait()
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            self._reset(pair)
        finally:
            with self.lock:
                ends[0] += 1
                over = ends[0] == 2
                if over:
                    self.pairs.discard(pair)
            if over:
                for sock in pair:
                    sock.close()

    def _pass(self, pair, sink, way, data) -> bool:
        if way.delay:
            time.sleep(way.delay)
        while data:
            way.passing.wait()
            piece = data[:way.trickle] if way.trickle else data
            if way.cut is not None:
                piece = piece[:way.cut]
                way.cut -= len(piece)
            sink.sendall(piece)
            data = data[len(piece):]
            if way.cut == 0:
                way.cut = None
                time.sleep(0.01)  # a reset overtakes what is not read yet
                self._reset(pair)
                return False
            if way.trickle:
                time.sleep(0.02)
        return True

    def _reset(self, pair):
        with self.lock:
            if pair not in self.pairs:
                return
            self.pairs.discard(pair)
            self.resets += 1
        for sock in pair:
            abort(sock)


def abort(sock):
    """Closes with a reset."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # another thread may sit in recv(): the descriptor closes, and with it the RST goes, when that returns
        sock.shutdown(socket.SHUT_RD)
    except OSError:
        pass
    sock.close()
