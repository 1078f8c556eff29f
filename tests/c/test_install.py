"""What bindings/c/install.sh installs, where, and that it can be removed again."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from c_library import ROOT, Library, need

HEADER = ROOT / "include" / "occopus.h"
VERSION = re.search(r'^version = "(.+)"$', (ROOT / "Cargo.toml").read_text(encoding="utf-8"), re.MULTILINE)[1]
#: The SONAME has the number of the main version; the file has all three.
SONAME = f"liboccopus.so.{VERSION.split('.')[0]}"
FILE = f"liboccopus.so.{VERSION.split('-')[0]}"


def install(*arguments: str, code: int = 0) -> str:
    """Run the script and return what it said."""
    ended = subprocess.run(
        ["bindings/c/install.sh", *arguments],
        cwd=ROOT,
        env={**os.environ, "CARGO_TARGET_DIR": str(ROOT / "target")},
        capture_output=True,
        text=True,
        timeout=3600,
        check=False,
    )
    assert ended.returncode == code, ended.stderr
    return ended.stderr


def flags(folder: Path, *arguments: str) -> list[str]:
    """What pkg-config answers about the library whose file is in `folder`."""
    environment = {**os.environ, "PKG_CONFIG_PATH": str(folder)}
    command = ["pkg-config", *arguments, "occopus"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return ended.stdout.split()


def test_the_shared_library_has_a_soname_and_its_links(library: Library) -> None:
    need("readelf")
    shared = library.folder / "liboccopus.so"
    assert os.readlink(shared) == SONAME
    assert os.readlink(library.folder / SONAME) == FILE
    dynamic = subprocess.run(["readelf", "-d", shared], capture_output=True, text=True, check=True).stdout
    assert re.search(rf"\(SONAME\).*\[{re.escape(SONAME)}\]", dynamic)
    assert not (library.folder / FILE).is_symlink()


def test_the_shared_library_shows_what_the_header_declares_and_nothing_else(library: Library) -> None:
    need("nm")
    command = ["nm", "--dynamic", "--defined-only", "--format=just-symbols", library.folder / FILE]
    symbols = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    declared = re.findall(r"\b(occopus_\w+)\(", HEADER.read_text(encoding="utf-8"))
    types_and_remarks = set(declared) - set(symbols)
    assert set(symbols) <= set(declared)
    assert not {name for name in types_and_remarks if not name.endswith("_t")}


def test_header_and_static_library_are_there(library: Library) -> None:
    assert (library.prefix / "include" / "occopus.h").read_bytes() == HEADER.read_bytes()
    assert (library.folder / "liboccopus.a").exists()


def test_pkg_config_knows_version_folders_and_what_a_static_library_needs(library: Library) -> None:
    folder = library.folder / "pkgconfig"
    assert flags(folder, "--modversion") == [VERSION]
    assert flags(folder, "--cflags") == [f"-I{library.prefix}/include"]
    assert flags(folder, "--libs") == [f"-L{library.folder}", "-loccopus"]
    assert {"-lpthread", "-lm", "-ldl"} <= set(flags(folder, "--static", "--libs"))


def test_a_package_is_made_below_a_destdir_and_taken_away_again(library: Library, tmp_path: Path) -> None:
    package = tmp_path / "package"
    where = ["--destdir", str(package), "--prefix", "/opt/occopus", "--libdir", "/opt/occopus/lib64"]
    install(*where, "--profile", "dev")
    lib = package / "opt/occopus/lib64"
    found = {path.name for path in package.rglob("*") if path.is_symlink() or path.is_file()}
    assert found == {FILE, SONAME, "liboccopus.so", "liboccopus.a", "occopus.h", "occopus.pc"}
    # The folder in front is not there when the package is used.
    text = (lib / "pkgconfig" / "occopus.pc").read_text(encoding="utf-8")
    assert str(package) not in text
    assert "prefix=/opt/occopus\n" in text and "libdir=${prefix}/lib64\n" in text
    assert flags(lib / "pkgconfig", "--cflags", "--libs") == [
        "-I/opt/occopus/include",
        "-L/opt/occopus/lib64",
        "-loccopus",
    ]
    others = lib / "liboccopus.so.1.9.9"
    others.write_text("of somebody else", encoding="utf-8")
    install(*where, "--uninstall")
    assert [path for path in package.rglob("*") if not path.is_dir()] == [others]
    install(*where, "--uninstall")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--prefix"], "--prefix needs a value"),
        (["--prefix", "here"], "'here' is not an absolute path"),
        (["--prefix", ""], "'' is not an absolute path"),
        (["--destdir", "a/b"], "'a/b' is not an absolute path"),
        (["--prefix", "/a b"], "blank"),
        (["--nonsense"], "unknown argument '--nonsense'"),
    ],
)
def test_wrong_arguments_are_refused(arguments: list[str], text: str) -> None:
    assert text in install(*arguments, code=2)
