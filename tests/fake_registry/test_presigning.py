"""URLs that are signed for a store of objects, and where the secrets for that come from."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
import yaml

from fake_registry.config import StoreSignature
from fake_registry.core.presigning import Credentials, presigned, signing_credentials, with_secrets

# Amazon S3 API reference, "Authenticating Requests: Using Query Parameters", example
EXAMPLE = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
EXAMPLE_TIME = 1369353600.0

# What botocore 1.44 makes of the same
OTHER = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "FQoGZXIvYXdzE/token+==")
OTHER_TIME = 1_700_000_000.0

FILE = """\
# written by hand
[default]
aws_access_key_id = AKIADEFAULT
aws_secret_access_key = s3cr3t/of+default=

[store]
aws_access_key_id=AKIASTORE
aws_secret_access_key=s3cr3t of store
region = eu-central-1
"""
AWS = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential="


def test_the_example_of_the_documentation() -> None:
    found = presigned(
        "GET", "https://examplebucket.s3.amazonaws.com/test.txt", EXAMPLE, "us-east-1", EXAMPLE_TIME, 86400
    )
    assert found == (
        f"https://examplebucket.s3.amazonaws.com/test.txt?{AWS}AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3"
        "%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )


@pytest.mark.parametrize("path", ["/bucket/a%20b/sha256/", "/bucket/a b/sha256/"])
def test_another_client_s_example(path: str) -> None:
    url = f"http://127.0.0.1:9000{path}{'ab' * 32}"
    found = presigned("HEAD", url, OTHER, "eu-central-1", OTHER_TIME + 0.9, 1200)
    assert found == (
        f"http://127.0.0.1:9000/bucket/a%20b/sha256/{'ab' * 32}?{AWS}AKIDEXAMPLE%2F20231114%2Feu-central-1%2Fs3"
        "%2Faws4_request&X-Amz-Date=20231114T221320Z&X-Amz-Expires=1200"
        "&X-Amz-Security-Token=FQoGZXIvYXdzE%2Ftoken%2B%3D%3D&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=77d5bee00bdc962158e4d30c724bb31db3547561db11ec31df5cfb4232780858"
    )


def signature(text: str) -> StoreSignature:
    return msgspec.convert(yaml.safe_load(text), StoreSignature)


def reader(directory: Path, **files: str) -> None:
    for name, text in files.items():
        (directory / name).write_text(text)


ENVIRONMENT = {"KEY": "AKIAENV", "SECRET": "from/env", "TOKEN": "t0ken", "ODD": "a b"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("aws: {credentials: keys}", ("AKIADEFAULT", "s3cr3t/of+default=", "")),
        ("aws: {environment: {accessKeyId: KEY, secretAccessKey: SECRET}}", ("AKIAENV", "from/env", "")),
        (
            "aws: {environment: {accessKeyId: KEY, secretAccessKey: SECRET, sessionToken: TOKEN}}",
            ("AKIAENV", "from/env", "t0ken"),
        ),
    ],
)
def test_where_credentials_come_from(tmp_path: Path, text: str, expected: tuple[str, str, str]) -> None:
    reader(tmp_path, keys=FILE)
    found = with_secrets(signature(text), lambda file: (tmp_path / file).read_text(), ENVIRONMENT)
    assert found.aws is not None
    assert signing_credentials(found.aws) == expected
    assert "STORE" not in found.aws.credentials  # of a file only what is needed
    assert with_secrets(found, None, {}) == found
    for shown in (repr(found), repr(found.aws), repr(signing_credentials(found.aws))):
        assert not any(secret in shown for secret in expected if secret)


def test_a_query_from_a_file(tmp_path: Path) -> None:
    reader(tmp_path, sas="?sv=2022-11-02&sig=a%2Bb%3D\n")
    for text in ("query: sas", "query: 'sv=2022-11-02&sig=a%2Bb%3D'"):
        found = with_secrets(signature(text), lambda file: (tmp_path / file).read_text(), {})
        assert found.query == "sv=2022-11-02&sig=a%2Bb%3D"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "aws: {credentials: keys, profile: other}",
            "aws.profile: 'other' is not in the credentials; those are: default",
        ),
        ("aws: {credentials: keys, profile: store}", "aws.credentials: an access key, secret or token has blanks"),
        ("aws: {credentials: none}", "aws.credentials: "),
        ("aws: {credentials: torn}", "aws.credentials: not a credentials file as the AWS command line has it"),
        ("aws: {credentials: half}", "aws.credentials: [default] has no aws_secret_access_key"),
        ("aws: {environment: {}}", "aws.environment.accessKeyId: the variable AWS_ACCESS_KEY_ID is not set"),
        (
            "aws: {environment: {accessKeyId: KEY, secretAccessKey: SECRET, sessionToken: UNSET}}",
            "aws.environment.sessionToken: the variable UNSET is not set",
        ),
        (
            "aws: {environment: {accessKeyId: KEY, secretAccessKey: ODD}}",
            "aws.environment: an access key, secret or token has blanks or odd characters",
        ),
        ("query: none", "query: "),
        ("query: torn", "query: expected the query of a URL"),
        ("query: 'a=b#c'", "query: expected the query of a URL"),
    ],
)
def test_what_cannot_be_used(tmp_path: Path, text: str, problem: str) -> None:
    torn, half = "s3cr3t-without-a-name\n", "[default]\naws_access_key_id = AKIA\n"
    reader(tmp_path, keys=FILE, torn=torn, half=half)
    with pytest.raises(ValueError, match=f"^{re.escape(problem)}") as raised:
        with_secrets(signature(text), lambda file: (tmp_path / file).read_text(), ENVIRONMENT)
    assert "s3cr3t" not in str(raised.value)
