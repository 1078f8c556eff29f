"""A way to a back-end on which answers get lost, come too late, or nothing passes at all."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum, auto
from urllib.parse import urlsplit


class Fate(Enum):
    """What becomes of one request."""

    PASS = auto()
    #: It takes effect, and the answer is lost.
    LOSE_ANSWER = auto()
    #: Its caller is told that the connection broke; a while later it takes effect.
    LATE = auto()
    #: The connection breaks, and nothing happens.
    CUT = auto()


#: How much later a late request takes effect, in seconds.
LATENESS = 2.0

Decide = Callable[[str, bytes], Fate]


class Way:
    """A proxy for HTTP requests in front of `target`; `decide` is asked about each with request line and
    body, and can be changed at any time."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.decide: Decide = lambda _line, _body: Fate.PASS
        self.fates: list[Fate] = []
        self.late: list[threading.Thread] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self.handle, args=(client,), daemon=True).start()

    def handle(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            request = read_request(client)
            if request is None:
                return
            head, body = request
            fate = self.decide(head.split(b"\r\n")[0].decode(), body)
            self.fates.append(fate)
            if fate is Fate.LATE:
                thread = threading.Thread(target=self.deliver_late, args=(head, body))
                self.late.append(thread)
                thread.start()
            elif fate is not Fate.CUT:
                for part in self.deliver(head, body):
                    if fate is Fate.PASS:
                        client.sendall(part)

    def deliver_late(self, head: bytes, body: bytes) -> None:
        time.sleep(LATENESS)
        for _ in self.deliver(head, body):
            pass

    def deliver(self, head: bytes, body: bytes) -> Iterator[bytes]:
        """Sends the request as the last of its connection; the answer in parts."""
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
        lines.insert(1, b"Connection: close")
        with connect(self.target) as server:
            server.sendall(b"\r\n".join(lines) + b"\r\n\r\n" + body)
            while part := server.recv(65536):
                yield part


def connect(target: str) -> socket.socket:
    url = urlsplit(target)
    if url.scheme == "unix":
        server = socket.socket(socket.AF_UNIX)
        server.connect(url.path)
        return server
    return socket.create_connection((url.hostname, url.port))


def read_request(client: socket.socket) -> tuple[bytes, bytes] | None:
    """Head and body of one request; `None` if the caller closes the connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = client.recv(65536)
        if not part:
            return None
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    headers = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:])
    while len(body) < int(headers.get(b"content-length", b"0")):
        part = client.recv(65536)
        if not part:
            return None
        body += part
    return head, body


@contextmanager
def way_to(target: str) -> Iterator[Way]:
    """A way to `target` (`http://HOST:PORT` or `unix:///PATH`); at the end all late requests have arrived."""
    way = Way(target)
    try:
        yield way
    finally:
        way.listener.close()
        for thread in way.late:
            thread.join()


def first(count: int, wanted: Callable[[str, bytes], bool], fate: Fate) -> Decide:
    """The first `count` requests that are wanted meet `fate`; all others pass."""
    left = [fate] * count
    lock = threading.Lock()

    def decide(line: str, body: bytes) -> Fate:
        with lock:
            return left.pop() if left and wanted(line, body) else Fate.PASS

    return decide
