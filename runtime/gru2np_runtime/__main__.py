"""Run and check bundles from the command line, with NumPy alone.

    python -m gru2np_runtime predict BUNDLE x.npy -o y.npy
    python -m gru2np_runtime check BUNDLE

Exit codes are those of ``gru2np``: see EXIT_CODES.
"""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from gru2np_runtime import BundleError, Gru2npError, __version__, load
from gru2np_runtime.bundle.opening import open_bundle
from gru2np_runtime.files.arrays import Misuse, check_output
from gru2np_runtime.files.prediction import Interrupted, predict_file
from gru2np_runtime.files.tables import TableOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gru2np_runtime.custom_objects import CustomObjects

# The same as in gru2np, which the runtime cannot import; a test compares them.
EXIT_CODES = {
    "done": 0,
    "differs": 1,
    "usage": 2,
    "refused": 3,
    "internal": 70,
    "interrupted": 130,
    "broken_pipe": 141,
}

EXAMPLES = {
    "predict": (
        "python -m gru2np_runtime predict model.npz x.npy -o y.npy",
        "python -m gru2np_runtime predict model.npz x.npy -o y.npy --resume",
    ),
    "check": (
        "python -m gru2np_runtime check model.npz",
        "PYTHONPATH=device python -m gru2np_runtime check device/model.npz",
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    parser = _parser()
    try:
        options = parser.parse_args(arguments)
        if options.command is None:
            parser.print_help(sys.stderr)
            return EXIT_CODES["usage"]
        code: int | None = options.run(options)
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
        # Python would raise the error again when it flushes stdout at exit.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_CODES["broken_pipe"]
    except Exception as error:
        sys.excepthook(type(error), error, error.__traceback__)
        return EXIT_CODES["internal"]
    return code or EXIT_CODES["done"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m gru2np_runtime", description="Run gru2np bundles with NumPy."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    predict = _command(commands, "predict", "run a bundle on the rows of a file")
    predict.add_argument(
        "bundle", metavar="BUNDLE", help="a file that gru2np export wrote"
    )
    predict.add_argument(
        "input",
        metavar="INPUT",
        help="a .npy, a .npz with arrays by name, or a .csv; - for standard input",
    )
    predict.add_argument(
        "-o",
        "--output",
        required=True,
        help="the .npy, .npz or .csv to write; - for standard output",
    )
    predict.add_argument(
        "--batch-size", type=_positive, metavar="N", help="rows at once (default: 1024)"
    )
    predict.add_argument(
        "-f", "--force", action="store_true", help="replace an existing output"
    )
    predict.add_argument(
        "--header",
        action="store_true",
        default=None,
        help="the first line of a table has names",
    )
    predict.add_argument(
        "--no-header",
        dest="header",
        action="store_false",
        default=None,
        help="the first line of a table has numbers",
    )
    predict.add_argument(
        "--columns",
        metavar="A,B,...",
        help="the columns of a table to use, by name or by number from 1",
    )
    _add_custom_objects(predict)
    predict.add_argument(
        "--resume", action="store_true", help="continue an interrupted run"
    )
    predict.set_defaults(run=_predict)
    check = _command(commands, "check", "check every SHA-256 and replay the proof")
    check.add_argument(
        "bundle", metavar="BUNDLE", help="a file that gru2np export wrote"
    )
    _add_custom_objects(check)
    check.set_defaults(run=_check)
    return parser


def _add_custom_objects(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--custom-objects",
        metavar="FILE.py",
        dest="objects",
        help="a Python file of yours, which is run: its dict custom_objects has your "
        "own layers, cells and functions by name",
    )


def _custom_objects(options: argparse.Namespace) -> CustomObjects | None:
    if options.objects is None:
        return None
    from gru2np_runtime.custom_objects import read_custom_objects

    _must_exist(options.objects)
    return read_custom_objects(options.objects)


def _command(commands: Any, name: str, about: str) -> argparse.ArgumentParser:
    """Add a command; its help ends with examples, as in gru2np."""
    examples = "".join(f"\n  {example}" for example in EXAMPLES[name])
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=about,
        epilog=f"examples:{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected at least 1, got {text!r}")
    return int(text)


def _predict(options: argparse.Namespace) -> None:
    for path in (options.bundle, options.input):
        if path != "-" or path is options.bundle:
            _must_exist(path)
    piped = options.output == "-"
    if piped and options.resume:
        raise Misuse(
            "--resume needs an output file: nothing is kept for standard output"
        )
    if not piped:
        inputs = [options.bundle, options.input]
        check_output(options.output, force=options.force, inputs=inputs)
    try:
        prediction = predict_file(
            load(options.bundle, custom_objects=_custom_objects(options)),
            sys.stdin.buffer if options.input == "-" else options.input,
            sys.stdout.buffer if piped else options.output,
            batch_size=options.batch_size,
            table=TableOptions(options.header, options.columns),
            bundle=options.bundle,
            resume=options.resume,
            force=options.force,
        )
    except Interrupted as stopped:
        print(stopped, file=sys.stderr)
        raise
    if not piped and not sys.stdout.isatty():
        print(options.output)
    where = "standard output" if piped else options.output
    for name, shape, dtype in prediction.outputs:
        print(f"wrote {where}: {name} {shape} {dtype}", file=sys.stderr)


def _check(options: argparse.Namespace) -> int:
    from gru2np_runtime.proof.checking import check

    _must_exist(options.bundle)
    try:
        opened = open_bundle(options.bundle, _custom_objects(options))
        checked = check(opened, opened.model())
    except BundleError as error:
        raise BundleError(f"{options.bundle}: {error}") from None
    print(f"{options.bundle}: {checked}")
    return EXIT_CODES["differs" if checked.differs else "done"]


def _must_exist(path: str) -> None:
    if not Path(path).exists() or Path(path).is_dir():
        raise Misuse(f"there is no file {path!r}")


def run() -> NoReturn:
    """Run as a program, with the exit code of ``main``."""
    sys.exit(main())


if __name__ == "__main__":
    run()
