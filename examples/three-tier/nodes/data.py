"""The data service: numbers the jobs of the workers and knows which workers there are.

/         says that it is there
/job      the next job number, for the worker that asks
/workers  the addresses of the workers that asked within the last three seconds
"""

import itertools
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

jobs = itertools.count(1)
last_seen = {}


class Data(BaseHTTPRequestHandler):
    def do_GET(self):
        text = self.answer()
        self.send_response(200)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(text.encode())

    def do_HEAD(self):
        self.do_GET()

    def answer(self):
        now = time.monotonic()
        if self.path == "/job":
            last_seen[self.client_address[0]] = now
            return f"{next(jobs)}\n"
        if self.path == "/workers":
            return "".join(f"{worker}\n" for worker, at in sorted(last_seen.items()) if now - at < 3)
        return "data service\n"

    def log_request(self, code="-", size="-"):
        pass


address = (os.environ["OCCOPUS_ADDRESS"], 8080)
print("data service at", *address)
ThreadingHTTPServer(address, Data).serve_forever()
