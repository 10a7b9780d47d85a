"""Error responses of the API: status, id and message as documented by DigitalOcean."""

from fastapi.exceptions import RequestValidationError

NOT_JSON = "The request body is not valid JSON."
NOT_AN_OBJECT = "The request body must be a JSON object, and its Content-Type application/json."


class ApiError(Exception):
    """A rejected request; the server converts it to the documented error body."""

    def __init__(self, status: int, id: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.id = id
        self.message = message


def bad_request(message: str) -> ApiError:
    return ApiError(400, "bad_request", message)


def forbidden(message: str) -> ApiError:
    return ApiError(403, "forbidden", message)


def not_found(message: str = "The resource you were accessing could not be found.") -> ApiError:
    return ApiError(404, "not_found", message)


def conflict(message: str) -> ApiError:
    return ApiError(409, "conflict", message)


def precondition_failed(message: str) -> ApiError:
    return ApiError(412, "precondition_failed", message)


def unprocessable(message: str) -> ApiError:
    return ApiError(422, "unprocessable_entity", message)


def from_http(status: int) -> ApiError:
    """Return the error for a request that no route accepts, or whose body cannot be read."""
    match status:
        case 404:
            return not_found()
        case 405:
            return ApiError(
                405,
                "method_not_allowed",
                "The method is not allowed for the resource you were accessing.",
            )
        case 413:
            return ApiError(413, "payload_too_large", "The request body is too large.")
        case _:
            return bad_request(NOT_JSON)


def from_validation(error: RequestValidationError) -> ApiError:
    """Return the error that lists the problems of a request's path, query or body."""
    problems = error.errors()
    if any(problem["loc"][0] == "path" for problem in problems):
        return not_found()
    if any(problem["type"] == "json_invalid" for problem in problems):
        return bad_request(NOT_JSON)
    return unprocessable(
        "; ".join(
            _format_problem(problem["loc"], problem["type"], problem["msg"]) for problem in problems
        )
    )


def _format_problem(location: tuple[str | int, ...], kind: str, message: str) -> str:
    field = ".".join(str(part) for part in location[1:])
    reason = message.removeprefix("Value error, ")
    if not field:
        return reason if kind == "value_error" else NOT_AN_OBJECT
    return f"{field} is required" if kind == "missing" else f"{field}: {reason}"
