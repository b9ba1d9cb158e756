"""Names in the file: a name leads to one service, and to this machine."""

from __future__ import annotations

import pytest

from locald.domain.project import config
from locald.domain.project.texts import Texts
from locald.domain.values.problem import Refused

WEB = '[services.web]\ncommand = "x"\n'


def problems(text: str, local: str | None = None) -> list[str]:
    with pytest.raises(Refused) as refusal:
        config.parse(Texts(text, local))
    return [str(each).partition("\n")[0] for each in refusal.value.problems]


def test_names_are_taken_from_the_file() -> None:
    text = f'[project]\nname = "shop"\ndefault = "web"\n{WEB}domains = ["*.shop.localhost", "shop.test"]\n'
    spec = config.parse(text)
    assert spec.default == "web"
    assert spec.services["web"].domains == ("*.shop.localhost", "shop.test")


def test_two_services_that_claim_a_name_are_both_told() -> None:
    text = f'[project]\nname = "shop"\n{WEB}domains = ["a.shop.localhost"]\n'
    text += '[services.api]\ncommand = "x"\ndomains = [\n  "b.shop.localhost",\n  "a.shop.localhost",\n]\n'
    assert problems(text) == [
        'locald.toml:5: services.web.domains[0]: a.shop.localhost is a name of "api" too',
        'locald.toml:10: services.api.domains[1]: a.shop.localhost is a name of "web" too',
    ]


def test_the_name_that_a_service_has_by_itself_is_no_other_ones() -> None:
    text = f'[project]\nname = "shop"\n{WEB}domains = ["api.shop.localhost"]\n[services.api]\ncommand = "x"\n'
    assert problems(text) == [
        'locald.toml:5: services.web.domains[0]: api.shop.localhost is a name of "api" too',
        'locald.toml:6: services.api: api.shop.localhost is a name of "web" too',
    ]


def test_a_name_of_its_own_may_be_written_out() -> None:
    config.parse(f'[project]\nname = "shop"\n{WEB}domains = ["web.shop.localhost", "web.shop.localhost"]\n')


def test_a_domain_of_others_belongs_in_the_local_file() -> None:
    text = f'[project]\nname = "shop"\ndomain = "shop.example.org"\n{WEB}'
    assert problems(text) == [
        'locald.toml:3: project.domain: "shop.example.org" is outside of .localhost and .test'
    ]
    local = '[project]\ndomain = "shop.example.org"\n'
    assert config.parse(Texts(text, local)).domain == "shop.example.org"


def test_a_name_outside_of_all_domains_is_refused() -> None:
    text = f'[project]\nname = "shop"\n{WEB}domains = ["example.org", "x.shop.test"]\n'
    assert problems(text) == [
        'locald.toml:5: services.web.domains[0]: "example.org" is outside of .localhost and .test'
    ]


def test_names_below_a_domain_that_one_person_has_chosen_are_allowed() -> None:
    text = f'[project]\nname = "shop"\n{WEB}domains = ["x.example.org"]\n'
    spec = config.parse(Texts(text, '[project]\ndomain = "example.org"\n'))
    assert spec.services["web"].domains == ("x.example.org",)


@pytest.mark.parametrize("name", ["*", "a.*.localhost", "*.", "a*.localhost", "A.test", "a..test"])
def test_what_is_no_name_is_refused(name: str) -> None:
    found = problems(f'[project]\nname = "shop"\n{WEB}domains = ["{name}"]\n')
    assert found == [f'locald.toml:5: services.web.domains[0]: "{name}" is not a domain name']


def test_what_has_no_port_has_no_names() -> None:
    text = f'[project]\nname = "shop"\n{WEB}type = "worker"\ndomains = ["x.localhost"]\n'
    assert problems(text) == ["locald.toml:6: services.web.domains: a worker has no port"]


def test_the_default_is_a_service_of_the_file() -> None:
    text = f'[project]\nname = "shop"\ndefault = "wep"\n{WEB}'
    assert problems(text) == ['locald.toml:3: project.default: unknown service "wep"']


def test_an_idle_timeout_is_for_services_on_demand() -> None:
    text = f'[project]\nname = "shop"\n{WEB}idle_timeout = "5m"\n'
    assert problems(text) == [
        "locald.toml:5: services.web.idle_timeout: is only for a service that starts on demand"
    ]
    spec = config.parse(f"{text}on_demand = true\n").services["web"]
    assert (spec.on_demand, spec.idle_timeout) == (True, 300.0)
