"""A time-stamp authority on loopback, on openssl ts: _tsa.py FOLDER PORT. FOLDER gets ca.pem; a file `replay` there: the last answer again."""
import http.server, os, subprocess, sys

folder, port = sys.argv[1], int(sys.argv[2])
os.makedirs(folder, exist_ok=True)
os.chdir(folder)
open("tsa.cnf", "w").write("""[req]
distinguished_name=dn
[dn]
[ca]
basicConstraints=critical,CA:TRUE
keyUsage=critical,keyCertSign
[stamping]
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=critical,timeStamping
[tsa]
serial=./serial
signer_cert=tsa.pem
signer_key=tsa.key
signer_digest=sha256
default_policy=1.2.3.4.1
digests=sha256
ess_cert_id_alg=sha256
""")
open("serial", "w").write("01\n")


def run(*words):
    subprocess.run(("openssl",) + words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-config", "tsa.cnf")
run("req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.new", "-days", "30", "-subj", "/CN=test root", "-extensions", "ca")
run("req", *new, "-keyout", "tsa.key", "-out", "tsa.csr", "-subj", "/CN=test authority")
run("x509", "-req", "-in", "tsa.csr", "-CA", "ca.new", "-CAkey", "ca.key", "-CAcreateserial", "-out", "tsa.pem", "-days", "30",
    "-extfile", "tsa.cnf", "-extensions", "stamping")


class Authority(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        open("query", "wb").write(self.rfile.read(int(self.headers["Content-Length"])))
        if not (os.path.exists("replay") and os.path.exists("reply")):
            run("ts", "-reply", "-config", "tsa.cnf", "-section", "tsa", "-queryfile", "query", "-out", "reply")
        answer = open("reply", "rb").read()
        self.send_response(200)
        self.send_header("Content-Type", "application/timestamp-reply")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


server = http.server.HTTPServer(("127.0.0.1", port), Authority)
os.rename("ca.new", "ca.pem")
server.serve_forever()
