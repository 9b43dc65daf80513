"""Tables, and predictions from and to them."""

import gru2np
from command_line import run_predict
from modelfiles import fixture


def exported(case, folder):
    name = "model.h5" if case.startswith("keras-2") else "model.keras"
    gru2np.export(fixture(case, name), folder / "model.npz")
    return folder / "model.npz"


def predicted(bundle, source, out, *more, **options):
    return run_predict(bundle, "-i", source, "-o", out, *more, **options)


def table_of(rows, header=None, delimiter=","):
    lines = [] if header is None else [delimiter.join(header)]
    lines += [delimiter.join(map(str, row)) for row in rows]
    return "\n".join(lines) + "\n"
