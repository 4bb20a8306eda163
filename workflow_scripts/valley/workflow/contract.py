"""The contract of a job: one dataclass says what it reads, what determines it, and what it writes.

    @task
    class Score(Task):
        problems: Path = reads()
        ks: list[int] = param("statistics.ks")
        out: Path = writes()

        def run(self, job: Job) -> dict | None: ...

The class' docstring explains each field in a line; words there are no code, so they age nothing.
A rule takes its params and the digest of its code from the class (`declared` in rules/common.smk),
a job makes an instance of it and runs that (`execute`), tests and people do the same without
Snakemake. So what runs is what is digested: the digest follows everything that the class reaches.
"""

import dataclasses
import functools
import string
import types
import typing
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar

from valley.core.settings import HANDLING
from valley.workflow.digests import kept_digest
from valley.workflow.job import ORDER_ONLY, Job, bind

ROLE = "role"


def _field(role: str, key: str | None, default: object, **about: object) -> Any:
    default_option: dict[str, Any] = {} if default is dataclasses.MISSING else {"default": default}
    return dataclasses.field(**default_option, metadata={ROLE: role, "key": key, **about})


def reads(default: object = dataclasses.MISSING) -> Any:
    """Declare an input: a Path, or a list of them, under the rule's name for it."""
    return _field("input", None, default)


def writes(default: object = dataclasses.MISSING) -> Any:
    """Declare an output, under the rule's name for it; an only one may have none there."""
    return _field("output", None, default)


def param(
    key: str | None = None,
    default: object = dataclasses.MISSING,
    *,
    only: tuple[str, ...] | None = None,
    whole: bool = False,
) -> Any:
    """Declare what determines the result, beside the inputs' content.

    A dataclass, such as a recipe, is spread out: each of its fields is a param of its own, but for
    those that change no result (`core.settings.HANDLING`), which are options.

    Args:
        key: where it stands in the study file, dotted, with {wildcards}; None: the rule gives it.
        default: of the field, and of a key that the study file leaves out.
        only: the fields of a dataclass that the task takes; to read another is an error.
        whole: a dataclass is one param, a mapping of its fields.
    """
    return _field("param", key, default, only=only, whole=whole)


def option(key: str | None = None, default: object = dataclasses.MISSING) -> Any:
    """Declare what changes no result, such as speed: looked up when the job runs, never a rerun.

    Args:
        key: as of `param`; None is a param of the rule that determines nothing, such as the store.
        default: of the field.
    """
    return _field("option", key, default)


task = dataclasses.dataclass(frozen=True, kw_only=True)


@task
class Task:
    """A kind of job; subclasses declare its fields, and what runs on them.

    Attributes:
        rules: the rules whose jobs it is.
        kept: the result is kept in the store, by what determines it.
        resumes: a stopped job goes on from a state.
        costly: its results are worth a rerun for new versions of libraries only if one says so;
            they are stamped with these where the study file does.
        more_code: further digests among the params, by name: "module:definition", with {params} of
            the task. They are for code that is chosen by a setting.
    """

    rules: ClassVar[tuple[str, ...]] = ()
    kept: ClassVar[bool] = False
    resumes: ClassVar[bool] = False
    costly: ClassVar[bool] = False
    more_code: ClassVar[dict[str, str]] = {}

    def run(self, job: Job) -> dict[str, Any] | None:
        """Make the outputs; return measurements for the sidecar."""
        raise TypeError(f"{type(self).__name__} does not say what it does")

    def folders(self) -> list[Path]:
        """Return folders that belong to the result beside the declared outputs."""
        return []

    def stored(self) -> bool:
        """Tell whether this very job's result is kept in the store."""
        return self.kept

    def files(self) -> dict[str, object]:
        """Return the inputs by name."""
        return flat(self, "input")

    def settings(self) -> dict[str, object]:
        """Return the params as one plain mapping, nested ones spread out."""
        return flat(self, "param")


def of_role(task: type, role: str) -> list[dataclasses.Field[Any]]:
    """Return a task's fields of one role, in the order of their declaration."""
    return [field for field in dataclasses.fields(task) if field.metadata.get(ROLE) == role]


def part(field: dataclasses.Field[Any]) -> type[Any] | None:
    """Return the dataclass that is spread out in a field's place, such as a recipe, or None."""
    kind = field.type
    if not isinstance(kind, type) or not dataclasses.is_dataclass(kind):
        return None
    return None if field.metadata.get("whole") else kind


def inner(field: dataclasses.Field[Any], role: str) -> list[dataclasses.Field[Any]]:
    """Return the fields of a spread-out dataclass that a task takes as params, or as options."""
    only, kind = field.metadata.get("only"), part(field)
    if kind is None:
        return []
    return [
        one
        for one in dataclasses.fields(kind)
        if (only is None or one.name in only)
        and (HANDLING.items() <= one.metadata.items()) == (role == "option")
    ]


def flat(task: Task, role: str) -> dict[str, object]:
    """Return the values of a role's fields by name, nested ones spread out."""
    found: dict[str, object] = {}
    for field in of_role(type(task), role):
        value = getattr(task, field.name)
        if part(field) and value:
            found |= {recorded(one): getattr(value, one.name) for one in inner(field, role)}
        else:
            found[field.name] = _plain(value)
    return found


def recorded(field: dataclasses.Field[Any]) -> str:
    """Return the name of a field among the params, in sidecars and on cards."""
    return str(field.metadata.get("recorded", field.name))


def digests_of(task: type[Task], params: dict[str, Any]) -> dict[str, object]:
    """Return the digests among a task's params, by name.

    Args:
        task: the contract.
        params: of a rule. Where one of them is a function of the wildcards, so is a digest that
            depends on it.
    """
    found: dict[str, object] = {"code": kept_digest(task.__module__, task.__name__)}
    for name, pattern in task.more_code.items():
        choosing = {
            one: params[one]
            for _, one, _, _ in string.Formatter().parse(pattern)
            if one is not None
        }

        def chosen(
            wildcards: Any, pattern: str = pattern, choosing: dict[str, Any] = choosing
        ) -> str:
            values = {n: v(wildcards) if callable(v) else v for n, v in choosing.items()}
            module, _, entry = pattern.format(**values).partition(":")
            return kept_digest(module, entry)

        found[name] = chosen
    return found


def params_of(
    task: type[Task], look_up: Callable[..., Any], given: dict[str, Any]
) -> dict[str, object]:
    """Return a rule's params, but for digests: what the study file says, and what the rule gives.

    Args:
        task: the contract.
        look_up: returns a param for a dotted key of the study file, and a default.
        given: what the rule says itself. For a spread-out dataclass it is a function that returns
            a param for the name of one of its fields.

    Raises:
        TypeError: the rule gives what the task does not have, or leaves out what it needs.
    """
    found: dict[str, object] = {}
    left = dict(given)
    fields = of_role(task, "param") + [f for f in of_role(task, "option") if not f.metadata["key"]]
    for field in fields:
        name, key = field.name, field.metadata["key"]
        if name in task.more_code:
            continue
        if part(field) and (name in left or key):

            def below(one: str, key: str | None = key) -> object:
                return look_up(f"{key}.{one}", None)

            of_part = left.pop(name, below)
            found |= {recorded(one): of_part(one.name) for one in inner(field, "param")}
        elif name in left:
            given = left.pop(name)
            found[name] = _plain(given) if _holds_dataclass(field.type) else given
        elif key:
            default = field.default
            found[name] = look_up(key, None if default is dataclasses.MISSING else default)
        elif field.default is dataclasses.MISSING:
            raise TypeError(f"{task.__name__}.{name} is given by the rule, and is not")
        else:
            found[name] = field.default
    if left:
        raise TypeError(f"{task.__name__} has no param {', '.join(left)}")
    return found


def _holds_dataclass(kind: object) -> bool:
    inside = typing.get_args(kind)
    return dataclasses.is_dataclass(kind) or any(map(_holds_dataclass, inside))


def _plain(value: object) -> object:
    """Return a value with its dataclasses as mappings, as sidecars have them.

    Of a function of the wildcards it is one that returns such a value.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not callable(value):
        return value

    @functools.wraps(value)  # keeps the signature, by which Snakemake knows such a function
    def made(*args: Any, **named: Any) -> object:
        return _plain(value(*args, **named))

    return made


def task_of(snakemake: Any, tasks: Iterable[type[Task]]) -> Task:
    """Return the task that a Snakemake job is.

    Args:
        snakemake: the object that Snakemake gives to scripts.
        tasks: those of the stage.

    Raises:
        TypeError: none of them is this rule's.
    """
    task = next((one for one in tasks if snakemake.rule in one.rules), None)
    if task is None:
        raise TypeError(f"no task of this script names the rule {snakemake.rule}")
    values = {
        **_files(of_role(task, "input"), snakemake.input),
        **_files(of_role(task, "output"), snakemake.output),
    }
    study = _Study(snakemake)
    for field in of_role(task, "param") + of_role(task, "option"):
        values[field.name] = _setting(field, snakemake.params, study)
    return task(**values)


def _setting(field: dataclasses.Field[Any], params: Any, study: "_Study") -> object:
    """Return the value of a param or an option in a job."""
    role, key = field.metadata[ROLE], field.metadata["key"]
    if role == "option" and key:
        return _typed(field.type, study.now(key))
    kind = part(field)
    if kind is None:
        return _typed(field.type, params[field.name])
    given = {one.name: params[recorded(one)] for one in inner(field, "param")}
    given |= {one.name: study.now(f"{key}.{one.name}") for one in inner(field, "option")}
    return _holding(kind, given)


class _Study:
    """What the study file says of options now: looked up when a job runs, not when planned."""

    def __init__(self, snakemake: Any):
        self._snakemake = snakemake

    @functools.cached_property
    def _config(self) -> dict[str, Any]:
        from valley.core.config import complete

        return complete(self._snakemake.config)

    def now(self, key: str) -> object:
        value: Any = self._config
        for step in key.split("."):
            value = value.get(step.format(**self._snakemake.wildcards)) if value else None
        return value


def _holding(kind: type[Any], given: dict[str, object]) -> object:
    """Return a dataclass of some of its fields; to read one of the others is an error."""
    names = frozenset(given)
    if names == {field.name for field in dataclasses.fields(kind)}:
        return kind(**given)
    limited = _limited(kind, names)  # type: ignore[arg-type]  # mypy knows no hash of a class
    made: object = object.__new__(limited)
    for name, value in given.items():
        object.__setattr__(made, name, value)
    return made


@functools.cache
def _limited(kind: type[Any], names: frozenset[str]) -> type[Any]:
    def untaken(name: str) -> property:
        def read(_self: object) -> object:
            raise AttributeError(f"the task takes no {kind.__name__}.{name}; see its `only`")

        return property(read)

    others = (f.name for f in dataclasses.fields(kind) if f.name not in names)
    return type(kind.__name__, (kind,), {name: untaken(name) for name in others})


def _files(fields: list[dataclasses.Field[Any]], files: Any) -> dict[str, object]:
    """Return a job's files by the fields' names; the only field takes a rule's unnamed files.

    What a job only waits for need be no field: a task that does not look at it is the same without.
    """
    named = dict(files.items())
    if unknown := named.keys() - {field.name for field in fields} - {*ORDER_ONLY}:
        raise TypeError(f"the task does not declare the rule's {', '.join(sorted(unknown))}")
    if not named and len(fields) == 1:
        (field,) = fields
        return {field.name: _typed(field.type, list(files) if _is_list(field) else files[0])}
    found = {}
    for field in fields:
        value = named.get(field.name) or ([] if _is_list(field) else None)
        found[field.name] = _typed(field.type, value)
    return found


def _is_list(field: dataclasses.Field[Any]) -> bool:
    return typing.get_origin(field.type) is list


def _typed(wanted: Any, value: Any) -> object:
    """Return a value in a field's type: paths and dataclasses as such, one file as a list."""
    if isinstance(wanted, types.UnionType):
        if value is None:
            return None
        wanted = next(one for one in typing.get_args(wanted) if one is not types.NoneType)
    if isinstance(wanted, type) and dataclasses.is_dataclass(wanted):
        own = {field.name: field.type for field in dataclasses.fields(wanted)}
        return wanted(**{name: _typed(own[name], item) for name, item in value.items()})
    origin, inside = typing.get_origin(wanted), typing.get_args(wanted)
    if origin is list and inside == (Path,):
        return [Path(item) for item in ([value] if isinstance(value, str) else value)]
    if origin is list and isinstance(value, list):
        return [_typed(inside[0], item) for item in value]
    if origin is dict and isinstance(value, dict):
        return {name: _typed(inside[1], item) for name, item in value.items()}
    if wanted is not Path or value is None:
        return value
    if isinstance(value, str | Path):
        return Path(value)
    return Path(value[0]) if value else None


def execute(snakemake: Any, *tasks: type[Task]) -> None:
    """Run a Snakemake job: the task of its rule, with its log, its sidecar, the store and a state.

    Args:
        snakemake: the object that Snakemake gives to scripts.
        tasks: those of the stage.
    """
    task = task_of(snakemake, tasks)
    store = snakemake.params.get("store") if task.stored() else None
    with bind(
        snakemake, store=store, folders=task.folders(), resumes=task.resumes and task.stored()
    ) as job:
        if store is None or not job.restored:
            job.measured |= task.run(job) or {}
