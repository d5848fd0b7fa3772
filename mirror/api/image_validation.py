"""Validation of images, mappings and signatures (openshift-apiserver ``apis/image/validation``)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from mirror.api.fields import FieldError, forbidden, invalid, required
from mirror.api.metadata import dns_label_errors, metadata_errors
from mirror.api.validation import parse_problem
from mirror.v1.image import Image, ImageManifest, ImageSignature, SignatureCondition
from mirror.v1.imagetag import ImageStreamMapping

_MEDIA_TYPE: Final = re.compile(r" *([A-Za-z0-9][A-Za-z0-9!#$&^_-]{0,126})/([A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}) *")
_DIGEST: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}")
_TRUSTED: Final = "Trusted"
_FOR_IMAGE: Final = "ForImage"


def image_errors(image: Image, prefix: str = "") -> list[FieldError]:
    """All errors of an image that is to be stored; `prefix` is where it stands, with a dot at its end."""
    errors = metadata_errors(image.metadata, stream_name=False, namespaced=False, field=f"{prefix}metadata")
    reference = image.dockerImageReference
    if not reference:
        errors.append(required(f"{prefix}dockerImageReference"))
    elif problem := parse_problem(reference):
        errors.append(invalid(f"{prefix}dockerImageReference", reference, problem))
    for index, signature in enumerate(image.signatures or ()):
        errors += signature_errors(signature, f"{prefix}signatures[{index}].")
    for index, entry in enumerate(image.dockerImageManifests or ()):
        errors += _entry_errors(entry, f"{prefix}dockerImageManifests[{index}]")
    if image.dockerImageManifests and image.dockerImageLayers:
        text = "dockerImageLayers should not be set when dockerImageManifests is set"
        shown = [
            {"Name": one.name, "LayerSize": one.size, "MediaType": one.mediaType} for one in image.dockerImageLayers
        ]
        errors.append(invalid(f"{prefix}dockerImageLayers", shown, text))
    return errors


def _entry_errors(entry: ImageManifest, field: str) -> Iterator[FieldError]:
    if not _DIGEST.search(entry.digest):
        yield invalid(f"{field}.digest", entry.digest, "digest does not conform with OCI image specification")
    if not _MEDIA_TYPE.fullmatch(entry.mediaType):
        yield invalid(f"{field}.mediaType", entry.mediaType, "media type does not conform to RFC6838")
    if not entry.architecture:
        yield required(f"{field}.architecture")
    if not entry.os:
        yield required(f"{field}.os")
    if entry.manifestSize < 0:
        yield invalid(f"{field}.size", entry.manifestSize, "manifest size cannot be negative")


# Mappings


def mapping_errors(mapping: ImageStreamMapping) -> list[FieldError]:
    """All errors of a mapping."""
    meta = mapping.metadata
    errors = metadata_errors(meta, stream_name=False)
    if not meta.name:
        errors += [required("name"), required("dockerImageRepository")]
    problems = dns_label_errors(meta.namespace)
    if problems:
        errors.append(invalid("metadata.namespace", meta.namespace, ", ".join(problems)))
    if not mapping.tag:
        errors.append(required("tag"))
    return [*errors, *image_errors(mapping.image, "image.")]


# Signatures


def split_signature_name(name: str) -> tuple[str, str] | None:
    """Image and signature of the name of a signature, or None where it has no such form."""
    image, _, signature = name.partition("@")
    return (image, signature) if image and signature and "@" not in signature else None


def signature_errors(signature: ImageSignature, prefix: str = "") -> list[FieldError]:
    """All errors of a signature."""
    meta = signature.metadata
    errors = metadata_errors(meta, stream_name=False, namespaced=False, field=f"{prefix}metadata")
    if meta.labels:
        errors.append(forbidden(f"{prefix}metadata.labels", "signature labels cannot be set"))
    if meta.annotations:
        errors.append(forbidden(f"{prefix}metadata.annotations", "signature annotations cannot be set"))
    if split_signature_name(meta.name) is None:
        text = "name must be of format <imageName>@<signatureName>"
        errors.append(invalid(f"{prefix}metadata.name", meta.name, text))
    if not signature.type:
        errors.append(required(f"{prefix}type"))
    if not signature.content:
        errors.append(required(f"{prefix}content"))
    trusted, for_image = _latest(signature.conditions or [])
    if (trusted is None) != (for_image is None):
        missing = _FOR_IMAGE if for_image is None else _TRUSTED
        shown = [_shown(condition) for condition in signature.conditions or ()]
        errors.append(invalid(f"{prefix}conditions", shown, f'missing "{missing}" condition type'))
    if trusted is None or trusted.status == "Unknown":
        errors += _unverified_errors(signature, prefix)
    return errors


def _latest(conditions: list[SignatureCondition]) -> tuple[SignatureCondition | None, SignatureCondition | None]:
    """The latest conditions of the two types. As in the real server one that is no longer the latest to be trusted
    counts for the image, and so does any of another type once there is one for the image."""
    trusted: SignatureCondition | None = None
    for_image: SignatureCondition | None = None
    for condition in conditions:
        if condition.type == _TRUSTED and _is_later(condition, trusted):
            trusted = condition
        elif (for_image is None and condition.type == _FOR_IMAGE) or (
            for_image is not None and _is_later(condition, for_image)
        ):
            for_image = condition
    return trusted, for_image


def _is_later(condition: SignatureCondition, other: SignatureCondition | None) -> bool:
    return other is None or (condition.lastProbeTime or "") >= (other.lastProbeTime or "")


def _unverified_errors(signature: ImageSignature, prefix: str) -> Iterator[FieldError]:
    text = "must be unset for unknown signature state"
    if signature.imageIdentity:
        yield invalid(f"{prefix}imageIdentity", signature.imageIdentity, text)
    if signature.signedClaims:
        yield invalid(f"{prefix}signedClaims", dict(sorted(signature.signedClaims.items())), text)
    if signature.issuedBy is not None:
        by = signature.issuedBy
        yield invalid(f"{prefix}issuedBy", {"Organization": by.organization, "CommonName": by.commonName}, text)
    if signature.issuedTo is not None:
        to = signature.issuedTo
        shown = {"Organization": to.organization, "CommonName": to.commonName, "PublicKeyID": to.publicKeyID}
        yield invalid(f"{prefix}issuedTo", shown, text)


def _shown(condition: SignatureCondition) -> dict[str, Any]:
    """A condition as the server's own type has it, whose fields have no other names in JSON."""
    return {
        "Type": condition.type,
        "Status": condition.status,
        "LastProbeTime": condition.lastProbeTime,
        "LastTransitionTime": condition.lastTransitionTime,
        "Reason": condition.reason,
        "Message": condition.message,
    }
