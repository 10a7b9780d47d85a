"""Functions that return lists, with filters and sorting like the official plugin."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from rehearsal.plugins.digitalocean.api import DigitalOcean
from rehearsal.plugins.naming import to_camel_case
from rehearsal.plugins.properties import (
    BOOLEAN,
    STRING,
    Properties,
    Property,
    State,
    list_of,
    object_of,
)

FILTER: Properties = {
    "key": Property(STRING, required=True),
    "values": Property(list_of(STRING), required=True),
    "matchBy": Property(STRING),
    "all": Property(BOOLEAN),
}
SORT: Properties = {"key": Property(STRING, required=True), "direction": Property(STRING)}
LIST_INPUTS: Properties = {
    "filters": Property(list_of(object_of(FILTER))),
    "sorts": Property(list_of(object_of(SORT))),
}


def _matches(record: State, filter_: Mapping[str, Any]) -> bool:
    """Whether a record matches a filter: any of its values, or all of them with ``all``."""
    value = record.get(filter_["key"], record.get(to_camel_case(filter_["key"])))
    values = [_to_text(item) for item in value] if isinstance(value, list) else [_to_text(value)]
    tests: dict[str, Callable[[str, str], bool]] = {
        "exact": lambda value, wanted: value == wanted,
        "re": lambda value, wanted: re.search(wanted, value) is not None,
        "substring": lambda value, wanted: wanted in value,
    }
    test = tests[filter_.get("matchBy") or "exact"]
    matches = [any(test(value, wanted) for value in values) for wanted in filter_["values"]]
    return all(matches) if filter_.get("all") else any(matches)


def _to_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def list_function(
    path: str, key: str, to_properties: Callable[[Mapping[str, Any]], State]
) -> Callable[[DigitalOcean, State], State]:
    """Return a function that requests all objects of a list and filters them locally."""

    def call(client: DigitalOcean, inputs: State) -> State:
        records = [to_properties(item) for item in client.list_all(path, key)]
        for filter_ in inputs.get("filters") or []:
            records = [record for record in records if _matches(record, filter_)]
        for sort in reversed(inputs.get("sorts") or []):
            records.sort(
                key=lambda record: record[to_camel_case(sort["key"])],
                reverse=sort.get("direction") == "desc",
            )
        return {
            "id": f"{key}-{len(records)}",
            key: records,
            "filters": inputs.get("filters"),
            "sorts": inputs.get("sorts"),
        }

    return call
