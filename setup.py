"""Maps the four folders at the top of the repository into `weft`; the rest is in pyproject.toml."""

from setuptools import find_packages, setup

ROOTS = {
    "weft": "src/weft",
    **{f"weft.{folder}": folder for folder in ("compiler", "ir", "backends", "runtime")},
}
setup(
    package_dir=ROOTS,
    packages=[
        p for name, path in ROOTS.items() for p in (name, *(f"{name}.{s}" for s in find_packages(path)))
    ],
)
