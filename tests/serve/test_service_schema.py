"""Requests made up from the description of the interface, right ones and wrong ones."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from service_process import Running

CHECKS = [
    not_a_server_error,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
]


@pytest.fixture(scope="session")
def interface(service: Running) -> schemathesis.openapi.OpenApiSchema:
    return schemathesis.openapi.from_url(f"{service.url}/openapi.json")


requests = schemathesis.pytest.from_fixture("interface")


@requests.parametrize()
@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_nothing_fails_within(case: schemathesis.Case) -> None:
    case.call_and_validate(checks=CHECKS)
