"""Two distributions: no file belongs to both, and the runtime lives without gru2np."""

import email
import os
import re
import runpy
import subprocess
import sys
import tarfile
import venv
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import pytest

import goldens
import gru2np
import matrix
from gru2np_runtime import __version__
from main_job import main_job
from release import dist

CONVERTER, RUNTIME, PURE = "gru2np", "gru2np-runtime", "gru2np-runtime, pure"
# The folder of the package that each holds.
SOURCES = {
    CONVERTER: goldens.ROOT / "converter" / "gru2np",
    RUNTIME: goldens.ROOT / "runtime" / "gru2np_runtime",
    PURE: goldens.ROOT / "runtime" / "gru2np_runtime",
}
LIBRARY = {"kernels/c/source/libgru2np.so", "kernels/c/source/libgru2np.crc"}
DEPENDENCIES = ("click", "google-crc32c", "h5py", "numpy")
EACH = pytest.mark.parametrize("name", SOURCES)


def run(python, *arguments, **options):
    """What a Python that sees its own packages alone says, and its exit code."""
    command = [str(python), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, **options)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """What ``make dist`` makes."""
    return dist.make(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def wheels(files):
    """The wheels that pip takes here, and the one of the runtime for elsewhere."""
    found = [path for path in files if path.suffix == ".whl"]
    assert len(found) == 3
    return {
        CONVERTER: next(p for p in found if p.name.startswith("gru2np-")),
        RUNTIME: next(p for p in found if not p.name.endswith("-any.whl")),
        PURE: next(p for p in found if re.match(r"gru2np_runtime-.*-any\.whl", p.name)),
    }


NEW = ("ls-files", "--others", "--exclude-standard")


def run_git(*arguments):
    """The files that git names."""
    if not (goldens.ROOT / ".git").exists():
        pytest.skip("no clone: nothing says which files belong to the repository")
    command = ["git", "-c", "core.quotePath=off", *arguments]
    done = subprocess.run(command, cwd=goldens.ROOT, capture_output=True, check=True)
    return set(done.stdout.decode().splitlines())


def files_of(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


def metadata(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith("dist-info/METADATA"))
        return email.message_from_bytes(archive.read(name))


def test_no_file_belongs_to_both(wheels):
    assert not files_of(wheels[CONVERTER]) & files_of(wheels[RUNTIME])


@EACH
def test_a_wheel_holds_its_package_and_nothing_else(wheels, name):
    package = SOURCES[name]
    kept = {
        path.relative_to(package.parent).as_posix()
        for path in package.rglob("*")
        if path.is_file() and path.suffix != ".pyc" and "libgru2np." not in path.name
    }
    if name == RUNTIME and sys.platform != "win32":
        kept |= {f"gru2np_runtime/{path}" for path in LIBRARY}
    found = {path for path in files_of(wheels[name]) if ".dist-info/" not in path}
    assert found == kept


@EACH
def test_no_file_has_the_time_at_which_it_was_built(wheels, name):
    """So the same sources give the same bytes."""
    with zipfile.ZipFile(wheels[name]) as archive:
        times = {info.date_time for info in archive.infolist()}
    assert times == {(2020, 2, 2, 0, 0, 0)}


def test_an_index_and_its_users_take_the_files(files, wheels, capfd):
    dist.check(files)
    out = capfd.readouterr().out
    assert out.count("PASSED") == len(files) == 5
    if sys.platform == "linux":
        assert re.search(r"-(many|musl)linux_?\d", wheels[RUNTIME].name)
        assert "is consistent with" in out


def test_the_source_distributions_are_whole(files):
    """That of gru2np is the repository, that of the runtime its folder."""
    listed, new = run_git("ls-files"), run_git(*NEW)
    for path in files:
        if path.name.endswith(".tar.gz"):
            with tarfile.open(path) as archive:
                names = {name.partition("/")[2] for name in archive.getnames()}
            folder = "runtime/" if "runtime" in path.name else ""
            kept, added = (
                {name[len(folder) :] for name in found if name.startswith(folder)}
                for found in (listed, new)
            )
            assert names >= kept
            assert names - kept <= {"PKG-INFO", ".gitignore", *added}


@EACH
def test_the_version_is_that_of_the_runtime(wheels, name):
    assert metadata(wheels[name])["Version"] == __version__


@EACH
def test_a_wheel_carries_readme_and_licence(wheels, name):
    title = name.partition(",")[0]
    assert metadata(wheels[name]).get_payload().startswith(f"# {title}\n")
    with zipfile.ZipFile(wheels[name]) as archive:
        (path,) = (n for n in archive.namelist() if n.endswith("licenses/LICENSE"))
        assert archive.read(path) == (goldens.ROOT / "LICENSE").read_bytes()


def test_gru2np_needs_the_runtime_of_its_version(wheels):
    needed = metadata(wheels[CONVERTER]).get_all("Requires-Dist")
    assert f"gru2np-runtime=={__version__}" in needed
    for name in (RUNTIME, PURE):
        assert metadata(wheels[name]).get_all("Requires-Dist") == ["numpy>=1.22"]


@EACH
def test_the_metadata_name_each_python_that_is_tested(wheels, name):
    found = metadata(wheels[name])
    oldest = found["Requires-Python"].removeprefix(">=")
    named = [c.rpartition(" ")[2] for c in found.get_all("Classifier") if ":: 3." in c]
    tested = list(matrix.OLDEST)
    begin = tested.index(oldest)
    assert len(named) > 3
    assert named == tested[begin : begin + len(named)]
    assert found["Author"] == "gru2np contributors"
    assert len(found["Keywords"].split(",")) > 5


HOOK = runpy.run_path(str(goldens.ROOT / "runtime" / "hatch_metadata.py"))
READMES = pytest.mark.parametrize("folder", [".", "runtime"])


@READMES
def test_links_of_a_long_description_work_on_an_index(folder):
    address = "https://forge.example/owner/gru2np"
    text = (goldens.ROOT / folder / "README.md").read_text("utf-8")
    found = HOOK["outside"](text, folder, address, "1.2.3")
    targets = re.findall(r"\]\(([^)]+)\)", found)
    assert targets
    for target in targets:
        kind, version, path = target.removeprefix(f"{address}/").split("/", 2)
        assert (kind, version) == ("blob", "v1.2.3")
        assert (goldens.ROOT / path.partition("#")[0]).is_file()
    assert "[[[" not in found


@READMES
def test_without_an_address_no_link_of_a_long_description_is_broken(folder):
    text = (goldens.ROOT / folder / "README.md").read_text("utf-8")
    assert "](" not in HOOK["outside"](text, folder, "", "1.2.3")


def test_a_link_elsewhere_and_a_picture():
    text = "[a](https://a.example/b) [c](#c) ![d](docs/d.png)"
    found = HOOK["outside"](text, ".", "https://f.example/g", "1.0")
    end = "![d](https://f.example/g/raw/v1.0/docs/d.png)"
    assert found == f"[a](https://a.example/b) [c](#c) {end}"


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
def pip(clean):
    """Runs pip in that Python."""

    def command(*arguments):
        options = ("-m", "pip", "--python", clean)
        environment = {**os.environ, "PYTHONPATH": ""}
        return run(sys.executable, *options, *arguments, env=environment)

    return command


@pytest.fixture
def install(pip):
    """A function that installs wheels in the place of what is there."""

    def command(*wheels):
        offline = ("--no-index", "--no-deps", "--no-compile", "--force-reinstall")
        done = pip("install", *offline, *wheels)
        assert done.returncode == 0, done.stderr

    return command


@pytest.mark.parametrize(("runtime", "kernel"), [(RUNTIME, "c"), (PURE, "numpy")])
def test_the_main_job_where_the_wheels_are_installed(
    install, clean, wheels, tmp_path, runtime, kernel
):
    """``make proof`` does this with every Python and every kind of NumPy."""
    install(wheels[CONVERTER], wheels[runtime])
    _, used, package = main_job(clean, tmp_path)
    assert used == kernel
    assert Path(package).is_relative_to(clean.parent.parent)


def test_the_runtime_lives_without_gru2np(install, pip, clean, wheels, tmp_path):
    install(wheels[CONVERTER], wheels[RUNTIME])
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


def test_the_error_where_the_runtime_is_missing(install, pip, clean, wheels):
    install(wheels[CONVERTER], wheels[RUNTIME])
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
        for line in page.read_text("utf-8", "replace").splitlines()
        if re.search(r"pip install.*\s'?\.['\[\s`]", line + " ")
    ]
    assert len(commands) >= 5
    assert [line for line in commands if "./runtime" not in line] == []
