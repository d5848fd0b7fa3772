"""Pull secrets: the recorded lookups, the errors of Go's decoders, and what counts as a location."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.errors import InputError
from mirror.importer.credentials import Credential, InvalidPullSecret, Keyring, Secret, usable_secrets
from mirror.importer.locations import Location, index_key, parse_location

ROWS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent.parent / "vectors" / "credentials_lookup.json").read_text("utf-8")
)
CONFIG_JSON = "kubernetes.io/dockerconfigjson"
CONFIG = "kubernetes.io/dockercfg"


def secret(data: str | bytes, type_: str = CONFIG_JSON, name: str = "s", key: str = "") -> Secret:
    raw = data.encode() if isinstance(data, str) else data
    return Secret(name, "", type_, {key or {CONFIG_JSON: ".dockerconfigjson", CONFIG: ".dockercfg"}[type_]: raw})


def keyring(*locations: str) -> Keyring:
    return Keyring(Credential(f"at {location}", "p", location, "s") for location in locations)


def found(ring: Keyring, image: str) -> list[str]:
    return [credential.location for credential in ring.lookup(image)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_recorded(row: dict[str, Any]) -> None:
    secrets = [
        secret(one["data"], one["type"], f"secret-{index}", one["key"]) for index, one in enumerate(row["secrets"])
    ]
    if "error" in row:
        with pytest.raises(InvalidPullSecret) as caught:
            Keyring.from_secrets(secrets)
        assert str(caught.value) == row["error"]
        return
    ring = Keyring.from_secrets(secrets)
    for lookup in row["lookups"]:
        matches = [[match.username, match.password] for match in ring.lookup(lookup["image"])]
        assert {"image": lookup["image"], "found": bool(matches), "matches": matches} == lookup


ENTRY = "credentialprovider.dockerConfigEntryWithAuth"


@pytest.mark.parametrize(
    ("type_", "data", "error"),
    [
        (CONFIG_JSON, "{", "unexpected end of JSON input"),
        (CONFIG_JSON, "nope", "invalid character 'o' in literal null (expecting 'u')"),
        (CONFIG_JSON, "{} x", "invalid character 'x' after top-level value"),
        (
            CONFIG_JSON,
            "[]",
            "json: cannot unmarshal array into Go value of type credentialprovider.DockerConfigJSON",
        ),
        (
            CONFIG_JSON,
            '{"auths":[]}',
            (
                "json: cannot unmarshal array into Go struct field DockerConfigJSON.auths"
                " of type credentialprovider.DockerConfig"
            ),
        ),
        (
            CONFIG_JSON,
            '{"auths":{"a":"x"}}',
            f"json: cannot unmarshal string into Go struct field DockerConfigJSON.auths of type {ENTRY}",
        ),
        (
            CONFIG_JSON,
            '{"auths":{"a":{"username":5}}}',
            "json: cannot unmarshal number into Go struct field DockerConfigJSON.auths.username of type string",
        ),
        (
            CONFIG_JSON,
            '{"HttpHeaders":{"a":1}}',
            "json: cannot unmarshal number into Go struct field DockerConfigJSON.HttpHeaders of type string",
        ),
        # The error of an entry stops everything, and so hides one that was only noted before.
        (
            CONFIG_JSON,
            '{"HttpHeaders":{"a":1},"auths":{"a":{"auth":"!"}}}',
            "illegal base64 data at input byte 0",
        ),
        (CONFIG, "[]", "json: cannot unmarshal array into Go value of type credentialprovider.DockerConfig"),
        (CONFIG, '{"a":[]}', f"json: cannot unmarshal array into Go value of type {ENTRY}"),
        (
            CONFIG,
            '{"a":{"Auth":true}}',
            "json: cannot unmarshal bool into Go struct field dockerConfigEntryWithAuth.auth of type string",
        ),
        (
            CONFIG,
            '{"a":{"auth":"dXNlcg"}}',
            "unable to parse auth field, must be formatted as base64(username:password)",
        ),
    ],
)
def test_unreadable_secrets(type_: str, data: str, error: str) -> None:
    with pytest.raises(InvalidPullSecret) as caught:
        Keyring.from_secrets([secret("{}"), secret(data, type_, name="bad")])
    assert str(caught.value) == error
    assert caught.value.secret_name == "bad"


@pytest.mark.parametrize(
    ("auth", "result"),
    [
        ("dXNlcjpwYXNz", ("user", "pass")),
        ("dTpw", ("u", "p")),
        ("dTpwOnE6", ("u", "p:q:")),
        ("dTpwcA==", ("u", "pp")),
        ("dTpwcA", ("u", "pp")),
        ("dTpw\r\ncA=\n=\n", ("u", "pp")),
        ("Og==", ("", "")),
        # Left-over bits are not looked at.
        ("dTpwcB==", ("u", "pp")),
        # Bytes that are no UTF-8 are kept.
        ("dTr/", ("u", "\udcff")),
        ("!!!", "illegal base64 data at input byte 0"),
        ("dTpwcA=", "illegal base64 data at input byte 7"),
        ("dTpwcA===", "illegal base64 data at input byte 8"),
        ("dTpwcA==x", "illegal base64 data at input byte 6"),
        # The blank decides that it is padded, and is then in the way.
        ("dTpwcA== ", "illegal base64 data at input byte 8"),
        (" dTpwcA==", "illegal base64 data at input byte 0"),
        ("dTpw\ncA=", "illegal base64 data at input byte 8"),
        ("dTpwc", "illegal base64 data at input byte 4"),
        ("dTpwc=", "illegal base64 data at input byte 5"),
        ("dT-w", "illegal base64 data at input byte 2"),
        ("dTpwc\u00e9", "illegal base64 data at input byte 5"),
    ],
)
def test_auth_field(auth: str, result: tuple[str, str] | str) -> None:
    entries = secret(json.dumps({"q.io": {"username": "x", "password": "y", "auth": auth}}), CONFIG)
    if isinstance(result, str):
        with pytest.raises(InvalidPullSecret) as caught:
            Keyring.from_secrets([entries])
        assert str(caught.value) == result
    else:
        (credential,) = Keyring.from_secrets([entries]).lookup("q.io/a:1")
        assert (credential.username, credential.password) == result


@given(st.text().filter(lambda name: ":" not in name), st.text(), st.booleans())
def test_any_login_survives_its_auth_field(username: str, password: str, padded: bool) -> None:
    auth = base64.b64encode(f"{username}:{password}".encode()).decode()
    entries = secret(json.dumps({"auths": {"q.io": {"auth": auth if padded else auth.rstrip("=")}}}))
    (credential,) = Keyring.from_secrets([entries]).lookup("q.io/a:1")
    assert (credential.username, credential.password) == (username, password)


def test_keys_of_entries_are_found_regardless_of_case() -> None:
    (credential,) = Keyring.from_secrets([secret('{"AUTHS":{"q.io":{"UserName":"u","PASSWORD":"p"}}}')]).lookup(
        "q.io/a"
    )
    assert (credential.username, credential.password) == ("u", "p")


def test_equal_keys_keep_the_order_of_secrets_then_of_locations() -> None:
    first = secret('{"https://q.io/v2/":{},"q.io":{},"http://q.io":{}}', CONFIG, name="a")
    second = secret('{"auths":{"q.io/":{}}}', name="b")
    matches = Keyring.from_secrets([first, second]).lookup("q.io/x:1")
    assert [(match.secret_name, match.location) for match in matches] == [
        ("a", "http://q.io"),
        ("a", "https://q.io/v2/"),
        ("a", "q.io"),
        ("b", "q.io/"),
    ]


@pytest.mark.parametrize(
    ("location", "key"),
    [
        ("quay.io", "quay.io"),
        ("https://quay.io", "quay.io"),
        ("http://quay.io/", "quay.io"),
        ("quay.io/ns/", "quay.io/ns/"),
        ("quay.io/v1/", "quay.io"),
        ("quay.io/v2/ns", "quay.io/ns"),
        ("quay.io/v2", "quay.io/v2"),
        ("quay.io/v1/v2/", "quay.io/v2/"),
        ("https://index.docker.io/v1/", "index.docker.io"),
        ("me:secret@quay.io/ns", "quay.io/ns"),
        ("a@b@quay.io", "quay.io"),
        ("quay.io?a=b/c", "quay.io"),
        ("quay.io/ns?%zz#x", "quay.io/ns"),
        ("q?ay.io", "q"),
        ("quay.io/%6es", "quay.io/ns"),
        ("quay.io/%2f", "quay.io//"),
        ("%C3%A9.io", "\u00e9.io"),
        ("\u00e9.io/\u00e9", "\u00e9.io/\u00e9"),
        ("quay.io:", "quay.io:"),
        ("quay.io:99999", "quay.io:99999"),
        ("a:b:5", "a:b:5"),
        # Only one scheme is taken off, and only a lower-case one is seen.
        ("https://http://quay.io", "http:" + "//quay.io"),
        ("HTTPS://quay.io", "HTTPS:" + "//quay.io"),
        ("", ""),
        ("/", ""),
        ("a%25b", "a%b"),
        # No URLs.
        ("quay.io:abc", None),
        ("quay.io:5000x/ns", None),
        ("quay.io:\u0661", None),
        ("qu ay.io", None),
        ("qu\\ay.io", None),
        ("quay{}.io", None),
        ("%zz", None),
        ("%2f", None),
        ("quay%41.io", None),
        ("quay.io/%", None),
        ("quay.io/%z1", None),
        ("quay.io\n", None),
        ("quay.io/\x7f", None),
        ("quay.io#%", None),
        ("m e@quay.io", None),
        ("%@quay.io", None),
        ("reg[0-9].io", None),
        ("[::1", None),
    ],
)
def test_index_keys(location: str, key: str | None) -> None:
    assert index_key(location) == key


def test_control_characters_of_a_fragment_do_no_harm() -> None:
    assert index_key("quay.io#\n") == "quay.io"


@pytest.mark.parametrize(
    ("location", "image", "covered"),
    [
        ("quay.io", "quay.io/a:1", True),
        ("quay.io", "quay.io:443/a:1", False),
        ("quay.io:", "quay.io/a:1", True),
        ("quay.io/n", "quay.io/ns/a:1", True),
        ("quay.io/ns/a:1", "quay.io/ns/a:12", True),
        ("quay.io/ns/", "quay.io/ns", False),
        ("*", "localhost/a", True),
        ("*", "quay.io/a", False),
        ("*.io", "quay.io/a", True),
        ("*.*", "quay.io/a", True),
        ("q*y.i*", "quay.io/a", True),
        ("q*a*y.io", "quay.io/a", True),
        ("q*y*a.io", "quay.io/a", False),
        ("**y.io", "quay.io/a", True),
        ("quay.io*", "quay.io:5000/a", False),
        ("*.io:5000", "quay.io:5000/a", True),
        ("QUAY.io", "quay.io/a", False),
    ],
)
def test_covering(location: str, image: str, covered: bool) -> None:
    assert bool(found(keyring(location), image)) is covered


def test_docker_hub_is_the_last_resort() -> None:
    ring = keyring("https://index.docker.io/v1/")
    for image in ("docker.io/library/a:1", "index.docker.io/a", "library/a", "a", "localhost/a"):
        assert found(ring, image) == ["https://index.docker.io/v1/"]
    for image in ("registry-1.docker.io/library/a", "quay.io/a", "localhost:5000/a", ""):
        assert found(ring, image) == []
    assert found(keyring("index.docker.io", "docker.io"), "docker.io/library/a:1") == ["docker.io"]


def test_a_key_that_is_no_url_once_decoded_covers_nothing() -> None:
    assert index_key("quay.io/%25") == "quay.io/%"
    assert found(keyring("quay.io/%25", "quay.io"), "quay.io/%25/a") == ["quay.io"]


@given(st.text(max_size=30))
def test_any_location_is_indexed_or_not(text: str) -> None:
    key = index_key(text)
    assert key is None or isinstance(key, str)
    ring = keyring(text)
    assert set(found(ring, "quay.io/a:1")) <= {text}
    parsed = parse_location(text)
    assert parsed is None or isinstance(parsed, Location)


def test_hostile_globs_are_fast() -> None:
    assert not found(keyring("*a" * 3000 + "b.io"), "a" * 250 + ".io/x")


def whole(**changes: Any) -> dict[str, Any]:
    document = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "namespace": "demo", "annotations": {"a": "b"}},
        "type": CONFIG,
        "data": {".dockercfg": "e30=", "none": None},
    }
    return document | changes


def test_secret_objects() -> None:
    assert Secret.from_object(whole()) == Secret("s", "demo", CONFIG, {".dockercfg": b"{}", "none": b""}, {"a": "b"})
    assert Secret.from_object({"kind": "Secret"}) == Secret("", "", "Opaque", {}, {})
    assert Secret.from_object(whole(stringData={".dockercfg": "{\u00e9}"})).data[".dockercfg"] == "{\u00e9}".encode()
    assert "secret-value" not in repr(Secret.from_object(whole(stringData={"k": "secret-value"})))


@pytest.mark.parametrize(
    ("document", "error"),
    [
        ([], "Secret: Expected `object`, got `array`"),
        ({}, "Secret: Object missing required field `kind`"),
        (whole(kind="ConfigMap"), "Secret 's': kind: found 'ConfigMap', must be Secret"),
        (whole(data={"k": 1}), "Secret: data[...]: Expected `str | null`, got `int`"),
        (whole(metadata={"name": 1}), "Secret: metadata.name: Expected `str`, got `int`"),
        (
            whole(data={"k": "{}"}),
            "Secret 's': data[k]: illegal base64 data at input byte 0; text that is not base64 belongs in stringData",
        ),
    ],
)
def test_bad_secret_objects(document: Any, error: str) -> None:
    with pytest.raises(InputError) as caught:
        Secret.from_object(document)
    assert str(caught.value) == error


def test_usable_secrets() -> None:
    def named(name: str, namespace: str = "demo", type_: str = CONFIG, **annotations: str) -> Secret:
        return Secret(
            name, namespace, type_, {}, {f"openshift.io/image.{key}": text for key, text in annotations.items()}
        )

    secrets = [
        named("z"),
        named("b", namespace=""),
        named("a", type_=CONFIG_JSON),
        named("other", namespace="other"),
        named("opaque", type_="Opaque"),
        named("excluded", excludeSecret="true"),
        named("kept", excludeSecret="True"),
    ]
    assert [one.name for one in usable_secrets(secrets, "demo")] == ["a", "b", "kept", "z"]
    assert [one.name for one in usable_secrets(secrets, "other")] == ["b", "other"]


def test_passwords_are_not_printed() -> None:
    assert "hidden" not in repr(Credential("user", "hidden", "quay.io", "s"))
