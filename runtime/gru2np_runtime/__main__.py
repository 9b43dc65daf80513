"""Run a bundle from the command line, with NumPy alone.

    python -m gru2np_runtime predict BUNDLE x.npy -o y.npy
    python -m gru2np_runtime check BUNDLE

Exit codes are those of ``gru2np``: see EXIT_CODES.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from gru2np_runtime import BundleError, Gru2npError, __version__, load
from gru2np_runtime._arrays import Misuse, check_output
from gru2np_runtime._files import predict_file
from gru2np_runtime._load import read_bundle

if TYPE_CHECKING:
    from collections.abc import Sequence

# A test holds this against the table of gru2np, which the runtime cannot import.
EXIT_CODES = {
    "done": 0,
    "differs": 1,
    "usage": 2,
    "refused": 3,
    "internal": 70,
    "interrupted": 130,
    "broken_pipe": 141,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    parser = _parser()
    try:
        options = parser.parse_args(arguments)
        if options.command is None:
            parser.print_help(sys.stderr)
            return EXIT_CODES["usage"]
        options.run(options)
        sys.stdout.flush()
    except Misuse as error:
        print(f"Error: {error}", file=sys.stderr)
        return EXIT_CODES["usage"]
    except Gru2npError as error:
        print(f"Error: {error}", file=sys.stderr)
        return EXIT_CODES["refused"]
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return EXIT_CODES["interrupted"]
    except BrokenPipeError:
        # Python would complain once more when it flushes at the end.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_CODES["broken_pipe"]
    except Exception as error:
        sys.excepthook(type(error), error, error.__traceback__)
        return EXIT_CODES["internal"]
    return EXIT_CODES["done"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m gru2np_runtime", description="Run gru2np bundles with NumPy."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    predict = commands.add_parser("predict", help="score the rows of a file")
    predict.add_argument("bundle", metavar="BUNDLE", help="made by gru2np export")
    predict.add_argument(
        "input", metavar="INPUT", help=".npy, or .npz with arrays by name; - for stdin"
    )
    predict.add_argument(
        "-o", "--output", required=True, help=".npy or .npz to write; - for stdout"
    )
    predict.add_argument(
        "--batch-size", type=_positive, metavar="N", help="rows at once (1024)"
    )
    predict.add_argument(
        "-f", "--force", action="store_true", help="replace an existing output"
    )
    predict.set_defaults(run=_predict)
    check = commands.add_parser("check", help="check every weight's SHA-256")
    check.add_argument("bundle", metavar="BUNDLE", help="made by gru2np export")
    check.set_defaults(run=_check)
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected at least 1, got {text!r}")
    return int(text)


def _predict(options: argparse.Namespace) -> None:
    for path in (options.bundle, options.input):
        if path != "-" or path is options.bundle:
            _must_exist(path)
    if options.output != "-":
        inputs = [options.bundle, options.input]
        check_output(options.output, force=options.force, inputs=inputs)
    prediction = predict_file(
        load(options.bundle),
        sys.stdin.buffer if options.input == "-" else options.input,
        sys.stdout.buffer if options.output == "-" else options.output,
        batch_size=options.batch_size,
    )
    piped = options.output == "-"
    if not piped and not sys.stdout.isatty():
        print(options.output)
    where = "standard output" if piped else options.output
    for name, shape, dtype in prediction.outputs:
        print(f"wrote {where}: {name} {shape} {dtype}", file=sys.stderr)


def _check(options: argparse.Namespace) -> None:
    _must_exist(options.bundle)
    manifest, arrays = read_bundle(options.bundle)
    wrong = [
        record.path
        for record in manifest.weights
        if hashlib.sha256(arrays[record.path].tobytes()).hexdigest() != record.sha256
    ]
    if wrong:
        lines = "".join(f"\n  - {path}" for path in wrong)
        raise BundleError(
            f"{options.bundle}: weights that are not those exported, for their "
            f"SHA-256 differs from the manifest:{lines}"
        )
    numbers = sum(array.size for array in arrays.values())
    print(
        f"{options.bundle}: sound: {len(arrays)} weights, {numbers:,} numbers, "
        "every SHA-256 as the manifest says"
    )


def _must_exist(path: str) -> None:
    if not Path(path).exists() or Path(path).is_dir():
        raise Misuse(f"there is no file {path!r}")


def run() -> NoReturn:
    """Run as a program."""
    sys.exit(main())


if __name__ == "__main__":
    run()
