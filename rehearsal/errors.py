"""Refusals, with the status, id and message that the API documents."""

from fastapi.exceptions import RequestValidationError


class ApiError(Exception):
    """A request that is refused; the server turns it into the documented error body."""

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


def from_validation(error: RequestValidationError) -> ApiError:
    """The refusal that tells what is wrong with a request's path, query or body."""
    problems = error.errors()
    if any(problem["loc"][0] == "path" for problem in problems):
        return not_found()
    if any(problem["type"] == "json_invalid" for problem in problems):
        return bad_request("The request body is not valid JSON.")
    return unprocessable("; ".join(_tell(problem["loc"], problem["type"], problem["msg"]) for problem in problems))


def _tell(location: tuple[str | int, ...], kind: str, message: str) -> str:
    field = ".".join(str(part) for part in location[1:]) or "body"
    if kind == "missing":
        return f"{field} is required"
    return f"{field}: {message.removeprefix('Value error, ')}"
