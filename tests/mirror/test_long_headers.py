"""Header lines as long as the transport takes them: what they say is read in a time that grows with their length."""

from __future__ import annotations

import pytest

from mirror.importer.challenge import parse_challenges
from mirror.importer.failures import ClientFailure
from mirror.importer.mime import parse_media_type

LENGTH = 1_000_000
OCI = "application/vnd.oci.image.manifest.v1+json"


@pytest.mark.timeout(20)
@pytest.mark.parametrize("parameter", ["a=b", 'a="b"', r'a="\""'])
def test_parameters_without_end(parameter: str) -> None:
    many = LENGTH // len(parameter)
    [challenge] = parse_challenges([f"Bearer {','.join([parameter] * many)}"])
    assert (challenge.scheme, len(challenge.parameters)) == ("bearer", 1)
    assert parse_media_type(f"{OCI};{';'.join([parameter] * many)}") == OCI


@pytest.mark.timeout(20)
def test_what_is_wrong_at_their_end() -> None:
    parameters = "a=b" + ",a=b" * (LENGTH // 4)
    [challenge] = parse_challenges([f'Basic {parameters},c="never closed'])
    assert challenge.parameters == {"a": "b"}
    with pytest.raises(ClientFailure, match="mime: invalid media parameter"):
        parse_media_type(f'{OCI}{";a=b" * (LENGTH // 4)};c="never closed')
