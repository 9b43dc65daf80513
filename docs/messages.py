"""What Keras 3 says to old files, and the way on: the sections of ``upgrade.md``.

``fixtures/make/messages.py`` opens the files in Keras and records what it says in
``fixtures/messages.json``.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "fixtures"


@dataclass(frozen=True)
class Message:
    """A message of Keras.

    Attributes:
        said: the part that people search for.
        case: the fixture that it is shown with.
        why: what is behind it.
        command: the way on; ``model.h5`` and so on stand for the fixture.
        like: a pattern of the messages of this kind, to count them; empty if they are
            not counted.
    """

    said: str
    case: str
    why: str
    command: str = "gru2np upgrade model.h5"
    like: str = ""


# By the names of ``fixtures/make/messages.py``, the most frequent first.
MESSAGES = {
    "time_major": Message(
        "Unrecognized keyword arguments passed to GRU: {'time_major': False}",
        "tf-2.10/gru",
        "tf.keras wrote the option `time_major` into every recurrent layer. Keras 3 "
        "has no such option, and refuses the file even where it is False. The same is "
        "said of LSTM, SimpleRNN, RNN and ConvLSTM2D, and of `implementation`.",
        like=r"Unrecognized keyword arguments passed to",
    ),
    "class": Message(
        "Could not locate class 'GRU'. Make sure custom classes and functions are "
        "decorated with `@keras.saving.register_keras_serializable()`",
        "keras-2.2/bidirectional",
        "The layer is Keras' own, and the advice of the message does not help. Old "
        "files name no module for a layer inside a Bidirectional or a "
        "TimeDistributed. The same is said of Functional in files of tf-keras, and of "
        "Sequential in the text of `to_json()`.",
        like=r"Could not locate class",
    ),
    "pop": Message(
        "pop expected at most 1 argument, got 2",
        "keras-2.0/mixed_stack",
        "Until Keras 2.2.3 the layers of a Sequential model were a list, where today "
        "they are in a dict.",
        like=r"pop expected at most 1 argument",
    ),
    "operations": Message(
        "Unknown layer: 'TFOpLambda'",
        "tf-2.4/masked_operation",
        "TensorFlow 2 wrote an operation on tensors, such as `x + y`, as a layer "
        "TFOpLambda, SlicingOpLambda or TensorFlowOpLayer. The new file has the "
        "operations of Keras 3.",
        like=r"Unknown layer: '(TFOp|SlicingOp|TensorFlowOp)",
    ),
    "cudnn": Message(
        "Unknown layer: 'CuDNNGRU'",
        "keras-2.2/cudnn_gru",
        "Today's GRU and LSTM use the GPU by themselves, and the classes CuDNNGRU and "
        "CuDNNLSTM are gone. Their weights are stored in another order; the new file "
        "has a GRU or an LSTM.",
        like=r"'CuDNN",
    ),
    "ndim": Message(
        "is incompatible with the layer: expected ndim=3, found ndim=4",
        "keras-2.2/embedding_mask",
        "Keras 2 wrote the input of a Sequential model into its first layer, and for "
        "an Embedding Keras 3 reads a shape with an axis too many there.",
        like=r"is incompatible with the layer: expected ndim",
    ),
    "units": Message(
        "GRU.__init__() missing 1 required positional argument: 'units'",
        "keras-1.2/gru",
        "This is a file of Keras 1, which called the option `output_dim`. Nearly every "
        "option had another name, and matrices of each gate were stored apart.",
        like=r"__init__\(\) missing \d required",
    ),
    "module": Message(
        "Could not deserialize class 'Functional' because its parent module "
        "keras.src.engine.functional cannot be imported",
        "tf-2.13/frozen_nested",
        "A `.keras` file of TensorFlow 2.12 to 2.15 names modules that Keras 3 has "
        "moved.",
        "gru2np upgrade model.keras",
        like=r"because its parent module",
    ),
    "inputs": Message(
        'Layer "decoder" expects 1 input(s), but it received 3 input tensors',
        "keras-2.2/encoder_decoder",
        "The layer was called with initial states, as decoders are. Keras 3 reads them "
        "as further inputs.",
        like=r"expects 1 input\(s\), but it received",
    ),
    "initializer": Message(
        "GlorotUniform.__init__() got an unexpected keyword argument 'dtype'",
        "tf-1.13/masking_gru",
        "TensorFlow 1 wrote a dtype into every initializer.",
        like=r"GlorotUniform'>",
    ),
    "bias": Message(
        "Weight expects shape (2, 12). Received saved weight with shape (12,)",
        "keras-2.0/masking_gru",
        "Before Keras 2.1.5 a GRU had no option `reset_after`. Keras 3 takes its own "
        "default, which has a bias of two rows, and multiplies in another order.",
        like=r"Shape mismatch in layer",
    ),
    "slash": Message(
        "Argument `name` must be a string and cannot contain character `/`",
        "keras-2.2/slash_names",
        "Names of layers could have a slash. The new file has other names for them, "
        "which are listed.",
    ),
    "format": Message(
        "File format not supported",
        "tf-2.4/mixed_stack_savedmodel",
        "Keras 3 opens no SavedModel folder. The `TFSMLayer` that it advises runs the "
        "model as it is, and has no layers and nothing to train.",
        "gru2np upgrade saved",
    ),
    "variables": Message(
        "Layer 'gru_cell' expected 3 variables, but received 0 variables during "
        "loading",
        "tf-2.12/nested_twice_json",
        "`.weights.h5` files of TensorFlow 2.12 to 2.15 have other paths inside than "
        "those of Keras 3, which finds none of the weights. They go together with the "
        "text that `model.to_json()` wrote.",
        "gru2np upgrade architecture.json --weights weights.h5",
    ),
    "marshal": Message(
        "EOF read where object expected",
        "keras-2.2/several_gpus",
        "A Lambda layer is in the file as code of the Python that saved it, and "
        "another Python says this, or `bad marshal data (unknown type code)`. With "
        "`safe_mode=True` Keras 3 says *Requested the deserialization of a `Lambda` "
        "layer*. gru2np never runs such code, and names the layers. Write them as "
        "[custom objects](custom-objects.md), and export the model; or [leave them "
        "out](parts.md).",
    ),
    "batch_shape": Message(
        "Unrecognized keyword arguments: ['batch_shape']",
        "keras-3.15/gru",
        "The other way round: the file is of Keras 3, and the Keras that opens it is "
        "Keras 2, as in TensorFlow 2.15 and before. There is no way back for the file. "
        "The model runs without Keras.",
        "gru2np export model.keras",
    ),
}


def record() -> dict[str, dict[str, str]]:
    """What Keras said."""
    found: dict[str, dict[str, str]] = json.loads(
        (FIXTURES / "messages.json").read_text("utf-8")
    )
    return found


def counted(like: str) -> tuple[int, int]:
    """How many old files Keras 3 refuses with such a message, and of how many."""
    files = json.loads((FIXTURES / "reopened.json").read_text("utf-8"))["files"]
    errors = [file.get("error", "") for file in files.values()]
    return sum(re.search(like, error) is not None for error in errors), len(errors)


def sections() -> str:
    """A section for each message."""
    parts = []
    for message in MESSAGES.values():
        parts.append(f"### `{message.said.replace('`', chr(39))}`")
        why = message.why
        if message.like:
            count, total = counted(message.like)
            why += f" ({count} of {total} files.)"
        parts.append(why)
        parts.append(f"```console\n$ {message.command}\n{printed(message)}\n```")
    return "\n\n".join(parts)


def printed(message: Message) -> str:
    """What the command of a message prints, in a folder with its files."""
    program, *arguments = message.command.split()
    assert program == "gru2np"
    with tempfile.TemporaryDirectory() as folder:
        source = FIXTURES / message.case
        shutil.copytree(source, folder, dirs_exist_ok=True)
        if "saved" in arguments:
            (Path(folder) / "model").rename(Path(folder) / "saved")
        done = subprocess.run(
            [sys.executable, "-m", "gru2np", *arguments],
            cwd=folder,
            env={**os.environ, "NO_COLOR": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    # The path on standard output is repeated in the next line.
    lines = done.stdout.strip().splitlines()
    shown = lines[1:] if done.returncode == 0 else lines
    return "\n".join(line for line in shown if not line.startswith("Note: the loss,"))


def without_a_message() -> str:
    """What Keras 3 opens, and computes otherwise."""
    data = json.loads((FIXTURES / "reopened.json").read_text("utf-8"))
    outcomes = [file["outcome"] for file in data["files"].values()]
    opened = len(outcomes) - outcomes.count("fails")
    return (
        f"Keras {data['keras']} opens {opened} of these {len(outcomes)} files, and "
        f"{outcomes.count('other')} of them give other numbers than they gave, without "
        "a word. Most are of Keras 2.0 to 2.3: `hard_sigmoid` had another slope, and "
        "masks had other rules. [Ten years of "
        "Keras](reference/generations.md#what-keras-3-makes-of-older-files) lists "
        "them. If your old file opens in Keras 3, upgrade it all the same; and if the "
        "numbers of a model changed with the update of Keras, this is why."
    )
