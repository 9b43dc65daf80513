"""A server of one model on which every client has a stream of its own.

    pip install websockets
    python examples/stream_server.py model.npz --port 8765

A client opens a WebSocket and sends blocks of time steps: the numbers of the model's
input, little-endian, any number of whole time steps a message.  It gets a message of
outputs for each.  The state of its stream is kept from message to message, and ends
with the connection.

The requests of all clients that arrive within a tick run as one batch, and the numbers
of a client are the same whoever else is there.  Nothing grows without a bound: a client
has one request in work, its next messages wait in a queue of a few, and after that in
its own socket; there are at most so many clients.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from gru2np_runtime import InputError, Model, load

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from websockets.asyncio.server import ServerConnection

# Seconds that the first request of a batch waits for others.
TICK = 0.005
CLIENTS = 1000
# Messages of a client that wait beside the one in work, and bytes of each.
WAITING, BYTES = 4, 2**16
# Codes that close a WebSocket: the message is wrong; try again later.
WRONG, LATER = 1007, 1013


class Request(NamedTuple):
    """A block of a session, (time, ...), and where its outputs are awaited."""

    session: int
    x: np.ndarray[Any, Any]
    outputs: asyncio.Future[np.ndarray[Any, Any]]


class StreamServer:
    """Sessions of a model for clients, and the requests of the current tick."""

    def __init__(
        self, model: Model, *, tick: float = TICK, clients: int = CLIENTS
    ) -> None:
        if len(model.input_shapes) != 1 or len(model.output_shapes) != 1:
            raise InputError("this server takes models with one input and one output")
        self.tick, self.clients = tick, clients
        self.streams = model.streams(min(clients, 64))
        self.shape = model.input_shapes[0][2:]
        self.dtype = np.dtype(model.graph.inputs[0].dtype).newbyteorder("<")
        self.requests: list[Request] = []
        self.arrived = asyncio.Event()
        # One thread: the kernel itself spreads large batches over processors.
        self.thread = ThreadPoolExecutor(1)

    @contextlib.asynccontextmanager
    async def listening(self, host: str, port: int) -> AsyncIterator[int]:
        """Serve at a port, 0 for a free one; at the end every connection is closed."""
        batches = asyncio.create_task(self.batches())
        limits = {"max_size": BYTES, "max_queue": WAITING}
        try:
            async with serve(
                self.client, host, port, compression=None, **limits
            ) as server:
                yield next(iter(server.sockets)).getsockname()[1]
            # Here every client is gone, and its requests are done.
        finally:
            batches.cancel()
            self.thread.shutdown()

    async def client(self, connection: ServerConnection) -> None:
        """Serve one client, one message after the other, until it goes or crashes."""
        if len(self.streams) >= self.clients:
            await connection.close(LATER, "too many clients")
            return
        session = self.streams.open()
        try:
            async for message in connection:
                try:
                    x = self.steps(message)
                    # The session is in no call when this returns, and can be closed.
                    y = await self.run(session, x)
                except InputError as error:
                    await connection.close(WRONG, str(error)[:120])
                    return
                await connection.send(y.astype(y.dtype.newbyteorder("<")).tobytes())
        except ConnectionClosed:
            pass
        finally:
            self.streams.close(session)

    def steps(self, message: str | bytes) -> np.ndarray[Any, Any]:
        """The time steps in a message, (time, ...)."""
        shape = [n or 1 for n in self.shape]
        size = int(np.prod(shape)) * self.dtype.itemsize
        if isinstance(message, str) or not message or len(message) % size:
            raise InputError(f"expected binary messages of {size} bytes a time step")
        return np.frombuffer(message, self.dtype).reshape(-1, *shape)

    async def run(self, session: int, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The outputs of a block, which runs with those of other clients."""
        outputs = asyncio.get_running_loop().create_future()
        self.requests.append(Request(session, x, outputs))
        self.arrived.set()
        # A handler that is cancelled must not close a session that is in a batch.
        waiting = asyncio.shield(outputs)
        try:
            return await waiting
        except asyncio.CancelledError:
            await asyncio.wait([outputs])
            raise

    async def batches(self) -> None:
        """Run the requests of each tick, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            await self.arrived.wait()
            await asyncio.sleep(self.tick)
            self.arrived.clear()
            requests, self.requests = self.requests, []
            by_time: dict[int, list[Request]] = {}
            for request in requests:
                by_time.setdefault(len(request.x), []).append(request)
            for batch in by_time.values():
                results = await loop.run_in_executor(self.thread, self.compute, batch)
                for request, result in zip(batch, results, strict=True):
                    if isinstance(result, Exception):
                        request.outputs.set_exception(result)
                    else:
                        request.outputs.set_result(result)

    def compute(self, batch: list[Request]) -> list[Any]:
        """The outputs of blocks of one length; an error for a block that is wrong."""
        try:
            ids = [request.session for request in batch]
            return list(self.streams.advance(ids, np.stack([r.x for r in batch])))
        except InputError as error:
            if len(batch) == 1:
                return [error]
        except Exception as error:
            return [error] * len(batch)
        # No session has changed: each runs alone, and only the wrong one fails.
        return [result for request in batch for result in self.compute([request])]


async def main() -> None:
    """Serve until the process is told to end."""
    parser = argparse.ArgumentParser(description="Serve a model to many streams.")
    parser.add_argument("model")
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--tick", type=float, default=TICK, help="seconds")
    parser.add_argument("--clients", type=int, default=CLIENTS)
    options = parser.parse_args()
    model = load(options.model)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = StreamServer(model, tick=options.tick, clients=options.clients)
    async with server.listening(options.host, options.port) as port:
        print(f"serving {model.name} at ws://{options.host}:{port}", flush=True)
        await stop.wait()
    print("stopped")


if __name__ == "__main__":
    asyncio.run(main())
