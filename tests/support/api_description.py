"""A server's own description of its API, as a judge of requests and answers."""

import hashlib
from collections.abc import Callable
from typing import Any, cast

from openapi_core import Config, OpenAPI
from openapi_core.contrib.werkzeug import WerkzeugOpenAPIRequest, WerkzeugOpenAPIResponse
from openapi_core.templating.paths.exceptions import PathNotFound
from werkzeug import Request, Response


class ApiDescription:
    """Judges requests and responses; makes the smallest objects that are valid."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._url = document["servers"][0]["url"]
        # the file was validated when it was cut, and that takes half a second
        self._openapi = OpenAPI.from_dict(document, config=Config(spec_validator_cls=None))  # type: ignore[arg-type]
        self._judged: dict[bytes, list[str]] = {}
        """What was found before: tests ask the same again and again, and each look takes milliseconds."""

    def request_violations(self, request: Request, path: str) -> list[str]:
        """What is wrong with a request to `path`."""
        asked = (request.method, path, request.query_string, *sorted(request.headers))
        return self._once(request.host, (asked, request.get_data()), lambda: self._request_violations(request, path))

    def response_violations(self, request: Request, path: str, response: Response) -> list[str]:
        """What is wrong with the answer to a request."""
        answered = (request.method, path, response.status_code, *sorted(response.headers))
        seen = (answered, response.get_data())
        return self._once(request.host, seen, lambda: self._response_violations(request, path, response))

    def _once(self, host: str, seen: tuple[object, bytes], judge: Callable[[], list[str]]) -> list[str]:
        """What `judge` finds. Each stand-in has a host of its own, which makes no difference."""
        about, body = (part.replace(host.encode(), b"HOST") for part in (repr(seen[0]).encode(), seen[1]))
        known = hashlib.sha256(about + b"\0" + body).digest()
        if known not in self._judged:
            self._judged[known] = judge()
        return self._judged[known]

    def _request_violations(self, request: Request, path: str) -> list[str]:
        found = [_describe(error) for error in self._openapi.iter_request_errors(_Described(request, self._url, path))]
        return [f"request {request.method} {path}: {problem}" for problem in found]

    def _response_violations(self, request: Request, path: str, response: Response) -> list[str]:
        asked, answered = _Described(request, self._url, path), WerkzeugOpenAPIResponse(response)
        try:
            found = [_describe(error) for error in self._openapi.iter_response_errors(asked, answered)]
        except PathNotFound:
            return []  # the request's own violation says so
        return [f"response {response.status_code} to {request.method} {path}: {problem}" for problem in found]

    def query_parameters(self, template: str, method: str) -> set[str]:
        """The query parameters of an operation. OpenAPI allows others beside them, servers ignore those."""
        parameters = map(self._resolved, self._document["paths"][template][method].get("parameters", []))
        return {parameter["name"] for parameter in parameters if parameter["in"] == "query"}

    def smallest(self, schema: str) -> dict[str, Any]:
        """The smallest object of a schema: required properties alone, empty where that is allowed."""
        return cast("dict[str, Any]", self._smallest({"$ref": f"#/components/schemas/{schema}"}))

    def _resolved(self, part: dict[str, Any]) -> dict[str, Any]:
        if "$ref" not in part:
            return part
        _, _, kind, name = part["$ref"].split("/")
        return cast("dict[str, Any]", self._document["components"][kind][name])

    def _smallest(self, schema: dict[str, Any]) -> object:
        schema = self._resolved(schema)
        if schema.get("nullable"):
            return None
        if "enum" in schema:
            return schema["enum"][0]
        for choice in ("oneOf", "anyOf"):
            if choice in schema:
                return self._smallest(schema[choice][0])
        if "allOf" in schema:
            parts = [self._smallest(part) for part in schema["allOf"]]
            return {key: value for part in parts if isinstance(part, dict) for key, value in part.items()}
        if schema.get("type", "object") == "object":
            properties = schema.get("properties", {})
            return {name: self._smallest(properties[name]) for name in schema.get("required", [])}
        return _smallest_scalar(schema)


class _Described(WerkzeugOpenAPIRequest):
    """A request to the stand-in as it would be one to the server that is described."""

    def __init__(self, request: Request, url: str, path: str) -> None:
        super().__init__(request)
        self._host, _, below = url.removeprefix("https://").partition("/")
        self._path = f"/{below}{path}" if below else path

    @property
    def host_url(self) -> str:
        return f"https://{self._host}"

    @property
    def path(self) -> str:
        return self._path

    @property
    def full_url_pattern(self) -> str:
        return f"{self.host_url}{self._path}"


def _smallest_scalar(schema: dict[str, Any]) -> object:
    match schema["type"], schema.get("format"):
        case "string", "date-time":
            return "2026-11-23T12:00:00Z"
        case "string", "uri":
            return "https://github.com/"
        case "string", _:
            return ""
        case "boolean", _:
            return False
        case "array", _:
            return []
    return schema.get("minimum", 0)


def _describe(error: Exception) -> str:
    """An error of openapi-core with what lies below it."""
    causes = getattr(error.__cause__, "schema_errors", None) or ()
    details = [f"{'.'.join(map(str, cause.absolute_path)) or 'the whole'}: {_cut(cause.message)}" for cause in causes]
    return f"{_cut(str(error)) or type(error).__name__}" + (f" ({'; '.join(details)})" if details else "")


def _cut(text: str) -> str:
    return text if len(text) <= 300 else f"{text[:200]} … {text[-100:]}"
