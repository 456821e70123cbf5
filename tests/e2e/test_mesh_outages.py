"""What a mesh does without one of its parts: it says through health which one and why, and answers all the same."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.demo.aimock import run_aimock
from pointsman import errors
from pointsman.client import Client
from tests.e2e.mesh_config import clean_environment
from tests.e2e.mesh_process import pointsman
from tests.e2e.service_processes import NOT_SERVING, PATIENCE_S, SERVING, service_processes
from tests.e2e.two_providers import write_two_providers

PROMPT = "Why do points freeze?"
# So patient that a slow machine classifies too.
PATIENT = {"classifier_timeout_ms": 10_000}


async def test_without_the_classifier_the_policys_complexity_is_used_and_marked(tmp_path: Path) -> None:
    policies = {"balanced": {"default_complexity": 0.75}}
    config = write_two_providers(tmp_path, {}, {}, router=PATIENT, policies=policies)
    async with service_processes(config, clean_environment()) as mesh, Client(mesh.address("router")) as client:
        await mesh.start("provider-first", "classifier", "router")
        await mesh.until("router", "provider/first", SERVING)
        judged = (await client.complete(PROMPT)).decision
        assert not judged.default_complexity and judged.classification.intents
        mesh.signal("classifier", signal.SIGKILL)
        await mesh.ended("classifier")
        for _ in range(3):
            answer = await client.complete(PROMPT)
            assert answer.finished
            assert answer.decision.default_complexity
            assert answer.decision.classification.complexity == 0.75
            assert "complexity 0.75 by default (classifier unavailable)" in answer.decision.reason
        # One late answer is no outage; three are.
        await mesh.until("router", "classifier", NOT_SERVING)
        await mesh.until("router", "", SERVING)
        await mesh.start("classifier")
        async with asyncio.timeout(PATIENCE_S):
            while (await client.explain(PROMPT)).default_complexity:
                pass
        await mesh.until("router", "classifier", SERVING)


async def test_without_telemetry_requests_are_answered_and_their_reports_wait(tmp_path: Path) -> None:
    config = write_two_providers(tmp_path, {}, {})
    async with service_processes(config, clean_environment()) as mesh, Client(mesh.address("router")) as client:
        await mesh.start("provider-first", "telemetry", "router")
        await mesh.until("router", "provider/first", SERVING)
        await mesh.until("router", "telemetry", SERVING)
        await client.complete(PROMPT)
        await mesh.until("router", "reports", SERVING)
        mesh.signal("telemetry", signal.SIGKILL)
        await mesh.ended("telemetry")
        for _ in range(3):
            assert (await client.complete(PROMPT)).finished
        await mesh.until("router", "reports", NOT_SERVING)
        await mesh.until("router", "telemetry", NOT_SERVING)
        await mesh.until("router", "", SERVING)
        await mesh.start("telemetry")
        await mesh.until("router", "reports", SERVING)
        # What was answered meanwhile is not lost; what was reported before died with the old process.
        assert (await mesh.stats(attempts=3))["first/m"].attempts == 3


def a_model(provider: str, model: str) -> dict[str, Any]:
    return {"provider": provider, "model": model, "quality": 0.9, "context_tokens": 8_000} | {
        "price": {"input": 1, "output": 2}
    }


def add_openai(config: Path, *models: str, **section: Any) -> None:
    """Adds a provider of a real API to a configuration."""
    content = yaml.safe_load(config.read_text())
    content["providers"]["openai"] = {"kind": "openai_http", "api_key_env": "OPENAI_API_KEY"} | section
    content["models"] += [a_model("openai", model) for model in models]
    config.write_text(yaml.safe_dump(content))


async def models_of_openai(client: Client, expected: dict[str, str]) -> None:
    """Waits until the router says this of the provider's models: why each is not available, nothing where it is."""
    told: dict[str, str] = {}
    async with asyncio.timeout(PATIENCE_S):
        while told != expected:
            models = await client.list_models()
            told = {model.card.ref.model: model.detail for model in models if model.card.ref.provider == "openai"}


async def test_a_provider_without_its_key_says_so_and_the_rest_works(tmp_path: Path) -> None:
    config = write_two_providers(tmp_path, {}, {})
    add_openai(config, "gpt")
    async with service_processes(config, clean_environment()) as mesh, Client(mesh.address("router")) as client:
        await mesh.start("provider-openai", health=NOT_SERVING)
        await mesh.start("provider-first", "router")
        await mesh.until("router", "provider/first", SERVING)
        await models_of_openai(client, {"gpt": "OPENAI_API_KEY is not set"})
        with pytest.raises(errors.AllCandidatesUnavailable, match="OPENAI_API_KEY is not set"):
            await client.complete(PROMPT, pinned_model="openai/gpt")
        await mesh.until("router", "provider/openai", NOT_SERVING)
        await mesh.until("router", "", SERVING)
        answer = await client.complete(PROMPT)
        assert answer.decision.chosen.provider == "first"
        details = {c.model.provider: c.detail for c in answer.decision.candidates}
        assert details["openai"] == "OPENAI_API_KEY is not set"
        mesh.signal("provider-openai", signal.SIGTERM)
        code, logged = await mesh.ended("provider-openai")
        assert code == 0
        assert "provider/openai is not serving: OPENAI_API_KEY is not set" in logged


async def test_a_model_that_the_provider_lacks_is_told_by_health_and_by_check_config(tmp_path: Path) -> None:
    fixture = {"match": {"model": "there"}, "response": {"content": "Here I am."}}
    async with run_aimock([fixture], api_keys=["key"]) as aimock:
        config = write_two_providers(tmp_path, {}, {})
        add_openai(config, "there", "gone", base_url=aimock.openai_base_url)
        environment = clean_environment(OPENAI_API_KEY="key")
        async with service_processes(config, environment) as mesh, Client(mesh.address("router")) as client:
            await mesh.start("provider-first", "provider-second", "provider-openai", "router")
            await asyncio.gather(*(mesh.until("router", f"provider/{name}", SERVING) for name in ("first", "second")))
            await models_of_openai(client, {"there": "", "gone": "the provider does not have it"})
            assert (await client.complete(PROMPT, pinned_model="openai/there")).text == "Here I am."
            with pytest.raises(errors.AllCandidatesUnavailable, match="the provider does not have it"):
                await client.complete(PROMPT, pinned_model="openai/gone")
            await mesh.until("router", "provider/openai", NOT_SERVING)
            await mesh.until("router", "", SERVING)
            check = ("check-config", str(config), "--live", "--run-dir", str(mesh.run_dir))
            done = await asyncio.to_thread(pointsman, *check, environment=environment)
            assert done.returncode == 1
            assert "openai/gone: the provider does not have it" in done.stdout
            assert "openai/there:" not in done.stdout
