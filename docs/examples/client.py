#!/usr/bin/env python3
"""A client for RMA Pool, written from PROTOCOL.md:  client.py ws://HOST:PORT/ws CLIENT_TOKEN_FILE KIND INPUT_JSON

Submits one task, prints its output, and gets there through any number of lost connections and restarts of the
coordinator. Needs Python 3.11, websockets and msgpack (Debian: python3-websockets, python3-msgpack).
"""
import asyncio, contextlib, json, pathlib, random, sys, time, uuid
import websockets
from msgpack import packb, unpackb

HOPELESS = {1009, 4400, 4401, 4403, 4426, 4498}  # close codes after which the same hello will not do
PASSING = {"storage_full", "unavailable", "queue_full", "rate_limited"}  # refusals that are worth another try

def uuid7():
    bits = int(time.time() * 1000) << 80 | 7 << 76 | random.getrandbits(12) << 64 | 2 << 62 | random.getrandbits(62)
    return str(uuid.UUID(int=bits))

class Client:
    def __init__(self, token_file, kind, value):
        self.token = pathlib.Path(token_file).read_text().strip()
        self.task = {"id": uuid7(), "kind": kind, "input": packb(value)}  # kept: a re-send is the same bytes
        self.accepted, self.seen, self.fails, self.pause = False, (0, 0), 0, 0
        self.online_at = time.monotonic()

    def request(self):  # what to say after welcome: submit until that is accepted, then watch from the last chunk
        if not self.accepted:
            return {"type": "submit", "tasks": [self.task], "watch": True}
        after = {"after": {"attempt": self.seen[0], "chunk": self.seen[1]}} if self.seen[0] else {}
        return {"type": "watch", "tasks": [{"task": self.task["id"], **after}]}

    async def on(self, socket, message):
        """Returns the TaskEnd, once it is there."""
        match message["type"]:
            case "welcome":
                self.fails, self.online_at = 0, time.monotonic()
                await socket.send(packb(self.request()))
            case "accepted":
                self.accepted = True
                print(f"accepted: {self.task['id']}", file=sys.stderr)
            case "refused" if message["tasks"][0]["error"]["kind"] in PASSING:
                await asyncio.sleep(random.uniform(0.5, 2))
                await socket.send(packb(self.request()))
            case "refused": sys.exit(f"refused: {message['tasks'][0]['error']['message']}")
            case "error": sys.exit(f"error: {message['error']['message']}")
            case "chunks":
                for chunk in message["chunks"]:
                    if (chunk["attempt"], chunk["chunk"]) > self.seen:
                        self.seen = (chunk["attempt"], chunk["chunk"])
                        print(f"chunk {self.seen}: {unpackb(chunk['data'])}", file=sys.stderr)
            case "changed": print(message["tasks"][0]["state"], file=sys.stderr)
            case "goodbye": self.pause = message.get("reconnectAfterMs", 0) / 1000
            case "ended": return message["tasks"][0]

    async def beat(self, socket):
        with contextlib.suppress(websockets.ConnectionClosed):
            while True:
                await asyncio.sleep(3)
                await socket.send(packb({"type": "heartbeat"}))

    async def session(self, url):
        async with websockets.connect(url, subprotocols=["rma.v1.msgpack"], compression=None, max_size=2**20,
                                      ping_interval=None, close_timeout=1) as socket:
            await socket.send(packb({"type": "hello", "protocol": 1, "token": self.token,
                                     "agent": {"name": "client.py", "version": "1.0"}}))
            beat = asyncio.create_task(self.beat(socket))
            try:
                while True:
                    if end := await self.on(socket, unpackb(await asyncio.wait_for(socket.recv(), 8))):
                        return end
            except TimeoutError:
                await socket.close(4410, "silent")
            finally:
                beat.cancel()

    async def result(self, url):
        while True:
            try:
                if end := await self.session(url):
                    return end
            except (OSError, websockets.WebSocketException) as fault:
                close = getattr(fault, "rcvd", None)
                if close and close.code in HOPELESS:
                    sys.exit(f"closed: {close.code} {close.reason}")
                print(f"offline: {fault}", file=sys.stderr)
            cap = 5 if time.monotonic() - self.online_at < 60 else 30
            spread = max(self.pause, min(cap, 0.25 * 2 ** min(self.fails, 8)))
            await asyncio.sleep(self.pause + random.uniform(0, spread))
            self.fails, self.pause = self.fails + 1, 0

if __name__ == "__main__":
    url, token_file, kind, value = sys.argv[1:]
    end = asyncio.run(Client(token_file, kind, json.loads(value)).result(url))
    if end["state"] != "succeeded":
        sys.exit(f"{end['state']}: {end['error']['code']}: {end['error']['message']}")
    print(json.dumps(unpackb(end["output"]), default=repr, ensure_ascii=False))
