#!/usr/bin/env python3
"""A worker for RMA Pool, written from PROTOCOL.md:  worker.py ws://HOST:PORT/ws JOIN_TOKEN_FILE STATE_DIR

Needs Python 3.11, websockets and msgpack (Debian: python3-websockets, python3-msgpack). To offer a kind of your
own, enter an async function in HANDLERS. Left out, as the protocol allows: chunks, progress, blobs, and results
that survive a restart of this program (such a task runs again).
"""
import asyncio, os, pathlib, platform, random, secrets, shutil, sys, time
import websockets
from msgpack import packb, unpackb

async def reverse(value):
    return {"text": value["text"][::-1]}

HANDLERS = {"text.reverse": reverse}
SERVICE = {"name": "python", "runtime": "embedded", "state": "healthy", "kinds": list(HANDLERS), "slots": 4}
HOPELESS = {1009, 4400, 4401, 4403, 4426, 4498}  # close codes after which the same hello will not do

def hardware(path):
    disk, memory = shutil.disk_usage(path), os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"os": sys.platform, "arch": platform.machine(), "gpus": [], "container": False, "notes": [],
            "cpu": {"model": platform.processor() or "unknown", "logicalCores": os.cpu_count() or 1},
            "memory": {"totalMiB": memory >> 20},
            "disk": {"freeGiB": disk.free / 2**30, "totalGiB": disk.total / 2**30}}

class Worker:
    def __init__(self, token_file, state):
        state.mkdir(parents=True, exist_ok=True)
        self.state, self.token_file, self.credential = state, token_file, state / "credential"
        if not (state / "key").exists():
            (state / "key").write_text(secrets.token_hex(16))
        self.key, self.instance = (state / "key").read_text(), secrets.token_hex(8)
        self.running, self.finished, self.stopped = {}, {}, set()  # by (task, attempt)
        self.socket, self.fails, self.pause, self.online_at = None, 0, 0, time.monotonic()

    def hello(self):
        refs = lambda keys: [{"task": task, "attempt": attempt} for task, attempt in keys]
        token = self.credential if self.credential.exists() else self.token_file
        return {"type": "hello", "protocol": 1, "token": token.read_text().strip(),
                "agent": {"name": "worker.py", "version": "1.0"},
                "worker": {"key": self.key, "instance": self.instance, "hardware": hardware(self.state),
                           "available": [], "services": [SERVICE],
                           "running": refs(self.running), "finished": refs(self.finished)}}

    async def send(self, message):
        try:
            if self.socket:
                await self.socket.send(packb(message))
        except websockets.ConnectionClosed:
            pass  # what matters is kept, and the next hello names it

    async def run(self, key, task):
        failure = lambda code, message, again: {"error": {"code": code, "message": message, "retryable": again}}
        try:
            async with asyncio.timeout(task["timeoutMs"] / 1000):
                output = packb(await HANDLERS[task["kind"]](unpackb(task["input"])))
            large = len(output) > 65536  # that would have to be a blob
            result = failure("output.too_large", f"{len(output)} bytes", False) if large else {"output": output}
        except TimeoutError:
            result = failure("timeout", f"took longer than {task['timeoutMs']} ms", True)
        except asyncio.CancelledError:
            if key not in self.stopped:
                raise  # this program ends, and the task runs again
            result = failure("cancelled", "stopped on request", False)
        except Exception as fault:
            result = failure("handler.failed", repr(fault)[:2000], False)
        self.running.pop(key)
        self.stopped.discard(key)
        self.finished[key] = {"task": key[0], "attempt": key[1], **result}  # until it is acknowledged
        await self.send({"type": "results", "results": [self.finished[key]]})

    def stop(self, key):
        if key in self.running:
            self.stopped.add(key)
            self.running[key].cancel()

    async def welcome(self, socket, worker):
        if "credential" in worker:
            self.credential.write_text(worker["credential"])  # before anything else
        print(f"online as {worker['id']}, tier {worker['assignment']['tier']}", flush=True)
        self.socket, self.fails = socket, 0
        for verdict in worker["verdicts"]:
            key = (verdict["task"], verdict["attempt"])
            match verdict["verdict"]:
                case "keep" | "resend" if key in self.finished:  # keep: it may have ended since the hello
                    await self.send({"type": "results", "results": [self.finished[key]]})
                case "stop": self.stop(key)
                case "drop": self.finished.pop(key, None)

    async def on(self, socket, message):
        match message["type"]:
            case "welcome": await self.welcome(socket, message["worker"])
            case "dispatch":
                for task in message["tasks"]:
                    key = (task["task"], task["attempt"])
                    if key not in self.running and key not in self.finished:
                        self.running[key] = asyncio.create_task(self.run(key, task))
            case "stop":
                for attempt in message["attempts"]: self.stop((attempt["task"], attempt["attempt"]))
            case "acknowledged":
                for result in message.get("results", []): self.finished.pop((result["task"], result["attempt"]), None)
            case "goodbye": self.pause = message.get("reconnectAfterMs", 0) / 1000
            case "error": print("coordinator:", message["error"]["message"], file=sys.stderr, flush=True)

    async def beat(self):
        while True:
            await asyncio.sleep(3)
            await self.send({"type": "heartbeat"})

    async def session(self, url):
        async with websockets.connect(url, subprotocols=["rma.v1.msgpack"], compression=None, max_size=2**20,
                                      ping_interval=None, close_timeout=1) as socket:
            beat = asyncio.create_task(self.beat())
            try:
                await socket.send(packb(self.hello()))
                while True:
                    await self.on(socket, unpackb(await asyncio.wait_for(socket.recv(), 8)))
            except TimeoutError:
                print("offline: nothing heard for 8 s", file=sys.stderr, flush=True)
                await socket.close(4410, "silent")
            finally:
                beat.cancel()
                if self.socket:
                    self.socket, self.online_at = None, time.monotonic()

    async def serve(self, url):
        while True:
            try:
                await self.session(url)
            except (OSError, websockets.WebSocketException) as fault:
                print("offline:", fault, file=sys.stderr, flush=True)
                code = fault.rcvd.code if getattr(fault, "rcvd", None) else 1006
                if code in HOPELESS:
                    sys.exit(2)
                self.pause = 30 if code == 4409 else self.pause  # replaced: who else has this credential?
            cap = 5 if time.monotonic() - self.online_at < 60 else 30
            spread = max(self.pause, min(cap, 0.25 * 2 ** min(self.fails, 8)))
            await asyncio.sleep(self.pause + random.uniform(0, spread))
            self.fails, self.pause = self.fails + 1, 0

if __name__ == "__main__":
    os.umask(0o077)  # the credential is a secret
    try:
        asyncio.run(Worker(pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])).serve(sys.argv[1]))
    except KeyboardInterrupt:
        pass
