"""Reads Triton's Prometheus metrics, and waits until they say what is expected."""

import asyncio
import re
from collections.abc import Callable

import aiohttp

Metrics = dict[str, float]


async def read_metrics(address: str) -> Metrics:
    """All samples of tiny-chat, by name and labels as Prometheus writes them."""
    async with aiohttp.ClientSession() as session, session.get(f"http://{address}/metrics") as response:
        text = await response.text()
    return {name: float(value) for name, value in re.findall(r"^(tiny_chat\S+) (\S+)$", text, re.MULTILINE)}


async def until(address: str, holds: Callable[[Metrics], bool]) -> Metrics:
    """Asks again and again until it holds; a test that waits in vain fails after half a minute."""
    async with asyncio.timeout(30):
        while not holds(metrics := await read_metrics(address)):
            continue
    return metrics
