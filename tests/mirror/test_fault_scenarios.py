"""Imports from registries that misbehave: what a status says, how long it takes on the clock, and that sockets and the
direct way agree on it in no time."""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from support.command import TREE
from support.drawn_scenarios import draw_hosts, draw_scenario, places
from support.vectors import VECTORS

from fake_registry.config import Auth, BlobRedirects, Fault, FaultAction, Host, Hosts, Mtls, RateLimit
from fake_registry.core.faults import FaultAccount
from fake_registry.core.registry import RegistryCore
from fake_registry.fixtures import Tree
from mirror.api.app import ApiCore
from mirror.api.cluster import Cluster
from mirror.api.messages import ApiResponse
from mirror.clock import ManualClock, NamedUids
from mirror.config import ClusterConfig, decode_document
from mirror.scenario import START, Scenario, Step, load_scenario, request_of
from mirror.session import TransportKind, open_transport, order_matters

PATH = "/apis/image.openshift.io/v1/namespaces/demo/imagestreamimports"
KINDS: tuple[TransportKind, ...] = ("embedded", "http")

INTERNAL = "Internal error occurred: quay.io/app/web:latest: "
PING = f'{INTERNAL}Get "https://quay.io/v2/": '
MANIFEST = f'{INTERNAL}Get "https://quay.io/v2/app/web/manifests/latest": '
LATE = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
LATE_BODY = "net/http: request canceled (Client.Timeout or context cancellation while reading body)"
RESET = "read tcp 192.0.2.1:40000->192.0.2.10:443: read: connection reset by peer"
HUB = (
    "You have reached your pull rate limit. You may increase the limit by authenticating and upgrading: "
    "https://www.docker.com/increase-rate-limit"
)
TIMEOUT = "Timeout: request did not complete within requested timeout - context deadline exceeded"
NO_ACCESS = 'you may not have access to the container image "quay.io/app/web:latest"'
CLEAR_TEXT = f'{INTERNAL}endpoint "http://quay.io" does not support v2 API (got 400 Bad Request)'
BAD = "content integrity error: the "
OK = "Success"


NO_CERTIFICATE = "remote error: tls: certificate required"
NOT_TRUSTED = "tls: failed to verify certificate: x509: certificate signed by unknown authority"


@dataclass
class Outcome:
    """What came of a scenario: the answers, what the fault rules counted, where the clock stands, what was asked."""

    answers: list[ApiResponse]
    faults: list[FaultAccount]
    seconds: float
    asked: list[tuple[Any, ...]]

    @property
    def message(self) -> str:
        """What the first answer says of its (first) image, or of itself."""
        document = json.loads(self.answers[0].body)
        if document["kind"] == "Status":
            return str(document["message"])
        images = document["status"].get("repository", document["status"])["images"]
        return str(images[0]["status"].get("message", images[0]["status"]["status"]))

    @property
    def fired(self) -> list[int]:
        """How often each rule fired."""
        return [account.fired for account in self.faults]


class Registries:
    """The registries of a scenario and their clock."""

    def __init__(self, hosts: Hosts) -> None:
        self.now = ManualClock(START)
        self.core = RegistryCore(Tree.open(TREE), hosts, clock=lambda: self.now.now().timestamp())


async def play(scenario: Scenario, kind: TransportKind) -> Outcome:
    registries = Registries(scenario.hosts)
    async with open_transport(registries.core, scenario.hosts, kind) as transport:
        api = ApiCore(Cluster(scenario.cluster, transport, registries.now, NamedUids()))
        answers = [await api.handle(request_of(step)) for step in scenario.steps]
    return Outcome(
        answers,
        list(registries.core.faults),
        (registries.now.now() - START).total_seconds(),
        [(entry.time, entry.method, entry.target, entry.status, entry.fault) for entry in registries.core.journal],
    )


def scenario_of(
    faults: str,
    *,
    insecure: bool = False,
    scheme: str = "https",
    anonymous: bool = False,
    image: str = "app/web:latest",
) -> Scenario:
    """The import of one image, or of a whole repository, from a registry with faults (YAML)."""
    rules = decode_document(f"[{faults}]".encode(), list[Fault], "faults")
    auth = Auth(type="bearer", anonymous=True) if anonymous else None
    part = {"from": {"kind": "DockerImage", "name": f"quay.io/{image}"}, "importPolicy": {"insecure": insecure}}
    spec = {"import": False, **({"images": [part]} if ":" in image else {"repository": part})}
    body = {
        "apiVersion": "image.openshift.io/v1",
        "kind": "ImageStreamImport",
        "metadata": {"name": "web"},
        "spec": spec,
    }
    host = Host(scheme=scheme, auth=auth, faults=rules)  # type: ignore[arg-type]
    return Scenario(cluster=ClusterConfig(), hosts={"quay.io": host}, steps=[Step(method="POST", path=PATH, body=body)])


BEARER = {"anonymous": True}
INSECURE = {"insecure": True}

ROWS: list[tuple[str, dict[str, Any], str, float, list[int]]] = [
    # faults, what else is special; message, seconds on the clock, how often each rule fired
    ("{match: {kind: ping}, action: {latency: 20s}}", {}, PING + LATE, 15, [1]),
    ("{match: {kind: ping}, action: {latency: 15}}", {}, OK, 15, [1]),
    ("{match: {kind: ping}, action: {latency: 14.999, status: 429}}", {}, OK, 14.999, [1]),
    ("{action: {latency: 11s}}", {}, OK, 33, [3]),
    ("{action: {latency: 12s}}", {}, TIMEOUT, 34, [3]),
    ("{match: {kind: manifest}, action: {latency: 33s}}", {}, OK, 33, [1]),
    ("{match: {kind: manifest}, action: {latency: 1h}}", {}, TIMEOUT, 34, [1]),
    ("{match: {kind: ping}, action: {stall: before}}", {}, PING + LATE, 15, [1]),
    ("{match: {kind: ping}, action: {stall: before}, times: 1}", INSECURE, CLEAR_TEXT, 15, [1]),
    # of a ping nobody reads more than the headers
    ("{match: {kind: ping}, action: {stall: 1}}", {}, OK, 0, [1]),
    ("{match: {kind: ping}, action: {cut: 1}}", {}, OK, 0, [1]),
    ("{match: {kind: ping}, action: {reset: 1}}", {}, OK, 0, [1]),
    ("{match: {kind: ping}, action: {cut: before}}", {}, PING + "EOF", 0, [1]),
    ("{match: {kind: ping}, action: {reset: before}}", {}, PING + RESET, 0, [1]),
    ("{match: {kind: ping}, action: {status: 503}}", {}, OK, 0, [1]),  # its header says that it is a registry
    (
        "{match: {kind: ping}, action: {status: 503, headers: {Docker-Distribution-Api-Version: ''}}}",
        {},
        f'{INTERNAL}endpoint "https://quay.io" does not support v2 API (got 503 Service Unavailable)',
        0,
        [1],
    ),
    ("{match: {kind: ping}, action: {status: 204}}", {}, OK, 0, [1]),
    ("{match: {kind: manifest}, action: {stall: before}}", {}, TIMEOUT, 34, [1]),
    ("{match: {kind: manifest}, action: {stall: 10}}", {}, TIMEOUT, 34, [1]),
    # what is hung up on a connection that had been used before is asked for once more
    ("{match: {kind: manifest}, action: {cut: before}, times: 1}", {}, OK, 0, [1]),
    ("{match: {kind: manifest}, action: {reset: before}, times: 1}", {}, OK, 0, [1]),
    ("{match: {kind: manifest}, action: {cut: before}}", {}, MANIFEST + "EOF", 0, [2]),
    ("{match: {kind: manifest}, action: {reset: before}}", {}, MANIFEST + RESET, 0, [2]),
    ("{match: {kind: manifest}, action: {latency: 3s, reset: before}}", {}, MANIFEST + RESET, 6, [2]),
    ("{match: {kind: manifest}, action: {cut: 100}}", {}, INTERNAL + "unexpected EOF", 0, [1]),
    ("{match: {kind: manifest}, action: {cut: 0}}", {}, INTERNAL + "unexpected EOF", 0, [1]),
    ("{match: {kind: manifest}, action: {reset: 100}}", {}, INTERNAL + RESET, 0, [1]),
    ("{match: {kind: manifest}, action: {cut: 1000000}}", {}, OK, 0, [1]),
    ("{match: {kind: manifest}, action: {reset: 1000000}}", {}, OK, 0, [1]),
    ("{match: {kind: manifest}, action: {stall: 1000000}}", {}, OK, 0, [1]),
    ("{match: {kind: blob}, action: {cut: 10}}", {}, INTERNAL + "unexpected EOF", 0, [1]),
    ("{match: {kind: blob}, action: {reset: 10}}", {}, INTERNAL + RESET, 0, [1]),
    ("{match: {kind: blob}, action: {corrupt: 10}}", {}, INTERNAL + BAD + "blob retrieved", 0, [1]),
    ("{match: {kind: blob}, action: {body: '{}'}}", {}, INTERNAL + BAD + "blob retrieved", 0, [1]),
    (
        "{match: {kind: blob}, action: {stall: 0, status: 500}}",
        {},
        INTERNAL + "received unexpected HTTP status",
        0,
        [1],
    ),
    ("{match: {kind: blob}, action: {stall: 0, status: 404}}", {}, INTERNAL + "unknown blob", 0, [1]),
    ("{match: {kind: manifest}, action: {contentLength: 1000000}}", {}, INTERNAL + "unexpected EOF", 0, [1]),
    ("{match: {kind: manifest}, action: {contentLength: 20}}", {}, INTERNAL + "unexpected end of JSON input", 0, [1]),
    ("{match: {kind: manifest}, action: {contentType: a/b; c}}", {}, INTERNAL + "mime: invalid media param", 0, [1]),
    (
        "{match: {kind: manifest}, action: {status: 503}}",
        {},
        INTERNAL + "received unexpected HTTP status: 503 Service Unavailable",
        0,
        [1],
    ),
    (
        "{match: {kind: manifest}, action: {status: 503, cut: 3}}",
        {},
        INTERNAL + "received unexpected HTTP status: 503 Service Unavailable",
        0,
        [1],
    ),
    ("{match: {kind: manifest}, action: {status: 400, cut: 3}}", {}, INTERNAL + "unexpected EOF", 0, [1]),
    (
        "{match: {kind: manifest}, action: {status: 404}}",
        {},
        'dockerimage.image.openshift.io "quay.io/app/web:latest" not found',
        0,
        [1],
    ),
    ("{match: {kind: manifest}, action: {tooManyRequests: {}}}", {}, f"{INTERNAL}toomanyrequests: {HUB}", 0, [1]),
    # only an answer that is no list of errors is asked for again after a while
    ("{match: {kind: manifest}, action: {status: 429, body: slow down}, times: 2}", {}, OK, 4, [2]),
    ("{match: {kind: manifest, nth: 2}, action: {status: 503}}", {}, OK, 0, [0]),
    ("{action: {tls: alert}}", {}, PING + "remote error: tls: handshake failure", 0, [1]),
    ("{action: {tls: close}}", {}, PING + "EOF", 0, [1]),
    ("{action: {tls: reset}}", {}, PING + RESET, 0, [1]),
    ("{action: {tls: stall}}", {}, PING + "net/http: TLS handshake timeout", 10, [1]),
    ("{action: {tls: stall}}", INSECURE, CLEAR_TEXT, 10, [1]),
    ("{action: {tls: alert}, match: {nth: 2}}", {}, OK, 0, [0]),
    (
        "{action: {tls: alert}, match: {nth: 2}}, {match: {kind: ping}, action: {cut: 0}}",
        {},
        MANIFEST + "remote error: tls: handshake failure",
        0,
        [1, 1],
    ),
    ("{action: {tls: alert}}", {"scheme": "http"}, PING + "http: server gave HTTP response to HTTPS client", 0, [0]),
    ("{match: {kind: token}, action: {token: refused}}", BEARER, MANIFEST + "unauthorized", 0, [1]),
    ("{match: {kind: token}, action: {status: 403}}", BEARER, MANIFEST + "denied", 0, [1]),
    ("{match: {kind: token}, action: {token: expired}}", BEARER, NO_ACCESS, 0, [1]),
    ("{match: {kind: token}, action: {token: wrongScope}}", BEARER, NO_ACCESS, 0, [1]),
    ("{match: {kind: manifest}, action: {token: expired}}", BEARER, NO_ACCESS, 0, [1]),
    ("{match: {kind: manifest}, action: {token: wrongScope}}", BEARER, NO_ACCESS, 0, [1]),
    ("{match: {kind: token}, action: {latency: 16s}}", BEARER, TIMEOUT, 34, [3]),
    (
        "{match: {kind: token}, action: {cut: 30}}",
        BEARER,
        MANIFEST + "unable to decode token response: unexpected EOF",
        0,
        [1],
    ),
    (
        "{match: {kind: token}, action: {reset: 30}}",
        BEARER,
        f"{MANIFEST}unable to decode token response: {RESET}",
        0,
        [1],
    ),
    (
        "{match: {kind: token}, action: {stall: 30}}",
        BEARER,
        f"{MANIFEST}unable to decode token response: {LATE_BODY}",
        15,
        [1],
    ),
    ("{match: {kind: token}, action: {contentLength: 5000}}", BEARER, OK, 0, [1]),
    ("{match: {kind: manifest, every: 2}, action: {latency: 1s}}", {"image": "app/web"}, OK, 3, [3]),
    ("{match: {kind: manifest, after: 4}, action: {latency: 1s}}", {"image": "app/web"}, OK, 2, [2]),
    ("{match: {kind: manifest, nth: [1, 3]}, action: {latency: 1s}}", {"image": "app/web"}, OK, 2, [2]),
    ("{match: {kind: manifest}, action: {latency: 1s}, times: 4}", {"image": "app/web"}, OK, 4, [4]),
]


@pytest.mark.parametrize(("faults", "more", "message", "seconds", "fired"), ROWS)
async def test_what_a_fault_comes_to(
    faults: str, more: dict[str, Any], message: str, seconds: float, fired: list[int]
) -> None:
    scenario = scenario_of(faults, **more)
    assert order_matters(scenario.hosts)
    embedded, over_sockets = [await play(scenario, kind) for kind in KINDS]
    assert over_sockets == embedded
    assert embedded.message.startswith(message)
    assert (embedded.seconds, embedded.fired) == (seconds, fired)


@pytest.mark.parametrize("failure", ["alert", "close", "reset", "stall"])
@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("insecure", [False, True])
async def test_handshakes_with_certificates_that_nobody_trusts(failure: str, number: int, insecure: bool) -> None:
    faults = f"{{action: {{tls: {failure}}}, match: {{nth: {number}}}}}"
    embedded, over_sockets = [
        await play(scenario_of(faults, scheme="selfsigned", insecure=insecure), kind) for kind in KINDS
    ]
    assert over_sockets == embedded


LATENCIES = ("{uniform: [100ms, 2], seed: 7}", "{normal: [1s, 300ms], seed: 7}", "{exponential: 500ms, seed: 7}")


@pytest.mark.parametrize("latency", LATENCIES)
async def test_drawn_latencies_are_the_same_every_time(latency: str) -> None:
    scenario = scenario_of(f"{{action: {{latency: {latency}}}}}", image="app/web")
    outcomes = [await play(scenario, kind) for kind in (*KINDS, *KINDS)]
    assert all(outcome == outcomes[0] for outcome in outcomes)
    assert 1 < outcomes[0].seconds < 34
    other = await play(
        scenario_of(f"{{action: {{latency: {latency.replace('7', '8')}}}}}", image="app/web"), "embedded"
    )
    assert other.seconds != outcomes[0].seconds


# Drawn faults

ACTIONS: tuple[dict[str, Any], ...] = (
    {"status": 503},
    {"status": 429, "body": "slow down"},
    {"status": 404},
    {"status": 401},
    {"status": 200, "body": '{"token": "x"}'},
    {"status": 304},
    {"tooManyRequests": {}},
    {"latency": "2s"},
    {"latency": {"uniform": [0, 3]}},
    {"latency": 16},
    {"latency": "4s", "status": 500},
    {"stall": "before"},
    {"stall": 5},
    {"cut": "before"},
    {"cut": 0},
    {"cut": 40},
    {"reset": "before"},
    {"reset": 0},
    {"reset": 7, "contentLength": 3},
    {"reset": 60},
    {"corrupt": 3},
    {"corrupt": -2},
    {"contentLength": 0},
    {"contentLength": 7},
    {"contentLength": 5000, "cut": 3},
    {"contentType": ""},
    {"contentType": "text/plain"},
    {"headers": {"Connection": "close"}},
    {"headers": {"Docker-Content-Digest": "", "Link": "</v2/>"}},
    {"token": "refused"},
    {"token": "expired"},
    {"token": "wrongScope"},
    {"body": "{}"},
    {"tls": "alert"},
    {"tls": "close"},
    {"tls": "reset"},
    {"tls": "stall"},
)
MATCHES: tuple[dict[str, Any], ...] = (
    {},
    {"kind": "ping"},
    {"kind": "manifest"},
    {"kind": ["manifest", "blob"]},
    {"kind": "blob", "method": "HEAD"},
    {"kind": "blob"},
    {"kind": "tags"},
    {"kind": "token"},
    {"repository": "app/*"},
    {"reference": "sha256:*"},
    {"reference": "latest"},
    {"user": ""},
    {"user": "me"},
    {"userAgent": "Go-http-client/*"},
)
NUMBERS: tuple[dict[str, Any], ...] = ({}, {}, {"nth": 1}, {"nth": [2, 3]}, {"every": 2}, {"after": 2})


def draw_fault(rng: random.Random) -> Fault:
    action = rng.choice(ACTIONS)
    match = {**({} if "tls" in action else rng.choice(MATCHES)), **rng.choice(NUMBERS)}
    return msgspec.convert({"match": match, "action": action, "times": rng.choice((-1, -1, 1, 2))}, Fault)


def with_faults(rng: random.Random, hosts: Hosts) -> Hosts:
    return {
        name: msgspec.structs.replace(host, faults=[draw_fault(rng) for _ in range(rng.randint(0, 3))])
        for name, host in hosts.items()
    }


@pytest.mark.parametrize("chunk", range(12))
async def test_transports_agree_on_drawn_faults(chunk: int) -> None:
    rng = random.Random(f"faults/{chunk}")
    hosts = with_faults(rng, draw_hosts(rng))
    existing = places(Tree.open(TREE))
    for index in range(25):
        scenario = msgspec.structs.replace(draw_scenario(rng, hosts, existing), hosts=with_faults(rng, hosts))
        embedded, over_sockets = [await play(scenario, kind) for kind in KINDS]
        assert over_sockets == embedded, (chunk, index, msgspec.json.encode(scenario).decode())


@pytest.mark.parametrize("name", ["image-by-tag", "repository-all", "auth-good", "multi-preserve", "mirror-tag"])
async def test_rules_that_are_never_due_change_nothing(name: str) -> None:
    scenario = load_scenario(VECTORS / "scenarios" / f"{name}.json")
    never = decode_document(b"[{match: {after: 100000}, action: {status: 500}}]", list[Fault], "faults")
    faulty = msgspec.structs.replace(
        scenario, hosts={host: msgspec.structs.replace(one, faults=never) for host, one in scenario.hosts.items()}
    )
    for kind in KINDS:
        plain, watched = await play(scenario, kind), await play(faulty, kind)
        assert (watched.answers, watched.seconds) == (plain.answers, plain.seconds)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("host", "message"),
    [
        (Host(mtls=Mtls()), PING + NO_CERTIFICATE),
        (Host(mtls=Mtls(), scheme="selfsigned"), PING + NOT_TRUSTED),
        (Host(mtls=Mtls(required=False)), OK),
    ],
)
async def test_importers_have_no_client_certificates(kind: TransportKind, host: Host, message: str) -> None:
    scenario = msgspec.structs.replace(scenario_of(""), hosts={"quay.io": host})
    assert (await play(scenario, kind)).message == message


CDN = "cdn01.quay.io"


@pytest.mark.parametrize(
    ("cdn", "redirects", "message"),
    [
        ({}, {}, OK),
        ({}, {"status": 303, "head": True}, OK),
        ({"scheme": "http"}, {}, OK),
        ({"auth": Auth(type="basic", username="me", password="secret")}, {}, OK),
        ({}, {"expires": 0}, INTERNAL + "error parsing HTTP 403 response body: invalid character '<' looking for"),
        ({"scheme": "selfsigned"}, {}, INTERNAL + f'Get "https://{CDN}/quay.io/app/web/blobs/sha256:'),
        ({"scheme": "down"}, {}, INTERNAL + f'Get "https://{CDN}/quay.io/app/web/blobs/sha256:'),
        ({"faults": [Fault(action=FaultAction(tls="alert"))]}, {}, INTERNAL + f'Get "https://{CDN}/quay.io/app/web/'),
        ({"faults": [Fault(action=FaultAction(status=503))]}, {}, INTERNAL + "received unexpected HTTP status: 503"),
        ({"faults": [Fault(action=FaultAction(cut=10))]}, {}, INTERNAL + "unexpected EOF"),
        ({"faults": [Fault(action=FaultAction(corrupt=0))]}, {}, INTERNAL + BAD + "blob retrieved"),
        ({"rate_limits": [RateLimit(requests=0, window="1m")]}, {}, INTERNAL + "toomanyrequests: "),
    ],
)
@pytest.mark.parametrize("anonymous", [False, True])
async def test_configs_that_are_elsewhere(
    cdn: dict[str, Any], redirects: dict[str, Any], message: str, anonymous: bool
) -> None:
    scenario = scenario_of("", anonymous=anonymous)
    hosts = {
        "quay.io": msgspec.structs.replace(
            scenario.hosts["quay.io"], blob_redirects=BlobRedirects(host=CDN, **redirects)
        ),
        CDN: Host(**cdn),
    }
    scenario = msgspec.structs.replace(scenario, hosts=hosts)
    embedded, over_sockets = [_without_signature(await play(scenario, kind)) for kind in KINDS]
    assert over_sockets == embedded
    assert embedded.message.startswith(message)


def _without_signature(outcome: Outcome) -> Outcome:
    """Each core of a test signs by a key of its own."""
    for answer in outcome.answers:
        answer.body = re.sub(rb"Signature=[\w-]{43}", b"Signature=*", answer.body)
    return outcome
