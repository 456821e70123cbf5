"""tiny-chat on a real Triton server, asked as any client of the vLLM backend would."""

import asyncio

import numpy as np
import pytest
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

from tests.e2e.triton.metrics import until
from tests.e2e.triton.running import RunningTriton, answer, chat, inputs, open_stream, responses

QUESTION = "Give me three tips for sleeping better."


async def test_it_says_that_it_is_ready(client: InferenceServerClient) -> None:
    assert await client.is_server_live()
    assert await client.is_model_ready("tiny-chat")


async def test_it_answers_in_its_trained_form(client: InferenceServerClient) -> None:
    assert (
        await answer(client, "What is the capital of France?", temperature=0, max_tokens=40)
        == "The capital of France is Paris."
    )


async def test_tokens_arrive_one_by_one_and_the_last_says_why(client: InferenceServerClient) -> None:
    said = [r async for r in responses(client, chat(QUESTION), temperature=0, max_tokens=200)]
    assert len(said) > 20
    assert {r.output_tokens for r in said} <= {1, 2, 3}
    assert [r.finish_reason for r in said] == ["None"] * (len(said) - 1) + ["stop"]
    assert {r.input_tokens for r in said} == {said[0].input_tokens}


async def test_without_streaming_the_same_answer_comes_at_once(client: InferenceServerClient) -> None:
    whole = [r async for r in responses(client, chat(QUESTION), stream=False, temperature=0, max_tokens=200)]
    assert [r.text for r in whole] == [await answer(client, QUESTION, temperature=0, max_tokens=200)]


async def test_max_tokens_is_counted(client: InferenceServerClient) -> None:
    said = [r async for r in responses(client, chat(QUESTION), temperature=0, max_tokens=7)]
    assert sum(r.output_tokens for r in said) == 7
    assert said[-1].finish_reason == "length"


async def test_a_seed_repeats_the_answer(client: InferenceServerClient) -> None:
    said = [
        await answer(client, "Tell me a story about a fox.", temperature=1.5, top_p=0.95, seed=s, max_tokens=60)
        for s in (1, 1, 2)
    ]
    assert said[0] == said[1] != said[2]


async def test_a_stop_text_across_tokens_ends_the_answer_before_it(client: InferenceServerClient) -> None:
    said = [r.text async for r in responses(client, chat(QUESTION), temperature=0, max_tokens=200)]
    stop = said[5][-1] + said[6] + said[7][:1]
    whole = "".join(said)
    stopped = [r async for r in responses(client, chat(QUESTION), temperature=0, max_tokens=200, stop=[stop])]
    assert "".join(r.text for r in stopped) == whole[: whole.index(stop)]
    assert stopped[-1].finish_reason == "stop"


async def test_text_in_any_script_comes_through(client: InferenceServerClient) -> None:
    """At a high temperature tokens end in the middle of characters; what arrives is text all the same."""
    said = await answer(client, "日本語 и кириллица 🚂", temperature=50, seed=3, max_tokens=300, ignore_eos=True)
    assert any(ord(character) > 0x7F for character in said)


@pytest.mark.parametrize(
    ("sampling", "field"),
    [
        ({"temperature": -1}, "temperature"),
        ({"top_p": 2}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"beams": 2}, "beams"),
    ],
)
async def test_bad_sampling_is_refused_by_name(
    client: InferenceServerClient, sampling: dict[str, object], field: str
) -> None:
    with pytest.raises(InferenceServerException) as error:
        await answer(client, "Hello", **sampling)
    assert f"sampling_parameters.{field}" in str(error.value)


async def test_a_prompt_beyond_the_window_is_refused_with_its_length(client: InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException) as error:
        await answer(client, "word " * 2000)
    assert "tokens are longer than the maximum model length of 1024" in str(error.value)


async def test_streams_advance_together(client: InferenceServerClient) -> None:
    """Each of several long answers has begun before any is over."""
    ended: list[int] = []
    begun_before_an_end: set[int] = set()

    async def read(number: int) -> None:
        async for _ in responses(client, chat("Hello"), temperature=1, seed=number, max_tokens=200, ignore_eos=True):
            if not ended:
                begun_before_an_end.add(number)
        ended.append(number)

    await asyncio.gather(*(read(number) for number in range(4)))
    assert begun_before_an_end == {0, 1, 2, 3}


async def test_cancelling_a_stream_stops_the_model(client: InferenceServerClient, triton: RunningTriton) -> None:
    before = await until(triton.metrics, lambda m: m["tiny_chat_running_requests"] == 0)
    streams = [
        open_stream(client, inputs(chat("Hello"), temperature=0, max_tokens=900, ignore_eos=True)) for _ in range(3)
    ]
    for stream in streams:
        await anext(aiter(stream))
        stream.cancel()
    cancelled = 'tiny_chat_requests_total{outcome="cancelled"}'
    after = await until(triton.metrics, lambda m: m[cancelled] == before[cancelled] + 3)
    assert after["tiny_chat_running_requests"] == 0
    assert after["tiny_chat_output_tokens_total"] - before["tiny_chat_output_tokens_total"] < 3 * 900 / 2


async def test_more_streams_than_run_at_once_wait_their_turn(
    client: InferenceServerClient, triton: RunningTriton
) -> None:
    questions = ["What is the capital of Japan?", "What is the capital of France?"] * 20
    said = await asyncio.gather(*(answer(client, question, temperature=0, max_tokens=40) for question in questions))
    assert said == ["The capital of Japan is Tokyo.", "The capital of France is Paris."] * 20
    await until(triton.metrics, lambda m: m["tiny_chat_running_requests"] == m["tiny_chat_waiting_requests"] == 0)


async def test_many_cancelled_at_once_leave_a_server_that_answers(
    client: InferenceServerClient, triton: RunningTriton
) -> None:
    """32 is the in-flight limit that the shipped configuration gives its provider."""
    tensors = inputs(chat("Hello"), temperature=0, max_tokens=900, ignore_eos=True)
    for _ in range(3):
        streams = [open_stream(client, tensors) for _ in range(32)]
        begun = [asyncio.ensure_future(anext(aiter(stream))) for stream in streams]
        await asyncio.wait(begun, return_when=asyncio.FIRST_COMPLETED)
        for stream in streams:
            stream.cancel()
        await asyncio.gather(*begun, return_exceptions=True)
    await until(triton.metrics, lambda m: m["tiny_chat_running_requests"] == m["tiny_chat_waiting_requests"] == 0)
    assert await answer(client, "What is the capital of Japan?", temperature=0) == "The capital of Japan is Tokyo."


async def test_what_is_no_json_is_refused(client: InferenceServerClient) -> None:
    tensors = inputs(chat("Hello"))
    tensors[2].set_data_from_numpy(np.array([b"{"], dtype=np.object_))
    with pytest.raises(InferenceServerException, match="expected a JSON object"):
        async for _, error in open_stream(client, tensors):
            raise error
