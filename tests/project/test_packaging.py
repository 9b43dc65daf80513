"""Two distributions: no file belongs to both, and the runtime lives without gru2np."""

import email
import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import pytest

import goldens
import gru2np
from gru2np_runtime import __version__

CONVERTER, RUNTIME = "gru2np", "gru2np-runtime"
# Where each is built, and the folder of its package.
SOURCES = {
    CONVERTER: (goldens.ROOT, goldens.ROOT / "converter" / "gru2np"),
    RUNTIME: (goldens.ROOT / "runtime", goldens.ROOT / "runtime" / "gru2np_runtime"),
}
DEPENDENCIES = ("click", "google-crc32c", "h5py", "numpy")
BOTH = pytest.mark.parametrize("name", SOURCES)


def run(python, *arguments, **options):
    """What a Python that sees its own packages alone says, and its exit code."""
    command = [str(python), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, **options)


def built(source, target, out):
    """The one file that hatchling makes of a folder."""
    command = ("-m", "hatchling", "build", "-t", target, "-d", out)
    done = run(sys.executable, *command, cwd=source)
    assert done.returncode == 0, done.stderr
    (path,) = out.iterdir()
    return path


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """Both, each made of what its source distribution holds."""
    made = {}
    for name, (source, _) in SOURCES.items():
        folder = tmp_path_factory.mktemp(name)
        archive = built(source, "sdist", folder / "sdist")
        shutil.unpack_archive(archive, folder / "source", filter="data")
        (unpacked,) = (folder / "source").iterdir()
        made[name] = built(unpacked, "wheel", folder / "wheel")
    return made


def files_of(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def metadata(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith("dist-info/METADATA"))
        return email.message_from_bytes(archive.read(name))


def test_no_file_belongs_to_both(wheels):
    assert not files_of(wheels[CONVERTER]) & files_of(wheels[RUNTIME])


@BOTH
def test_a_wheel_holds_its_package_and_nothing_else(wheels, name):
    _, package = SOURCES[name]
    kept = {
        path.relative_to(package.parent).as_posix()
        for path in package.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    found = {path for path in files_of(wheels[name]) if ".dist-info/" not in path}

    def source(paths):
        # The library is compiled where there is a compiler.
        return {path for path in paths if "libgru2np." not in path}

    assert source(found) == source(kept)


@BOTH
def test_the_version_is_that_of_the_runtime(wheels, name):
    assert metadata(wheels[name])["Version"] == __version__


@BOTH
def test_a_wheel_carries_readme_and_licence(wheels, name):
    assert metadata(wheels[name]).get_payload().startswith(f"# {name}\n")
    with zipfile.ZipFile(wheels[name]) as archive:
        (path,) = (n for n in archive.namelist() if n.endswith("licenses/LICENSE"))
        assert archive.read(path) == (goldens.ROOT / "LICENSE").read_bytes()


def test_gru2np_needs_the_runtime_of_its_version(wheels):
    needed = metadata(wheels[CONVERTER]).get_all("Requires-Dist")
    assert f"gru2np-runtime=={__version__}" in needed
    assert metadata(wheels[RUNTIME]).get_all("Requires-Dist") == ["numpy>=1.22"]


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """A Python with what both need, by links: no index is asked."""
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    if not python.exists():
        pytest.skip("the folders of a virtual environment have other names here")
    where = "import sysconfig; print(sysconfig.get_path('platlib'))"
    site = Path(run(python, "-Ic", where, check=True).stdout.strip())
    for name in DEPENDENCIES:
        found = distribution(name)
        for entry in {Path(file).parts[0] for file in found.files} - {"..", "bin"}:
            (site / entry).symlink_to(found.locate_file(entry))
    return python


@pytest.fixture
def pip(clean, wheels):
    """Runs pip where both wheels are installed."""

    def command(*arguments):
        options = ("-m", "pip", "--python", clean)
        environment = {**os.environ, "PYTHONPATH": ""}
        return run(sys.executable, *options, *arguments, env=environment)

    offline = ("--no-index", "--no-deps", "--no-compile", "--force-reinstall")
    done = command("install", *offline, *wheels.values())
    assert done.returncode == 0, done.stderr
    return command


def test_the_runtime_lives_without_gru2np(pip, clean, tmp_path):
    golden = goldens.Golden(goldens.FIXTURES / "keras-2.2" / "gru")
    gru2np.export(golden.files()[0], tmp_path / "m.npz")
    np.save(tmp_path / "x.npy", golden.arrays(0, "x")[0])
    assert pip("check").returncode == 0
    assert pip("uninstall", "-y", CONVERTER).returncode == 0
    assert run(clean, "-Ic", "import gru2np").returncode == 1
    code = (
        "import numpy, gru2np_runtime as runtime; x = numpy.load('x.npy'); "
        "numpy.save('y.npy', runtime.load('m.npz').predict(x)); print(runtime.__file__)"
    )
    done = run(clean, "-Ic", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout).is_relative_to(clean.parent.parent)
    golden.close(np.load(tmp_path / "y.npy"), golden.arrays(0, "y")[0])
    assert pip("check").returncode == 0


def test_the_error_where_the_runtime_is_missing(pip, clean):
    assert pip("uninstall", "-y", RUNTIME).returncode == 0
    found = pip("check")
    assert found.returncode == 1
    assert f"{CONVERTER} {__version__} requires {RUNTIME}, which is not" in found.stdout
    model = goldens.FIXTURES / "keras-2.2" / "gru" / "model.h5"
    for arguments in (["--version"], ["inspect", model]):
        done = run(clean, "-Im", "gru2np", *arguments)
        assert done.returncode == 3
        assert done.stderr.splitlines() == [
            "Error: gru2np-runtime is not installed: pip check shows the version to "
            "install"
        ]


def test_no_page_installs_gru2np_alone():
    """An index would be asked for the runtime."""
    pages = [goldens.ROOT / "Makefile", goldens.ROOT / ".ci" / "run"]
    for folder in ("docs", "examples", "benchmarks", "runtime", "tests"):
        pages += (goldens.ROOT / folder).rglob("*")
    pages += goldens.ROOT.glob("*.md")
    commands = [
        line
        for page in pages
        if page.suffix in ("", ".md", ".py", ".sh") and page.is_file()
        if page.name != Path(__file__).name
        for line in page.read_text("utf-8").splitlines()
        if re.search(r"pip install.*\s'?\.['\[\s`]", line + " ")
    ]
    assert len(commands) >= 5
    assert [line for line in commands if "./runtime" not in line] == []
