"""Sources of trainers that need GPUs to install: real classes and configurations, found beside the environment.

`scripts/python-env.mjs` puts them there without their dependencies, two releases of one trainer in folders of their
own. A module that such a class imports and that no test reaches is stood in for by an empty one; the caller names each
of them.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import MagicMock

import pytest

FOLDER = Path(sys.prefix) / "trainers"


@contextmanager
def trainer_sources(
    package: str, stubs: Sequence[str] = (), *, release: str = "", forget: Sequence[str] = ()
) -> Iterator[None]:
    """Makes a trainer importable, with stand-ins for the modules in `stubs`; takes all of it away afterwards.

    ``release`` is the folder of one of several releases; ``forget`` names modules of ours that subclass the trainer's
    classes and must be imported anew. Skips the test where the sources are not there: an environment that something
    else made.
    """
    folder = FOLDER / release
    if not (folder / package).is_dir():
        pytest.skip(f"{folder} has no {package}: make the environment with `npm run test:python`")
    before = set(sys.modules)
    finder = _Stubs(stubs)
    sys.path.append(str(folder))
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        sys.meta_path.remove(finder)
        for name in set(sys.modules) - before:
            if _within(name, (package, *stubs, *forget)):
                del sys.modules[name]


def _within(name: str, packages: Sequence[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


class _Empty(types.ModuleType):
    """A package whose every name is a mock."""

    __path__: Sequence[str] = ()

    def __getattr__(self, name: str) -> MagicMock:
        if name.startswith("__"):
            raise AttributeError(name)
        return MagicMock(name=f"{self.__name__}.{name}")


class _Stubs(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, packages: Sequence[str]) -> None:
        self._packages = packages

    def find_spec(self, name: str, path: object, target: object = None) -> importlib.machinery.ModuleSpec | None:
        if not _within(name, self._packages):
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return _Empty(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing to run."""
