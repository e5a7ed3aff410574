"""What people install: the wheel is complete, and works without the source folder and without a network."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from fedcli import __version__

ROOT = Path(__file__).resolve().parents[1]

# One process makes the wheel once; workers of pytest-xdist keep a module's tests together only when told to.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("packaging")]


def run(*command: str | Path, cwd: Path) -> str:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "PYTEST", "COV"))}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment's folder of programs: the wheel, and this environment's dependencies by a path entry.

    The path entry does not reach an editable installation of fedcli: its own ``.pth`` file is not read from there.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip())
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", "utf-8")
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel, cwd=folder)
    return folder / "bin"


def test_wheel_holds_every_module_and_every_page(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    source = [path for suffix in ("*.py", "*.md") for path in (ROOT / "fedcli").rglob(suffix)]
    assert {path.relative_to(ROOT).as_posix() for path in source} <= inside
    assert "fedcli/docs/errors.md" in inside


def test_wheel_holds_the_licence_and_nothing_of_the_workshop(wheel: Path) -> None:
    inside = zipfile.ZipFile(wheel).namelist()
    assert f"fedcli-{__version__}.dist-info/licenses/LICENSE" in inside
    assert {name.partition("/")[0] for name in inside} == {"fedcli", f"fedcli-{__version__}.dist-info"}


def test_installed_wheel_explains_an_error(installed: Path, tmp_path: Path) -> None:
    said = run(installed / "fedcli", "explain", "E404", cwd=tmp_path)
    assert "E404" in said
    assert "send the file again" in " ".join(said.split())


def test_installed_wheel_knows_its_version_and_where_it_is(installed: Path, tmp_path: Path) -> None:
    assert __version__ in run(installed / "fedcli", "--version", cwd=tmp_path)
    where = run(installed / "python", "-c", "import fedcli; print(fedcli.__file__)", cwd=tmp_path).strip()
    assert Path(where).is_relative_to(installed.parent)
