"""Configuration of the faked hosts: the ``hosts`` part of scenario, policy and configuration files."""

from __future__ import annotations

from fake_registry.config.authentication import AccessRule, Action, Auth, Ldap, Mtls
from fake_registry.config.certificates import Certificates, ServerCertificate
from fake_registry.config.faults import (
    Fault,
    FaultAction,
    FaultMatch,
    Place,
    Spread,
    TlsFailure,
    TokenFlaw,
    TooManyRequests,
)
from fake_registry.config.hosts import Host, Hosts, Route, Scheme
from fake_registry.config.limits import Limits, RateLimit
from fake_registry.config.parts import Duration, Pattern, seconds
from fake_registry.config.redirects import AwsSignature, AwsVariables, BlobRedirects, StoreSignature
from fake_registry.config.requests import RequestKind, RequestMatch

__all__ = [
    "AccessRule",
    "Action",
    "Auth",
    "AwsSignature",
    "AwsVariables",
    "BlobRedirects",
    "Certificates",
    "Duration",
    "Fault",
    "FaultAction",
    "FaultMatch",
    "Host",
    "Hosts",
    "Ldap",
    "Limits",
    "Mtls",
    "Pattern",
    "Place",
    "RateLimit",
    "RequestKind",
    "RequestMatch",
    "Route",
    "Scheme",
    "ServerCertificate",
    "Spread",
    "StoreSignature",
    "TlsFailure",
    "TokenFlaw",
    "TooManyRequests",
    "seconds",
]
