"""What is known of the expressions in a workflow's jobs.

That is values of the matrix and of `env`, and the images that docker/metadata-action makes tags of. What only a runner
knows, such as `github.sha`, stays as it is written.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import islice, product

from membudget.manifests.yaml_text import YamlValue

CiValues = Mapping[str, str]
"""Values by the names that expressions have: `matrix.service`, `env.IMAGE`, `steps.meta`."""

_EXPRESSION = re.compile(r"\$\{\{\s*([\w.-]{1,100})\s*\}\}")
_OF_STEP = re.compile(r"\$\{\{[^}]{0,100}\bsteps\.([\w-]{1,100})\.outputs\.[^}]{0,100}\}\}")
_VARIABLE = re.compile(r"\$(?:([A-Za-z_]\w{0,99})|\{([A-Za-z_]\w{0,99})(?:##?\*/)?\})", re.ASCII)
_ASSIGNED = re.compile(
    r"^\s*(?:export\s+)?([A-Za-z_]\w{0,99})=(\"[^\"\n]*\"|'[^'\n]*'|[^\s;&|]+)\s*(?:$|[;&])", re.ASCII
)
_METADATA = re.compile(r"docker/metadata-action(?:@.*)?", re.IGNORECASE)
_MOST_COMBINATIONS, _MOST_VARIABLES, _MOST_STEPS = 100, 100, 200
_LONGEST_SCRIPT = 20_000
_LONGEST_VALUE = 500
"""Of a matrix or a variable: a name, a path or a tag."""


def of_job(workflow: YamlValue, job: YamlValue, repository_name: str) -> Iterator[CiValues]:
    """Yield what is known in a job, for each combination of its matrix."""
    known = {
        "github.repository": f"owner/{repository_name}",
        "github.event.repository.name": repository_name,
        "github.repository_owner": "owner",
        "env.GITHUB_REPOSITORY": f"owner/{repository_name}",
        "env.GITHUB_REPOSITORY_OWNER": "owner",
    }
    for combination in _combinations(job):
        values = {**known, **combination}
        for variables in (workflow.get("env"), job.get("env")):
            values |= _env(variables, values)
        yield {**values, **_images(job, values)}


def of_step(step: YamlValue, values: CiValues) -> CiValues:
    """Return what is known in a step of a job."""
    return {**values, **_env(step.get("env"), values)} if step.get("env") else values


def _env(variables: YamlValue, values: CiValues) -> dict[str, str]:
    return {
        f"env.{name}": filled(value.text[:_LONGEST_VALUE], values)[:_LONGEST_VALUE]
        for name, value in islice(variables.items(), _MOST_VARIABLES)
        if value.text is not None
    }


def _images(job: YamlValue, values: CiValues) -> dict[str, str]:
    """Return the images of each step with docker/metadata-action, a line each."""
    found = {}
    for step in islice(job.get("steps").entries(), _MOST_STEPS):
        name, uses, images = step.get("id").text, step.get("uses").text, step.get("with", "images").text
        if name is not None and images is not None and uses is not None and _METADATA.fullmatch(uses):
            entries = re.split(r"\n", filled(images, values)[:_LONGEST_VALUE])
            found[f"steps.{name}"] = "\n".join(re.sub(r"^\s*name=|,.*$", "", entry).strip() for entry in entries)
    return found


def filled(text: str, values: CiValues) -> str:
    """Return a text with known values in it. Both are cut first: together they may become a gigabyte."""
    text = _OF_STEP.sub(
        lambda found: values.get(f"steps.{found[1]}", found[0])[:_LONGEST_VALUE], text[:_LONGEST_SCRIPT]
    )
    text = _EXPRESSION.sub(lambda found: values.get(found[1], found[0])[:_LONGEST_VALUE], text[:_LONGEST_SCRIPT])
    return text[:_LONGEST_SCRIPT]


def assigned(script: str, values: CiValues) -> CiValues:
    """Return what is known in a script: variables of the job, and those that a line of the script sets to a text."""
    known = dict(values)
    for line in script[:_LONGEST_SCRIPT].splitlines():
        matched = _ASSIGNED.match(line)
        if matched is not None:
            known[f"env.{matched[1]}"] = in_shell(matched[2].strip("\"'"), known)[:_LONGEST_VALUE]
    return known


def in_shell(text: str, values: CiValues) -> str:
    """Return a word of a script with known variables in it. Others stay."""
    return _VARIABLE.sub(lambda found: values.get(f"env.{found[1] or found[2]}", found[0]), text[:_LONGEST_VALUE])


def _combinations(job: YamlValue) -> list[CiValues]:
    """Return the values of the job's matrix, combination by combination. Without a matrix, one without values."""
    matrix = job.get("strategy", "matrix")
    lists = {
        name: [_flat(f"matrix.{name}", entry) for entry in islice(value.entries(), _MOST_COMBINATIONS)]
        for name, value in matrix.items()
        if name not in ("include", "exclude") and value.is_list
    }
    combinations = islice(product(*lists.values()), _MOST_COMBINATIONS)
    found: list[CiValues] = [
        {key: value for one in combination for key, value in one.items()} for combination in combinations
    ]
    included: list[CiValues] = [
        _flat("matrix", entry) for entry in islice(matrix.get("include").entries(), _MOST_COMBINATIONS)
    ]
    return [*found, *included] if lists else included or found


def _flat(name: str, entry: YamlValue) -> dict[str, str]:
    """Return the values of an entry by their names: `matrix.service`, or `matrix.service.path` of a mapping."""
    return dict(_flattened(name, entry))


def _flattened(name: str, entry: YamlValue) -> Iterator[tuple[str, str]]:
    if entry.text is not None:
        yield name, entry.text
    for key, value in entry.items():
        if value.text is not None:
            yield f"{name}.{key}", value.text
