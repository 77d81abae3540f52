"""The pydantic models of the feed and the published JSON Schema say the same of every field that a trainer reads."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from agemem_grpo.feed.wire import SCHEMA, StepRecord, TrajectoryRecord

Json = dict[str, Any]

PUBLISHED = json.loads((Path(__file__).parents[4] / "schemas" / "agemem.trajectory-1.json").read_text())
MODELS: Mapping[str, type[BaseModel]] = {"step": StepRecord, "trajectory": TrajectoryRecord}
FIXTURE = Path(__file__).parents[1] / "fixtures" / "feed.jsonl"


def published(kind: str) -> Json:
    return next(branch for branch in PUBLISHED["oneOf"] if branch["properties"]["kind"]["const"] == kind)


def alternatives(schema: Json, definitions: Json) -> list[Json]:
    """What a schema allows, as a flat list: references followed, unions, lists of types and enumerations opened."""
    if "$ref" in schema:
        return alternatives(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in schema:
        return [found for each in schema["anyOf"] for found in alternatives(each, definitions)]
    if isinstance(schema.get("type"), list):
        return [found for kind in schema["type"] for found in alternatives({**schema, "type": kind}, definitions)]
    if "enum" in schema:
        return [{"const": value} for value in schema["enum"]]
    return [{"const": schema["const"]}] if "const" in schema else [schema]


def compare(ours: Json, theirs: Json, definitions: Json, at: str) -> Iterator[str]:
    """Where two schemas differ. Of objects our fields count; JavaScript's largest safe integer is no limit."""
    mine, other = alternatives(ours, definitions), alternatives(theirs, {})

    def facts(options: list[Json]) -> list[str]:
        names = ("const", "type", "minimum", "minLength")
        return sorted(json.dumps({name: each[name] for name in names if name in each}) for each in options)

    if facts(mine) != facts(other):
        yield f"{at}: {facts(mine)} here, {facts(other)} published"
        return
    for each in mine:
        match = next((option for option in other if option.get("type") == each.get("type")), {})
        if each.get("type") == "array":
            yield from compare(each["items"], match["items"], definitions, f"{at}[]")
        elif "properties" in each:
            yield from compare_objects(each, match, definitions, at)
        elif each.get("type") == "object":
            yield from compare(each["additionalProperties"], match["additionalProperties"], definitions, f"{at}.*")


def compare_objects(ours: Json, theirs: Json, definitions: Json, at: str) -> Iterator[str]:
    for name in set(ours.get("required", [])) - set(theirs["required"]):
        yield f"{at}.{name}: required here, not published as required"
    for name, schema in ours["properties"].items():
        if name not in theirs["properties"]:
            yield f"{at}.{name}: not published"
        else:
            yield from compare(schema, theirs["properties"][name], definitions, f"{at}.{name}")


@pytest.mark.parametrize("kind", ["step", "trajectory"])
def test_our_models_and_the_published_schema_agree(kind: str) -> None:
    ours = MODELS[kind].model_json_schema(by_alias=True)
    assert list(compare_objects(ours, published(kind), ours.get("$defs", {}), kind)) == []


def test_the_comparison_sees_a_difference() -> None:
    changed = json.loads(json.dumps(published("step")))
    changed["properties"]["stage"]["anyOf"].pop()
    changed["properties"]["prompt_token_ids"]["anyOf"][0]["items"]["type"] = "number"
    changed["required"].remove("trainable")
    del changed["properties"]["truncated"]
    ours = StepRecord.model_json_schema(by_alias=True)
    found = sorted(each.split(":")[0] for each in compare_objects(ours, changed, ours["$defs"], "step"))
    assert found == ["step.prompt_token_ids[]", "step.stage", "step.trainable", "step.truncated"]


def test_the_schema_is_the_one_we_name() -> None:
    assert PUBLISHED["title"] == SCHEMA
    for kind in MODELS:
        assert published(kind)["properties"]["schema"]["const"] == SCHEMA


def test_required_fields_are_missed() -> None:
    records = [json.loads(line) for line in FIXTURE.read_text(encoding="utf-8").splitlines()]
    for kind, model in MODELS.items():
        record = next(each for each in records if each["kind"] == kind)
        for name in model.model_json_schema(by_alias=True)["required"]:
            with pytest.raises(ValidationError, match=f"(?s){name}.*Field required"):
                model.model_validate({key: value for key, value in record.items() if key != name})
