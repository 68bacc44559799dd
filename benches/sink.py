"""A server that takes batches and does nothing with them: what loadgen can send. Prints its port."""

import http.server


class Sink(http.server.BaseHTTPRequestHandler):
    """Answers as the engine does: so many lines were accepted."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    rbufsize = 1 << 20

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        lines = body.count(b"\n") + (0 if body.endswith(b"\n") or not body else 1)
        answer = b'{"accepted":%d,"refused":[],"refused_total":0,"duplicate":false}' % lines
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    print(server.server_port, flush=True)
    server.serve_forever()
