"""The programs that are compared and the service behind them: how each is set up, started, asked and ended.

Every proxy does the same work: connections kept open on both sides, X-Forwarded-For added, no record written
unless the row is about records. Each has one worker, pinned to one core; what loads it lives on another. A name with
`-one` or `-two` has so many workers, and shares both cores with its load.
"""

import hashlib
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROXY_CORE, LOAD_CORE, BOTH_CORES = "0", "1", "0,1"
API_KEY = "bench-key-0123456789abcdef0123456789abcdef"
OPERATIONS = 1000
KEYS = 100_000
BODY_1K = ('{"items":"' + "abcdefghijklmnopqrstuvwxyz012345" * 32)[:1022] + '"}'


def which(name):
    """Path of a program, looked for where Debian puts servers as well."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/local/sbin")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def pinned(core, command):
    return ["taskset", "-c", core, *command]


def outweigh(pid):
    """On a shared machine a session's processes are scheduled as one group; this one's weighs more than a build's."""
    try:
        Path(f"/proc/{pid}/autogroup").write_text("-19")
    except OSError as error:
        raise SystemExit(f"--outweigh needs root: {error}") from error


def output_of(command, server, given=b""):
    """Runs a load generator against a server to its end: what it printed."""
    cores = BOTH_CORES if server.both_cores else LOAD_CORE
    run = subprocess.Popen(pinned(cores, command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           start_new_session=True)
    if server.heavy:
        outweigh(run.pid)
    return run.communicate(given)[0].decode(errors="replace")


class Server:
    """One running program with its ports, its log and its process."""

    def __init__(self, name, folder, backend_port, executables, heavy=False):
        self.name, self.folder, self.backend_port, self.heavy = name, folder, backend_port, heavy
        self.kind, *marks = name.split("-")
        self.log, self.tls, self.both_cores = "log" in marks, "tls" in marks, bool({"one", "two"} & {*marks})
        self.many, self.jwt, self.unheld = "many" in marks, "jwt" in marks, "unheld" in marks
        self.workers = 2 if "two" in marks else 1
        self.port, self.tls_port = free_port(), free_port()
        self.executable, self.client = executables
        self.output = folder / f"{name}.out"
        # HAProxy writes its records to its output; the others to a file of their own.
        self.records = self.output if self.kind == "haproxy" else folder / f"{name}.log"
        self.process = None

    def render(self, template, **words):
        text = (HERE / "conf" / template).read_text()
        words |= {"TMP": self.folder, "NAME": self.name, "PORT": self.port, "TLS_PORT": self.tls_port,
                  "BACKEND": self.backend_port}
        for word, value in words.items():
            text = text.replace(f"@{word}@", str(value))
        path = self.folder / f"{self.name}-{template}"
        path.write_text(text)
        return str(path)

    def command(self):
        if self.kind == "backend":
            self.port = self.backend_port
            return [self.client, "answer", f"127.0.0.1:{self.port}", str(self.folder)]
        if self.kind == "nginx":
            log = f"{self.records} record buffer=64k flush=1s" if self.log else "off"
            return [which("nginx"), "-c", self.render("nginx.conf", LOG=log)]
        if self.kind == "haproxy":
            return [which("haproxy"), "-db", "-f", self.render(
                "haproxy.cfg", LOG="log stdout format raw daemon" if self.log else "",
                LOG_FORMAT="log global\n  option httplog" if self.log else "",
                JWT="\n  ".join(self.verifying(name) for name in ("es256", "rs256")) if self.jwt else "")]
        operations = "\n".join(
            f'      op{i}: {{ match: "GET /resource{i}/{{id}}" }}' for i in range(OPERATIONS))
        keys = self.keys() if self.many else ""
        config = self.render(
            "portcullis.yaml", CONSUMERS=keys, FAILURES=", credential_failures: 1000000000" if self.unheld else "", LOG=f"file:{self.records}" if self.log else "off",
            TLS=', tls: { certificates: [{ cert: "${file:tls.crt}", key: "${file:tls.key}" }] }' if self.tls else "",
            KEY_SHA256=sha256(API_KEY), OPERATIONS=operations, CONTRACT=self.render("contract.yaml"))
        if self.tls:
            self.tls_port = self.port
        check = subprocess.run([self.executable, "check", "-c", config], capture_output=True, text=True)
        if check.returncode != 0:
            raise RuntimeError((check.stderr or check.stdout).strip())
        state = self.folder / f"state-{self.port}"
        return [self.executable, "run", "-c", config, "--workers", str(self.workers), "--state-dir", str(state)]

    def keys(self):
        """Consumers with as many keys, besides the one that is used."""
        each = lambda n: f'{{ id: k{n}, api_key: {{ sha256: "{sha256(f"key-{n}")}" }} }}'
        return "".join(f"  many{n}: {{ apis: [many], credentials: [{', '.join(map(each, range(n, n + 1000)))}] }}\n"
                       for n in range(0, KEYS, 1000))

    def verifying(self, name):
        """HAProxy's way to refuse what is not signed by a key: less than the gateway looks at, which is to its favour."""
        verified = f'http_auth_bearer,jwt_verify("{name.upper()}","{self.folder / name}.pem")'
        return f"http-request deny deny_status 401 if {{ path_beg /{name[:2]}/ }} !{{ {verified} 1 }}"

    def start(self):
        core = BOTH_CORES if self.both_cores else LOAD_CORE if self.kind == "backend" else PROXY_CORE
        with open(self.output, "ab") as output:
            self.process = subprocess.Popen(pinned(core, self.command()), stdout=output, stderr=subprocess.STDOUT,
                                            stdin=subprocess.DEVNULL, start_new_session=True, cwd=self.folder)
        if self.heavy:
            outweigh(self.process.pid)
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.2).close()
                return self
            except OSError:
                time.sleep(0.05)
        self.stop()
        raise RuntimeError(f"{self.name} did not start:\n{self.output.read_text()[-2000:]}")

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)  # what counts itself writes that down at its end
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def cpu_ns(self):
        """Time on a core of all threads. None of the three starts or ends threads while it serves."""
        total = 0
        for thread in Path(f"/proc/{self.process.pid}/task").iterdir():
            total += int((thread / "schedstat").read_text().split()[0])
        return total

    def rss_kib(self):
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1])
        raise RuntimeError(f"{self.name} has ended")

    def take_records(self):
        """Lines written since the last call; the file begins anew."""
        time.sleep(1.2)  # past every writer's own delay
        if not self.records.exists():
            return 0
        with open(self.records, "rb") as file:
            lines = sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
        os.truncate(self.records, 0)
        return lines


def versions(executable):
    """What is compared, as each program names itself."""
    said = lambda *command: (lambda run: (run.stdout + run.stderr).strip().splitlines()[0])(
        subprocess.run(command, capture_output=True, text=True))
    return [said(executable, "version"), said(which("nginx"), "-v"), said(which("haproxy"), "-v"),
            said(which("wrk"), "-v"), said(which("h2load"), "--version")]
