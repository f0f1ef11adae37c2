"""Puts what lies beside the package (see src/secateur/shipped.py) into the wheel; all else is in pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SHIPPED = ("workflow", "report", "profiles/default", "envs", "config", "data.dvc", "CITATION.cff", "LICENSE")
LEFT_OUT = shutil.ignore_patterns("*_local.yaml", "criteria", "__pycache__", ".*")


class WithShippedFiles(build_py):
    """Copies them to secateur/shipped/ of what is built; an editable installation reads them where they are."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib, "secateur", "shipped")
        shutil.rmtree(target, ignore_errors=True)
        for name in SHIPPED:
            if Path(name).is_dir():
                shutil.copytree(name, target / name, ignore=LEFT_OUT)
            else:
                target.mkdir(parents=True, exist_ok=True)
                shutil.copy2(name, target / name)


setup(cmdclass={"build_py": WithShippedFiles})
