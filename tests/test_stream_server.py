"""The example server: real clients that come, go and crash, each with its own state."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys

import numpy as np
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

import goldens
from example_files import EXAMPLES, example
from gru2np_runtime import load

SERVER = example("stream_server")
BUNDLE = goldens.Golden(goldens.FIXTURES / "keras-3.15" / "mixed_stack").bundle()
EMBEDDING = goldens.Golden(goldens.FIXTURES / "keras-3.15" / "embedding_mask").bundle()
MODEL = load(BUNDLE)
FEATURES = MODEL.input_shapes[0][2]
CLIENTS = 200


def blocks_of(client):
    """Random blocks of 1 to 3 time steps, other ones for each client."""
    rng = np.random.default_rng(client)
    sizes = rng.integers(1, 4, 12)
    return [rng.normal(size=(n, FEATURES)).astype("<f4") for n in sizes]


def alone(blocks, model=MODEL):
    """What a client must get for its blocks."""
    streams = model.streams(1)
    ids = [streams.open()]
    return [streams.advance(ids, x[None])[0].tobytes() for x in blocks]


async def stays(uri, client):
    """Sends all its blocks, with pauses of its own, and says goodbye."""
    rng, blocks = np.random.default_rng(client), blocks_of(client)
    await asyncio.sleep(rng.uniform(0, 0.3))
    async with connect(uri, compression=None) as connection:
        for x, wanted in zip(blocks, alone(blocks), strict=True):
            await asyncio.sleep(rng.uniform(0, 0.02))
            await connection.send(x.tobytes())
            assert await connection.recv() == wanted


async def leaves(uri, client):
    """Goes in the middle, and comes again to a stream that starts anew."""
    blocks = blocks_of(client)
    for count in (3, 12):
        async with connect(uri, compression=None) as connection:
            for x, wanted in zip(blocks[:count], alone(blocks), strict=False):
                await connection.send(x.tobytes())
                assert await connection.recv() == wanted


async def crashes(uri, client):
    """Its socket is gone while its requests are in work."""
    blocks = blocks_of(client)
    connection = await connect(uri, compression=None)
    await connection.send(blocks[0].tobytes())
    assert await connection.recv() == alone(blocks)[0]
    for x in blocks:
        await connection.send(x.tobytes())
    connection.transport.abort()


async def babbles(uri, client):
    """Sends what is no time step: its connection is closed, with the reason."""
    wrong = ["text", b"", b"12345", bytes(2**17)][client % 4]
    async with connect(uri, compression=None) as connection:
        await connection.send(blocks_of(client)[0].tobytes())
        await connection.recv()
        await connection.send(wrong)
        with pytest.raises(ConnectionClosed) as closed:
            await connection.recv()
    # 1009 is the answer of the protocol itself to a message that is too long.
    assert closed.value.rcvd.code == (1009 if len(wrong) > 2**16 else SERVER.WRONG)


async def hurries(uri, client):
    """Sends everything before it reads the first answer."""
    blocks = blocks_of(client)
    async with connect(uri, compression=None) as connection:
        for x in blocks:
            await connection.send(x.tobytes())
        for wanted in alone(blocks):
            assert await connection.recv() == wanted


KINDS = (stays, leaves, stays, crashes, hurries, stays, babbles)


async def all_clients(uri):
    await asyncio.gather(*(KINDS[i % len(KINDS)](uri, i) for i in range(CLIENTS)))


def test_two_hundred_clients():
    batches = []

    async def main():
        server = SERVER.StreamServer(MODEL)
        compute = server.compute
        server.compute = lambda batch: batches.append(len(batch)) or compute(batch)
        async with server.listening("localhost", 0) as port:
            await asyncio.wait_for(all_clients(f"ws://localhost:{port}"), 60)
            for _ in range(100):
                if not len(server.streams):
                    break
                await asyncio.sleep(0.05)
            assert len(server.streams) == 0
            assert server.requests == []

    asyncio.run(main())
    # Requests of one tick ran together.
    assert max(batches) > 10


def test_a_process_that_is_told_to_end(tmp_path):
    """It closes the connections of clients that wait, and nothing is left behind."""
    path = tmp_path / "model.npz"
    path.write_bytes(BUNDLE)
    command = [sys.executable, "-W", "error", str(EXAMPLES / "stream_server.py")]
    command += [str(path), "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        uri = process.stdout.readline().split()[-1]

        async def main():
            await asyncio.wait_for(all_clients(uri), 60)
            async with connect(uri, compression=None) as connection:
                await connection.send(blocks_of(0)[0].tobytes())
                await connection.recv()
                process.send_signal(signal.SIGTERM)
                with pytest.raises(ConnectionClosed) as closed:
                    await asyncio.wait_for(connection.recv(), 30)
                assert closed.value.rcvd.code == 1001

        try:
            asyncio.run(main())
            out, errors = process.communicate(timeout=30)
        finally:
            process.kill()
    assert (process.returncode, out, errors) == (0, "stopped\n", "")


def test_one_client_too_many():
    async def main():
        server = SERVER.StreamServer(MODEL, clients=2)
        async with server.listening("localhost", 0) as port:
            uri = f"ws://localhost:{port}"
            async with connect(uri) as first, connect(uri) as second:
                for one in (first, second):
                    await one.send(blocks_of(0)[0].tobytes())
                    await one.recv()
                async with connect(uri) as third:
                    with pytest.raises(ConnectionClosed) as closed:
                        await third.recv()
            assert closed.value.rcvd.code == SERVER.LATER

    asyncio.run(asyncio.wait_for(main(), 30))


def test_the_fault_of_one_client_is_its_own():
    """An id that is not in the table fails; the others of its batch do not notice."""
    model = load(EMBEDDING)
    right = [np.array([i % 3 + 1, 2], "<f4") for i in range(20)]

    async def client(uri, ids, wanted):
        async with connect(uri, compression=None) as connection:
            for _ in range(3):
                await connection.send(ids[0].tobytes())
            for y in wanted:
                assert await connection.recv() == y
            if not wanted:
                with pytest.raises(ConnectionClosed, match="expected ids from 0 to"):
                    await connection.recv()

    async def main():
        server = SERVER.StreamServer(model, tick=0.05)
        async with server.listening("localhost", 0) as port:
            uri = f"ws://localhost:{port}"
            wrong = [client(uri, [np.array([1e6], "<f4")], []) for _ in range(2)]
            good = [client(uri, [x], alone([x] * 3, model)) for x in right]
            await asyncio.gather(*wrong, *good)

    asyncio.run(asyncio.wait_for(main(), 30))


def test_models_of_several_inputs_are_refused():
    several = goldens.Golden(goldens.FIXTURES / "keras-3.15" / "several_inputs_outputs")
    with pytest.raises(SERVER.InputError, match="one input and one output"):
        SERVER.StreamServer(load(several.bundle()))
