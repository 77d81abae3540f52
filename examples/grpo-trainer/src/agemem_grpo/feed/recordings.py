"""Recordings in every form `agemem rollout` writes: `run.jsonl`, `run.jsonl.gz`, and a folder of parts.

Owns which files a path means and how packed lines (`agemem.trajectory/2`) become records of `agemem.trajectory/1`.
Leaves out the fields of a record (`records.py`) and groups (`groups.py`). Memory is that of the rollouts in progress.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from agemem_grpo.feed.records import FeedError
from agemem_grpo.feed.wire import SCHEMA

Json = dict[str, Any]

PACKED_SCHEMA = "agemem.trajectory/2"
_PART = re.compile(r"part-\d+\.jsonl\.gz")


def read_recording(path: str | Path) -> Iterator[Json]:
    """Streams the records of a recording, packed ones unpacked; they are not validated.

    A last line or gzip member that was cut off, by a process that died while it wrote, is left out; `read_feed` then
    says which group is not whole. Errors: :class:`FeedError` for a broken line elsewhere, or a packed line that refers
    to something not read before; ``OSError`` for a file that cannot be read.

    >>> for group in read_feed(read_recording("run.jsonl.gz")):  # doctest: +SKIP
    ...     print(group.task_id, group.rewards)
    """
    unpacker = Unpacker()
    for part in recording_parts(Path(path)):
        for number, line in _lines(part):
            yield unpacker.unpack(line, f"{part}:{number}")


def recording_parts(path: Path) -> list[Path]:
    """The files of a recording in order: the file itself, or the parts of a folder."""
    if not path.is_dir():
        return [path]
    return sorted(each for each in path.iterdir() if _PART.fullmatch(each.name))


def _lines(part: Path) -> Iterator[tuple[int, Any]]:
    opened: Callable[..., IO[str]] = gzip.open if part.suffix == ".gz" else open
    number = 0
    with opened(part, "rt", encoding="utf-8") as lines:
        while True:
            number += 1
            try:
                line = lines.readline()
            except (EOFError, zlib.error, gzip.BadGzipFile):
                return  # the end was cut off
            if not line:
                return
            if not line.strip():
                continue
            try:
                yield number, json.loads(line)
            except json.JSONDecodeError as error:
                if not line.endswith("\n"):
                    return
                raise FeedError(f"{part}:{number}", f"not JSON ({error.msg})", "Repair or remove the line.") from error


class Unpacker:
    """Unpacks lines one by one, in the order of the recording."""

    def __init__(self) -> None:
        self._rollouts: dict[tuple[Any, Any], _Tables] = {}

    def unpack(self, line: Any, where: str) -> Any:
        """The record of a packed line; any other value is returned as it is. Errors: :class:`FeedError`."""
        if not isinstance(line, Mapping) or line.get("schema") != PACKED_SCHEMA:
            return line
        key = (line.get("rollout_id"), line.get("attempt"))
        if line.get("kind") != "step":
            self._rollouts.pop(key, None)
            return {**line, "schema": SCHEMA}
        tables = self._rollouts.setdefault(key, _Tables())
        try:
            return tables.step(line)
        except LookupError as error:
            remedy = "A packed line needs the lines of its rollout before it: read the recording from its beginning."
            raise FeedError(where, str(error.args[0]), remedy) from error


class _Tables:
    """What the lines of one rollout refer to."""

    def __init__(self) -> None:
        self._messages: list[Any] = []
        self._tools: list[Any] = []
        self._latest: dict[str, list[int]] = {}
        """Prompt and response of the newest call by role."""

    def step(self, line: Mapping[str, Any]) -> Json:
        role = str(line.get("call_role"))
        prompt = line.get("prompt_token_ids")
        if isinstance(prompt, list):
            prompt = _copied(self._latest.get(role, []), prompt)
            response = line.get("response_token_ids")
            self._latest[role] = prompt + (response if isinstance(response, list) else [])
        return {
            **line,
            "schema": SCHEMA,
            "messages": _numbered(self._messages, line.get("messages"), "message"),
            "tools": _numbered(self._tools, line.get("tools"), "tool schema"),
            "prompt_token_ids": prompt,
        }


def _numbered(known: list[Any], values: Any, what: str) -> Any:
    """The values, numbers among them replaced by what stood at that place; each new value gets the next number."""
    if not isinstance(values, list):
        return values
    found: list[Any] = []
    for value in values:
        if not _is_count(value):
            known.append(value)
            found.append(value)
        elif value < len(known):
            found.append(known[value])
        else:
            raise LookupError(f"there is no {what} number {value} before this line")
    return found


def _copied(base: Sequence[int], packed: Sequence[Any]) -> list[int]:
    """Token ids of a list of ids and copies ``[offset, length]`` from ``base``."""
    ids: list[int] = []
    for each in packed:
        if not isinstance(each, list):
            ids.append(each)
            continue
        fits = len(each) == 2 and all(map(_is_count, each)) and each[1] > 0 and sum(each) <= len(base)
        if not fits:
            raise LookupError(f"the {len(base)} token ids before this line have no piece {each}")
        ids.extend(base[each[0] : each[0] + each[1]])
    return ids


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
