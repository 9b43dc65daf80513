"""What ``predict`` and ``check`` do, in both command lines.

``gru2np`` and ``python -m gru2np_runtime`` parse arguments in their own ways, and call
these.  Results go to standard output, notes to standard error.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gru2np_runtime.bundle.opening import open_bundle
from gru2np_runtime.custom_objects import given
from gru2np_runtime.errors import BundleError, plain
from gru2np_runtime.files.arrays import Misuse, check_output, lacks_suffix
from gru2np_runtime.files.prediction import Interrupted, predict_file
from gru2np_runtime.files.tables import TableOptions
from gru2np_runtime.kernels.c.library import missing
from gru2np_runtime.loading import load

if TYPE_CHECKING:
    from gru2np_runtime.files.prediction import Prediction, Progress


def predict(
    bundle: str,
    source: str,
    output: str,
    *,
    batch_size: int | None = None,
    header: bool | None = None,
    columns: str | None = None,
    custom_objects: str | None = None,
    resume: bool = False,
    force: bool = False,
    as_json: bool = False,
    quiet: bool = False,
    progress: Progress | None = None,
) -> None:
    """Run a bundle on the rows of a file, and print the path of the output.

    Args:
        bundle: path of the bundle.
        source: path of the inputs; ``-`` for standard input.
        output: path of the outputs; ``-`` for standard output.  Without a suffix it
            gets that of their format.
        batch_size: rows at once.
        header: whether the first line of a table has names.
        columns: the columns of a table to use.
        custom_objects: path of a file that defines those of the bundle.
        resume: continue an interrupted run.
        force: replace an existing output.
        as_json: print one JSON object instead of the path.
        quiet: print no notes.
        progress: called with the numbers of finished and of all rows.

    Raises:
        Misuse: arguments that do not go together, or an output that exists.
        Gru2npError: the bundle or the inputs are refused, or the output cannot be
            written.
    """
    piped = output == "-"
    if piped and as_json:
        raise Misuse(
            "--json and the output both go to standard output: name an output file "
            "with -o"
        )
    if piped and resume:
        raise Misuse(
            "--resume needs an output file: nothing is kept for standard output: name "
            "one with -o"
        )
    if not piped and not lacks_suffix(output):
        paths = (bundle, source if source != "-" else None, custom_objects)
        inputs = [path for path in paths if path is not None]
        check_output(output, force=force, inputs=inputs)
    own = given(custom_objects)
    try:
        model = load(bundle, custom_objects=own)
    except BundleError as error:
        raise BundleError(f"{bundle}: {error}") from None
    try:
        prediction = predict_file(
            model,
            sys.stdin.buffer if source == "-" else source,
            sys.stdout.buffer if piped else output,
            batch_size=batch_size,
            progress=progress,
            table=TableOptions(header, columns),
            bundle=bundle,
            resume=resume,
            force=force,
        )
    except Interrupted as stopped:
        print(stopped, file=sys.stderr)
        raise
    written = prediction.target or "standard output"
    if as_json:
        print(json.dumps(_record(prediction), indent=2))
    elif not piped and not sys.stdout.isatty():
        print_path(written)
    if quiet:
        return
    if not piped and written != output:
        kind = Path(written).suffix
        print(f"Note: {output} has no suffix, so {kind} is added", file=sys.stderr)
    for name, shape, dtype in prediction.outputs:
        text = plain(f"wrote {written}: {name} {shape} {dtype}")
        print(text, file=sys.stderr)


def print_path(path: str) -> None:
    """Print a path alone on a line, for another program; its bytes if it is no text."""
    try:
        path.encode()
    except UnicodeEncodeError:
        sys.stdout.flush()
        sys.stdout.buffer.write(os.fsencode(path) + b"\n")
    else:
        print(path)


def _record(prediction: Prediction) -> dict[str, Any]:
    """What ``predict --json`` prints."""
    return {
        "schema": "gru2np/predict/1",
        "output": prediction.target,
        "rows": prediction.rows,
        "batch_size": prediction.batch_size,
        "outputs": [
            {"name": name, "shape": list(shape), "dtype": dtype}
            for name, shape, dtype in prediction.outputs
        ],
    }


def one_input(argument: str | None, option: str | None) -> str:
    """The input, which is given as an argument or with ``-i``.

    Raises:
        Misuse: it is given twice, or not at all.
    """
    if argument is not None and option is not None:
        raise Misuse(f"the input is given twice: leave out {argument!r} or -i {option}")
    given = argument if option is None else option
    if given is None:
        raise Misuse("the input is missing: predict BUNDLE -i x.npy -o y.npy")
    return given


def check(bundle: str, custom_objects: str | None = None) -> bool:
    """Check a bundle and print the result; whether its proof holds here.

    Args:
        bundle: path of the bundle.
        custom_objects: path of a file that defines those of the bundle.

    Raises:
        BundleError: the bundle breaks a rule.
        CustomObjectError: the file fails.
    """
    from gru2np_runtime.proof.checking import check as checked

    own = given(custom_objects)
    try:
        opened = open_bundle(bundle, own)
        result = checked(opened, opened.model())
    except BundleError as error:
        raise BundleError(f"{bundle}: {error}") from None
    print(f"{bundle}: {result}")
    reason = missing()
    if reason:
        print(
            f"Note: the compiled kernel does not run, NumPy does: {reason}",
            file=sys.stderr,
        )
    return not result.differs
