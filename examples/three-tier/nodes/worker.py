"""A worker: asks the data service for a job every second.

/         which job it is at
/workers  all workers, as the data service knows them
"""

import os
import threading
import time
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = 8080

own = os.environ["OCCOPUS_ADDRESS"]
data = os.environ["DATA"]
job = "none yet"


def ask(path):
    # From its own address, by which the data service tells the workers apart.
    connection = HTTPConnection(data, PORT, timeout=5, source_address=(own, 0))
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def work():
    global job
    while True:
        try:
            job = ask("/job").strip()
        except OSError as error:
            print("the data service does not answer:", error)
        time.sleep(1)


class Worker(BaseHTTPRequestHandler):
    def do_GET(self):
        text = f"worker {own}: job {job} of the data service at {data}\n"
        if self.path == "/workers":
            text = ask("/workers")
        self.send_response(200)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(text.encode())

    def do_HEAD(self):
        self.do_GET()

    def log_request(self, code="-", size="-"):
        pass


threading.Thread(target=work, daemon=True).start()
print("worker at", own, PORT)
ThreadingHTTPServer((own, PORT), Worker).serve_forever()
