import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from ruamel.yaml import YAML
from tiny_project import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCK = (REPOSITORY / "requirements.lock").read_text(encoding="utf-8")
OWN_BY_OTHER_NAME = {"pydantic_core": "pydantic"}


def pins() -> list[Requirement]:
    lines = [
        line.split("#")[0].strip()
        for line in LOCK.splitlines()
        if line.strip() and not line.lstrip().startswith("#")
    ]
    return [Requirement(line) for line in lines]


def environment(platform: str, machine: str) -> dict[str, str]:
    system = {"linux": "Linux", "darwin": "Darwin", "win32": "Windows"}[platform]
    names = {
        "sys_platform": platform,
        "platform_system": system,
        "platform_machine": machine,
        "os_name": "nt" if platform == "win32" else "posix",
    }
    python = {"python_version": "3.11", "python_full_version": "3.11.9", "implementation_name": "cpython"}
    return names | python | {"platform_python_implementation": "CPython", "extra": ""}


def pinned_on(platform: str, machine: str) -> dict[str, Version]:
    here = environment(platform, machine)
    chosen = [pin for pin in pins() if pin.marker is None or pin.marker.evaluate(here)]
    assert len({canonicalize_name(pin.name) for pin in chosen}) == len(chosen), (
        "a package is pinned twice on one platform"
    )
    return {canonicalize_name(pin.name): Version(next(iter(pin.specifier)).version) for pin in chosen}


def test_every_line_of_the_lock_is_an_exact_pin() -> None:
    loose = [
        str(pin) for pin in pins() if len(pin.specifier) != 1 or next(iter(pin.specifier)).operator != "=="
    ]
    assert loose == []


@pytest.mark.parametrize(
    ("platform", "machine"),
    [("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64"), ("win32", "AMD64")],
)
def test_lock_satisfies_every_dependency_on_each_platform(platform: str, machine: str) -> None:
    pinned = pinned_on(platform, machine)
    for line in PROJECT["dependencies"]:
        wanted = Requirement(line)
        assert canonicalize_name(wanted.name) in pinned, (
            f"{wanted.name} is not in requirements.lock: run `make lock`"
        )
        assert wanted.specifier.contains(pinned[canonicalize_name(wanted.name)]), (
            f"requirements.lock breaks {line}: run `make lock`"
        )


def test_lock_has_the_agreed_torch() -> None:
    pinned = pinned_on("linux", "x86_64")
    assert (str(pinned["torch"]), str(pinned["torchvision"])) == ("2.14.1", "0.29.1")


def test_only_linux_gets_cuda_libraries() -> None:
    assert any(name.startswith("nvidia-") for name in pinned_on("linux", "x86_64"))
    assert not any(name.startswith(("nvidia-", "triton")) for name in pinned_on("darwin", "arm64"))


def test_lock_names_no_host_and_no_folder() -> None:
    assert re.findall(r"https?://|file:|--index|--find-links|(?:^|\s)/\w+", LOCK) == []


def test_conda_installs_the_lock_and_this_package_on_the_same_python() -> None:
    dependencies = YAML(typ="safe", pure=True).load(REPOSITORY / "environment.yml")["dependencies"]
    pip = next(entry["pip"] for entry in dependencies if isinstance(entry, dict))
    assert pip == ["-r requirements.lock", "-e ."]
    assert "python=3.11" in dependencies
    assert PROJECT["requires-python"] == ">=3.11,<3.12"


def imported_packages() -> set[str]:
    """Every package of others that the library or its tests import, by the name it is imported under."""
    names: set[str] = set()
    for folder in ("unifiedlib", "tests"):
        for path in (REPOSITORY / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    names |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    names.add(node.module.split(".")[0])
    own = {path.stem for path in (REPOSITORY / "tests").rglob("*.py")} | {"unifiedlib", "tests"}
    return names - own - sys.stdlib_module_names


def test_everything_imported_is_a_dependency_of_its_own() -> None:
    declared = {canonicalize_name(Requirement(line).name) for line in PROJECT["dependencies"]}
    distributions = packages_distributions()
    missing = set()
    for name in imported_packages():
        candidates = {canonicalize_name(found) for found in distributions.get(name, [name])} | {
            OWN_BY_OTHER_NAME.get(name, name)
        }
        if not candidates & declared:
            missing.add(name)
    assert missing == set()
