"""Requests made up from the description of the interface, right ones and wrong ones."""

from pathlib import Path

import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from service_process import Running

from skyfix.serve.app import create_app
from skyfix.serve.settings import Settings

CHECKS = [
    not_a_server_error,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
]
# The description is that of every service; the requests go to the one that runs.
interface = schemathesis.openapi.from_dict(create_app(Settings((), Path())).openapi())


@interface.parametrize()
@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_nothing_fails_within(case: schemathesis.Case, service: Running) -> None:
    case.call_and_validate(base_url=service.url, checks=CHECKS)
