"""What people are told of tags that follow other tags, and of those that import all the same."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from mirror.preflight.causes import Cause
from mirror.preflight.registry_remedies import words_of
from mirror.preflight.report import Remark


def alias_fails(followed: str, why: str) -> tuple[str, str]:
    """Explanation and remedy of an alias of a tag that fails, for the reason `why`."""
    return f"It follows {followed}, which does not import: {why}", f"Repair {followed}."


def alias_unknown(followed: str) -> tuple[str, str]:
    """Explanation and remedy of an alias of a tag that is nowhere."""
    return (
        f"It follows {followed}, which none of the image streams has.",
        f"Correct the name, let {followed} follow an image, or give this check the image stream that has it.",
    )


def alias_image_unknown(followed: str) -> tuple[str, str]:
    """Explanation and remedy of a tag that follows an image (``NAMESPACE/STREAM@DIGEST``) that is nowhere."""
    return (
        f"It follows the image {followed}, which none of the image streams has.",
        "Correct the digest, let the tag follow a tag in its place, or give this check the image stream that has it.",
    )


def alias_loop(chain: Sequence[str]) -> tuple[str, str]:
    """Explanation and remedy of an alias that leads back to itself through the tags of `chain`."""
    return (
        f"It follows itself: {' -> '.join(chain)}.",
        f"Let one of {words_of(chain)} follow an image.",
    )


def scheduled_digest(from_: str) -> Remark:
    """Of a tag that is looked at again and again though nothing can change."""
    return Remark(
        cause=Cause.SCHEDULED_DIGEST,
        explanation=f"The tag is to be imported again and again, and {from_} names a digest, which never changes.",
        remedy="Take importPolicy.scheduled away, or follow a tag.",
    )


def other_architecture(chosen: str, wanted: Sequence[str], available: Collection[str]) -> Remark:
    """Of a tag whose index has more than the image for `chosen`, which Legacy mode takes."""
    has = words_of(sorted(available))
    nodes = words_of(wanted)
    if any(one in available for one in wanted):
        remedy = "Set importPolicy.importMode to PreserveOriginal, which keeps the images of all architectures."
    else:
        remedy = f"Have the image made for {nodes}."
    return Remark(
        cause=Cause.ARCHITECTURE_MISSING,
        explanation=f"Legacy mode takes the image for {chosen} (there are {has}), and there are nodes of {nodes}.",
        remedy=remedy,
    )


def architecture_missing(from_: str, missing: Sequence[str], available: Collection[str]) -> Remark:
    """Of a tag that has no image for some of the nodes."""
    return Remark(
        cause=Cause.ARCHITECTURE_MISSING,
        explanation=f"{from_} is for {words_of(sorted(available))} only, and there are nodes of {words_of(missing)}.",
        remedy=f"Have the image made for {words_of(missing)}, or keep its pods on the other nodes.",
    )
