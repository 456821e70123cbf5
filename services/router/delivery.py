"""What the client has been given of one answer, and giving it more: numbers frames, joins several attempts' texts, tells switches.

A switch in mid-answer is told with the first thing that the new model adds, for only then is it known how much of the old text stands.
"""

from collections.abc import Awaitable, Callable

from pointsman.llm.v1.generation_pb2 import GenerationEvent, TextDelta
from pointsman.router.v1 import router_service_pb2 as pb
from services.router.seam import Fresh, Seam

Send = Callable[[pb.GenerateResponse], Awaitable[None]]


class Delivery:
    """One client's stream. `tokens` counts those of the text that stands."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._pieces: list[str] = []
        self._seam: Seam = Fresh()
        # Whether text passes as it is.
        self._plain = True
        self._switch: pb.ModelSwitch | None = None
        # Tokens and characters that came since something was last given on.
        self._held_tokens = 0
        self._held_characters = 0
        self.sequence = 0
        self.tokens = 0
        self.called = False
        self.began = False

    @property
    def text(self) -> str:
        """The text that the client holds."""
        text = "".join(self._pieces)
        self._pieces = [text]
        return text

    @property
    def has_text(self) -> bool:
        """Whether it holds any."""
        return any(self._pieces)

    async def send(self, frame: pb.GenerateResponse) -> None:
        """Sends one frame as it is."""
        self.sequence += 1
        frame.sequence = self.sequence
        await self._send(frame)

    def join(self, seam: Seam, switch: pb.ModelSwitch | None) -> None:
        """From now on another attempt speaks; `switch` is told once it is known how much stands.

        One that added nothing was never heard of: the switch that is told then begins at the model before it.
        """
        if self._switch is not None and switch is not None:
            switch.from_model.CopyFrom(self._switch.from_model)
            switch.reason = self._switch.reason
        self._seam, self._switch = seam, switch
        self._plain = False
        self._held_tokens = self._held_characters = 0

    async def take(self, event: GenerationEvent) -> None:
        """Gives on what an attempt says, all but its end. Raises Diverged."""
        if self._plain and event.HasField("text_delta"):
            # Nearly every event is text of an answer that nothing happened to: no more is done for it than has to be.
            delta = event.text_delta
            self._pieces.append(delta.text)
            self.tokens += delta.token_count
            self.began = True
            self.sequence += 1
            await self._send(pb.GenerateResponse(sequence=self.sequence, event=event))
            return
        match event.WhichOneof("event"):
            case "text_delta":
                await self._take_text(event)
            case "reasoning_delta":
                # Once there is an answer, how another model came to the same is of no use.
                if not self.has_text:
                    self.began = True
                    await self.send(pb.GenerateResponse(event=event))
            case "tool_call":
                await self.flush()
                self.began = self.called = True
                await self.send(pb.GenerateResponse(event=event))

    async def flush(self) -> None:
        """An attempt's text is at its end: gives what was held back. Raises Diverged."""
        out = self._seam.end()
        await self._tell()
        if out:
            count = max(1, self._held_tokens)
            await self._give(GenerationEvent(text_delta=TextDelta(text=out, token_count=count)), out)
        self._seam, self._plain = Fresh(), True

    async def _take_text(self, event: GenerationEvent) -> None:
        text = event.text_delta.text
        out = self._seam.feed(text)
        self._held_tokens += event.text_delta.token_count
        self._held_characters += len(text)
        if out == text and self._switch is None:
            await self._give(event, text)
            # What a seam held back is out: from here on it passes all.
            self._plain = True
        elif out:
            await self._tell()
            share = min(1.0, len(out) / max(1, self._held_characters))
            count = max(1, round(self._held_tokens * share))
            await self._give(GenerationEvent(text_delta=TextDelta(text=out, token_count=count)), out)

    async def _tell(self) -> None:
        """Tells the switch, and takes back what does not stand."""
        if self._switch is None:
            return
        switch, self._switch = self._switch, None
        text = self.text
        switch.kept_characters = kept = self._seam.kept
        if text and kept < len(text):
            self.tokens = round(self.tokens * kept / len(text))
        self._pieces = [text[:kept]]
        await self.send(pb.GenerateResponse(switched=switch))

    async def _give(self, event: GenerationEvent, text: str) -> None:
        self._pieces.append(text)
        self.began = True
        self.tokens += event.text_delta.token_count
        self._held_tokens = self._held_characters = 0
        await self.send(pb.GenerateResponse(event=event))
