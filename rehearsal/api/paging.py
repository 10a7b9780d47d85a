"""Pagination of list responses."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Query, Request

MAX_PAGE_SIZE = 200
T = TypeVar("T")


class Page:
    """The page that a request selects."""

    def __init__(
        self,
        request: Request,
        page: Annotated[int, Query(ge=1)] = 1,
        per_page: Annotated[int, Query(ge=1)] = 20,
    ) -> None:
        self._url = request.url
        self._number = page
        self._size = min(per_page, MAX_PAGE_SIZE)

    def response(
        self, key: str, items: Sequence[T], render: Callable[[T], object]
    ) -> dict[str, Any]:
        """Return the response body: the page's items under ``key``, ``links`` and ``meta``."""
        start = (self._number - 1) * self._size
        return {
            key: [render(item) for item in items[start : start + self._size]],
            "links": self._links(len(items)),
            "meta": {"total": len(items)},
        }

    def _links(self, total: int) -> dict[str, Any]:
        last = max(1, -(-total // self._size))
        pages: dict[str, str] = {}
        if self._number > 1:
            pages |= {"first": self._link(1), "prev": self._link(self._number - 1)}
        if self._number < last:
            pages |= {"next": self._link(self._number + 1), "last": self._link(last)}
        return {"pages": pages} if pages else {}

    def _link(self, number: int) -> str:
        return str(self._url.include_query_params(page=number, per_page=self._size))


Paging = Annotated[Page, Depends()]
