"""Names of other packages that are replaced, or used though private: a check before they are taken.

Nothing of Snakemake is imported with this module, so that a version without a name is refused by a
clear message. The names stand in `snakemake_patches.py` (Snakemake's) and in
valley/cluster/plugin.py (the SLURM executor's); docs/seams.md lists them with what
upstream would have to offer.
"""

import importlib
import inspect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata

from packaging.version import Version

# Tested are versions from the first on and below the second.
TESTED = "9.17.0", "9.28"
PAGE = "docs/seams.md"


class SeamError(RuntimeError):
    """Snakemake or a plugin is not as the project needs it; the message names what and where."""


@dataclass(frozen=True)
class Seam:
    """One name of another package that is replaced, extended, or used though it is private.

    Attributes:
        module: where it lies.
        name: in the module; with dots below a class.
        kind: see `_seen`.
        shape: what `_seen` must return for it: a call's parameters, the type of a value, or the
            names that must be among those seen.
        use: "replaced", "extended" (a subclass overrides it and calls it) or "used".
        since: first version of the package that has it in this shape, as far as it was tested.
        why: what it is needed for.
        package: the distribution that its version is taken from.
    """

    module: str
    name: str
    kind: str
    shape: str | tuple[str, ...]
    use: str
    why: str
    since: str = "9.17"
    package: str = "snakemake"

    @property
    def path(self) -> str:
        return f"{self.module}.{self.name}"


def check(seams: Iterable[Seam]) -> None:
    """Check that names are there and have the shape that the project relies on.

    Raises:
        SeamError: the first that is missing, or not as expected, with the package's version.
    """
    importlib.import_module("snakemake.api")  # its modules import each other; this one comes first
    for seam in seams:
        try:
            seen = _seen(seam)
        except (ImportError, AttributeError) as error:
            raise SeamError(_describe(seam, "it is not there")) from error
        wanted = {seam.shape} if isinstance(seam.shape, str) else set(seam.shape)
        if lacking := wanted - seen:
            expected, found = ", ".join(sorted(lacking)), ", ".join(sorted(seen)[:12])
            raise SeamError(_describe(seam, f"expected {expected}; found {found or 'nothing'}"))


def check_version(version: str) -> str | None:
    """Return a warning when Snakemake's version is newer than those tested, else None.

    Raises:
        SeamError: it is older than the first that can work.
    """
    oldest, below = TESTED
    where = f"the project works with {oldest} up to, not including, {below} ({PAGE})"
    if Version(version) < Version(oldest):
        raise SeamError(
            f"Snakemake {version} is too old: {where}. `make study` sets up an environment with "
            "the pinned version."
        )
    if Version(version) >= Version(below):
        return f"Snakemake {version} is newer than what was tested: {where}."
    return None


def _seen(seam: Seam) -> set[str]:
    """Return what there is of a name, in the words of its shape.

    By kind: `call`, the parameters without annotations; `type`, the name of its type; `class`, the
    paths of its bases and itself; `parameters`, the names of a call's; `assigns` and `constants`,
    the attributes that a function sets or reads, and its texts, names of keyword arguments in calls
    among them; `members`, of an enumeration; `annotations`, of a class.
    """
    found = importlib.import_module(seam.module)
    for part in seam.name.split("."):
        found = inspect.getattr_static(found, part)
    match seam.kind:
        case "call":
            return {_parameters(found)} if callable(found) else {f"no function, but {found!r}"}
        case "type":
            return {type(found).__name__}
        case "class":
            bases = found.__mro__ if inspect.isclass(found) else ()
            return {f"{base.__module__}.{base.__qualname__}" for base in bases}
        case "parameters":
            return set(inspect.signature(found).parameters)
        case "assigns":
            return set(_plain(found).__code__.co_names)
        case "constants":
            return set(_texts(_plain(found).__code__.co_consts))
        case "members":
            return set(found.__members__)
        case "annotations":
            return set(inspect.get_annotations(found))
    raise ValueError(f"{seam.path}: there is no kind of seam called {seam.kind!r}")


def _plain(found):
    return found.fget if isinstance(found, property) else found


def _texts(constants) -> Iterator[str]:
    for item in constants:
        if isinstance(item, str):
            yield item
        elif isinstance(item, tuple):
            yield from _texts(item)


def _parameters(function) -> str:
    signature = inspect.signature(function)
    plain = [item.replace(annotation=item.empty) for item in signature.parameters.values()]
    return str(signature.replace(parameters=plain, return_annotation=signature.empty))


def _describe(seam: Seam, fault: str) -> str:
    return (
        f"{seam.package} {metadata.version(seam.package)} is not as this project needs it: "
        f"{seam.path} ({seam.why}): {fault}. {PAGE} says what relies on it; the versions in "
        "envs/requirements.txt work."
    )
