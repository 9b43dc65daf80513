"""Run and check bundles from the command line, with NumPy alone.

    python -m gru2np_runtime predict BUNDLE -i x.npy -o y.npy
    python -m gru2np_runtime check BUNDLE

Arguments and exit codes are those of ``gru2np``; a test compares them.
"""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from gru2np_runtime import Gru2npError, __version__
from gru2np_runtime.files import commands
from gru2np_runtime.files.arrays import Misuse
from gru2np_runtime.kernels.c.library import status

if TYPE_CHECKING:
    from collections.abc import Sequence


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
        "python -m gru2np_runtime predict model.npz -i x.npy -o y.npy",
        "python -m gru2np_runtime predict model.npz -i x.npy -o y.npy --resume",
    ),
    "check": (
        "python -m gru2np_runtime check model.npz",
        "PYTHONPATH=device python -m gru2np_runtime check device/model.npz",
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    parser = _parser()
    for stream in (sys.stdout, sys.stderr):
        # The encoding of a terminal may lack letters of a name.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
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
    parser.add_argument(
        "--version", action=_Version, nargs=0, help="print the version and the kernel"
    )
    parsers = parser.add_subparsers(dest="command", metavar="COMMAND")
    predict = _command(parsers, "predict", "run a bundle on the rows of a file")
    predict.add_argument(
        "bundle", metavar="BUNDLE", help="a file that gru2np export wrote"
    )
    predict.add_argument("rows", nargs="?", metavar="X", help="the same as -i X")
    predict.add_argument(
        "-i",
        "--input",
        metavar="X",
        help="a .npy, a .npz with arrays by input name, or a .csv table with a row for "
        "each sample; - for standard input",
    )
    predict.add_argument(
        "-o",
        "--output",
        metavar="Y",
        required=True,
        help="a .npy, a .npz with arrays by output name, or a .csv table; - for "
        "standard output, which is a table if X is one",
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
    predict.add_argument("--json", action="store_true", help="print one JSON object")
    predict.add_argument(
        "-q", "--quiet", action="store_true", help="print only warnings"
    )
    predict.set_defaults(run=_predict)
    check = _command(parsers, "check", "check every SHA-256 and replay the proof")
    check.add_argument(
        "bundle", metavar="BUNDLE", help="a file that gru2np export wrote"
    )
    _add_custom_objects(check)
    check.set_defaults(run=_check)
    return parser


class _Version(argparse.Action):
    """Prints the version and the kernel, which is looked for only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_given: object) -> None:
        print(f"{__version__}\n{status()}")
        parser.exit()


def _add_custom_objects(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--custom-objects",
        metavar="FILE.py",
        dest="objects",
        help="a Python file of yours, which is run: its dict custom_objects has your "
        "own layers, cells and functions by name",
    )


def _command(parsers: Any, name: str, about: str) -> argparse.ArgumentParser:
    """Add a command; its help ends with examples, as in gru2np."""
    examples = "".join(f"\n  {example}" for example in EXAMPLES[name])
    parser: argparse.ArgumentParser = parsers.add_parser(
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
    source = commands.one_input(options.rows, options.input)
    _must_exist(options.bundle)
    if source != "-":
        _must_exist(source)
    commands.predict(
        options.bundle,
        source,
        options.output,
        batch_size=options.batch_size,
        header=options.header,
        columns=options.columns,
        custom_objects=_objects(options),
        resume=options.resume,
        force=options.force,
        as_json=options.json,
        quiet=options.quiet,
    )


def _check(options: argparse.Namespace) -> int:
    _must_exist(options.bundle)
    holds = commands.check(options.bundle, _objects(options))
    return EXIT_CODES["done" if holds else "differs"]


def _objects(options: argparse.Namespace) -> str | None:
    """The file of custom objects."""
    if options.objects is not None:
        _must_exist(options.objects)
        if Path(options.objects).is_dir():
            raise Misuse(f"{options.objects!r} is a folder, expected a Python file")
    path: str | None = options.objects
    return path


def _must_exist(path: str) -> None:
    if not Path(path).exists():
        # Imported only for an error: the start must be fast.
        from gru2np_runtime.hints import like_path

        raise Misuse(f"there is no file {path!r}{like_path(path)}")


def run() -> NoReturn:
    """Run as a program, with the exit code of ``main``."""
    sys.exit(main())


if __name__ == "__main__":
    run()
