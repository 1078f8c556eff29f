"""The front: shows what all workers do.

It is started with the addresses of the first workers. Workers come and go; any of the first ones tells
which there are now.
"""

import os
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = 8080

own = os.environ["OCCOPUS_ADDRESS"]
first_workers = os.environ["WORKERS"].split()


def fetch(worker, path):
    with urllib.request.urlopen(f"http://{worker}:{PORT}{path}", timeout=5) as answer:
        return answer.read().decode()


def workers():
    for worker in first_workers:
        try:
            return fetch(worker, "/workers").split()
        except OSError:
            continue
    return []


def show(worker):
    try:
        return fetch(worker, "/")
    except OSError as error:
        return f"worker {worker} does not answer: {error}\n"


class Front(BaseHTTPRequestHandler):
    def do_GET(self):
        text = f"front {own}\n"
        if self.command == "GET":
            text += "".join(map(show, workers()))
        self.send_response(200)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(text.encode())

    def do_HEAD(self):
        self.do_GET()

    def log_request(self, code="-", size="-"):
        pass


print("front at", own, PORT)
ThreadingHTTPServer((own, PORT), Front).serve_forever()
