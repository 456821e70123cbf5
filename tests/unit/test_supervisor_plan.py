"""Which processes a configuration asks for, and which secrets each sees."""

from pathlib import Path

from pointsman.config.load import load_config
from pointsman.supervisor.plan import Kind, ServiceSpec, plan_services

CONFIG = """
version: 1
router: {address: "127.0.0.1:7070"}
providers:
  openai: {kind: openai_http, api_key_env: OPENAI_API_KEY}
  groq: {kind: openai_http, base_url: "https://api.groq.com/openai/v1", api_key_env: GROQ_API_KEY}
  claude: {kind: anthropic_http}
  local: {kind: openai_http, base_url: "http://127.0.0.1:9/v1"}
models:
  - {provider: openai, model: m, quality: 0.5, context_tokens: 100, price: {input: 0, output: 0}}
"""
ENVIRONMENT = {"PATH": "/bin", "OPENAI_API_KEY": "o", "GROQ_API_KEY": "g", "ANTHROPIC_API_KEY": "a"}


def plan(tmp_path: Path, environment: dict[str, str]) -> dict[str, ServiceSpec]:
    path = tmp_path / "mesh.yaml"
    path.write_text(CONFIG)
    return {spec.name: spec for spec in plan_services(load_config(path), tmp_path / "run", environment, 5)}


def test_one_process_a_provider_and_the_router_last(tmp_path: Path) -> None:
    specs = plan(tmp_path, ENVIRONMENT)
    assert list(specs) == [
        "telemetry",
        "classifier",
        "provider-openai",
        "provider-groq",
        "provider-claude",
        "provider-local",
        "router",
    ]
    assert specs["router"].kind is Kind.ROUTER
    assert specs["router"].address == "127.0.0.1:7070"
    assert specs["provider-local"].address == f"unix:{tmp_path}/run/provider-local.sock"
    assert specs["provider-local"].arguments[:2] == ("--provider", "local")


def test_each_provider_sees_its_own_key_alone(tmp_path: Path) -> None:
    secrets = {"OPENAI_API_KEY", "GROQ_API_KEY", "ANTHROPIC_API_KEY"}
    seen = {name: secrets & spec.environment.keys() for name, spec in plan(tmp_path, ENVIRONMENT).items()}
    assert seen == {
        "telemetry": set(),
        "classifier": set(),
        "provider-openai": {"OPENAI_API_KEY"},
        "provider-groq": {"GROQ_API_KEY"},
        "provider-claude": {"ANTHROPIC_API_KEY"},
        "provider-local": set(),
        "router": set(),
    }


def test_everything_else_of_the_environment_is_handed_on(tmp_path: Path) -> None:
    for spec in plan(tmp_path, {"PATH": "/bin", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317"}).values():
        assert spec.environment["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://127.0.0.1:4317"
        assert "OPENAI_API_KEY" not in spec.environment


def test_with_envoy_there_are_two_routers_and_clients_come_to_envoy(tmp_path: Path) -> None:
    path = tmp_path / "mesh.yaml"
    path.write_text(CONFIG)
    run_dir, file = tmp_path / "run", tmp_path / "envoy.yaml"
    specs = {spec.name: spec for spec in plan_services(load_config(path), run_dir, ENVIRONMENT, 5, file)}
    assert list(specs)[-3:] == ["router-1", "router-2", "envoy"]
    routers = [specs[name] for name in ("router-1", "router-2")]
    assert {router.kind for router in routers} == {Kind.ROUTER}
    assert [router.address for router in routers] == [f"unix:{run_dir}/router-{n}.sock" for n in (1, 2)]
    for router in routers:
        assert router.arguments[router.arguments.index("--address") + 1] == router.address
        assert router.address in specs["envoy"].arguments
    envoy = specs["envoy"]
    assert (envoy.kind, envoy.address) == (Kind.ENVOY, "127.0.0.1:7070")
    assert not {"OPENAI_API_KEY", "GROQ_API_KEY", "ANTHROPIC_API_KEY"} & envoy.environment.keys()
