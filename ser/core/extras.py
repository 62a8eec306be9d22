"""Packages that only some uses need: the extras of pyproject.toml, and how one is asked for."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import metadata
from types import TracebackType

from ser.core.errors import UserError

# The module that is imported -> the extra that its package comes with.
EXTRAS = {
    "PIL": "app",
    "cloudpickle": "cluster",
    "dagshub": "train",
    "dask": "cluster",
    "distributed": "cluster",
    "dvc": "train",
    "fastapi": "app",
    "gradio": "app",
    "h11": "app",
    "httpx": "train",
    "huggingface_hub": "hub",
    "imblearn": "train",
    "jinja2": "train",
    "kagglehub": "train",
    "librosa": "pictures",
    "lightning_fabric": "train",
    "matplotlib": "pictures",
    "mlflow": "tracking",
    "onnx": "export",
    "onnxscript": "export",
    "opensmile": "opensmile",
    "optuna": "tune",
    "pandas": "pictures",
    "pooch": "train",
    "pyroomacoustics": "robustness",
    "requests": "train",
    "safetensors": "torch",
    "sklearn": "train",
    "starlette": "app",
    "tenacity": "train",
    "threadpoolctl": "train",
    "torch": "torch",
    "transformers": "encoders",
    "uvicorn": "app",
}
_OWN = ("ser", "stages", "scripts", "benchmarks")


@contextmanager
def needed_by(use: str, otherwise: str = "") -> Iterator[None]:
    """Explain which extra a use needs where an import below this fails.

    Args:
        use: what the packages are for, such as "the export".
        otherwise: what else can be done.

    Raises:
        UserError: a package is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if _is_own(error):
            raise
        raise UserError(how_to_install(error, use) + otherwise) from None


def how_to_install(error: ModuleNotFoundError, use: str) -> str:
    """Return what to do about a package that is not installed, and that a use needs."""
    module = _top_level(error)
    extra = EXTRAS.get(module)
    wanted = f"'.[{extra}]'" if extra else module
    return (
        f"{use} needs {module}, which is not installed: "
        f"pip install -c requirements/constraints.txt {wanted}"
    )


def package_versions(packages: Iterable[str], use: str) -> dict[str, str]:
    """Return the versions of packages that a use needs: name -> version.

    Raises:
        UserError: one of them is not installed.
    """
    with needed_by(use):
        return {name: metadata.version(name) for name in packages}


def end_with_a_sentence() -> None:
    """End this program with a sentence, not a traceback, on Ctrl-C or where a package is missing.

    It is for programs that import what they need before they begin.
    """
    sys.excepthook = _show


def _show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if isinstance(error, KeyboardInterrupt):
        print("interrupted", file=sys.stderr)
    elif isinstance(error, ModuleNotFoundError) and not _is_own(error):
        print(f"error: {how_to_install(error, 'this')}", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


def _is_own(error: ModuleNotFoundError) -> bool:
    return _top_level(error) in _OWN


def _top_level(error: ModuleNotFoundError) -> str:
    return (error.name or "").partition(".")[0]
