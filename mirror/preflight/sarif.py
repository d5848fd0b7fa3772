"""The report as SARIF 2.1.0 (OASIS), which code hosts and editors show beside the files that they are about."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

from mirror.preflight.causes import Cause
from mirror.preflight.report import Report, TagResult

_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def sarif(report: Report, version: str) -> dict[str, Any]:
    """The log: a rule for each cause that was found, an error for each tag that fails, a note for each remark."""
    found = [result for entry in report.tags for result in _results(entry)]
    found += [
        _result(
            note.cause,
            "note",
            f"{note.explanation} {note.remedy}".strip(),
            f"{note.namespace}/{note.stream}".strip("/"),
        )
        for note in report.notes
    ]
    causes = sorted({Cause(result["ruleId"]) for result in found}, key=lambda cause: cause.rank)
    places = {cause: place for place, cause in enumerate(causes)}
    for result in found:
        result["ruleIndex"] = places[Cause(result["ruleId"])]
    driver = {"name": "ismirror", "version": version, "rules": _rules(causes)}
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": found}]}


def _rules(causes: Sequence[Cause]) -> list[dict[str, Any]]:
    return [
        {
            "id": cause.value,
            "shortDescription": {"text": cause.heading},
            "fullDescription": {"text": cause.explanation},
        }
        for cause in causes
    ]


def _results(entry: TagResult) -> list[dict[str, Any]]:
    if not entry.imports:
        said = (entry.status.message if entry.status else "") or ""
        parts = (f"{entry.name} will not import from {entry.from_}.", entry.explanation, entry.remedy, said)
        text = "\n".join(part for part in parts if part)
        return [_result(entry.cause or Cause.OTHER, "error", text, entry.name)]
    return [
        _result(remark.cause, "warning", f"{remark.explanation} {remark.remedy}".strip(), entry.name)
        for remark in entry.remarks
    ]


def _result(cause: Cause, level: str, text: str, name: str) -> dict[str, Any]:
    """A result on a tag, stream, or (without `name`) the policy; the fingerprint is the same from run to run."""
    logical = [{"fullyQualifiedName": name, "kind": "resource"}] if name else []
    return {
        "ruleId": cause.value,
        "level": level,
        "message": {"text": text},
        "locations": [{"logicalLocations": logical}] if logical else [],
        "partialFingerprints": {"tag/v1": hashlib.sha256(f"{name} {cause.value}".encode()).hexdigest()},
    }
