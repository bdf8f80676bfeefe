"""HTTP requests as the load: how many, how fast, with what, and which phase of the trial they are."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from membudget.budgets.container import RepositoryPath
from membudget.budgets.fields import (
    DurationMs,
    FileModel,
    HeaderName,
    HeaderValue,
    HttpPath,
    Percent,
    PhaseLabel,
    PositiveCount,
    SizeBytes,
)
from membudget.core.quantities import MIB

DEFAULT_COUNT = 100
LARGEST_BODY_BYTES = 256 * MIB


class HttpRequests(FileModel):
    """Equal HTTP requests: a count of them, or as many as fit into a duration."""

    path: HttpPath
    """Path and query, starting with a slash."""
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] = "GET"
    headers: dict[HeaderName, HeaderValue] = {}
    """Header fields to send."""
    body: str | None = None
    """Sent as UTF-8 with each request."""
    body_file: RepositoryPath | None = None
    """A file of the repository, sent with each request."""
    body_size: SizeBytes | None = None
    """Random bytes, as many as this, sent with each request: the same in every trial."""
    count: PositiveCount | None = None
    """How many requests; 100 where there is no `duration` either."""
    duration: DurationMs | None = None
    """How long requests are sent, instead of a `count`."""
    concurrency: Annotated[int, Field(ge=1, le=1000, strict=True)] = 4
    """How many of them at once; with a `rate`, at most."""
    rate: Annotated[int, Field(ge=1, le=100_000, strict=True)] | None = None
    """Requests a second, begun on time whatever the answers take. Absent: one after another, `concurrency` at once."""
    ramp: DurationMs | None = None
    """Time in which concurrency, or rate, grows to what is said."""
    keep_alive: bool = True
    """Whether connections are used again. If not, each request has its own."""
    connections: Annotated[int, Field(ge=0, le=20_000, strict=True)] = 0
    """Connections that are opened before the requests and held without a word until they are done."""
    read_rate: SizeBytes | None = None
    """Bytes a second at which each answer is read: slow clients. Absent: as fast as it comes."""
    read_for: DurationMs | None = None
    """Answers are read for this long and then hung up on: streams that never end."""
    expect: Annotated[int, Field(ge=100, le=599, strict=True)] = 200
    """The status each must answer with; any other is an error."""
    errors: Percent = 0.0
    """Errors, in percent of the requests, that still let the workload pass."""
    phase: PhaseLabel = "steady"
    """Which phase of the trial these requests are: steady, burst, warm-up, soak or a name of yours. Each phase has its
    own peaks; one named "soak" is judged for growth without end."""

    @property
    def requests(self) -> int | None:
        """How many requests; None: as many as fit into the duration."""
        return (self.count or DEFAULT_COUNT) if self.duration is None else self.count

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        for names in (("body", "body_file", "body_size"), ("count", "duration")):
            given = [name for name in names if getattr(self, name) is not None]
            if len(given) > 1:
                allowed = f"{', '.join(names[:-1])} or {names[-1]}"
                raise PydanticCustomError("one_of", f"only one of {allowed}", {"found": ", ".join(given)})
        if self.body_size is not None and self.body_size > LARGEST_BODY_BYTES:
            raise PydanticCustomError("body_size", "a body of 256MiB or less", {"found": "body_size"})
        return self
