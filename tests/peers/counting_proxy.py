"""A proxy in front of an EC2 endpoint that counts the calls by action."""

from __future__ import annotations

import threading
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def counting(endpoint: str) -> Iterator[tuple[str, Counter[str]]]:
    """The URL of a proxy that passes all on to `endpoint`, and the calls so far by action."""
    calls: Counter[str] = Counter()

    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            calls[urllib.parse.parse_qs(body.decode())["Action"][0]] += 1
            headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            request = urllib.request.Request(endpoint + self.path, body, headers)
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    code, text = answer.status, answer.read()
            except urllib.error.HTTPError as error:
                code, text = error.code, error.read()
            self.send_response(code)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", calls
    finally:
        server.shutdown()
        server.server_close()
