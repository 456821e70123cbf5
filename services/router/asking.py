"""How a model is asked for the rest of an answer, and how its text is joined to what was delivered."""

from pointsman.config.catalogue import Model
from pointsman.config.schema import CapabilityName
from pointsman.llm.v1.generation_pb2 import SamplingOptions
from pointsman.provider.v1.provider_service_pb2 import GenerateRequest as ProviderRequest
from pointsman.router.v1 import router_service_pb2 as pb
from services.router.candidates import Candidate
from services.router.delivery import Delivery
from services.router.failover import How, SwitchMode, Track
from services.router.seam import Alignment, Continuation, Fresh, Seam, prefix_of
from services.router.shadow import within

Request = pb.GenerateRequest | pb.CompleteRequest
_MODES = {mode: SwitchMode[pb.SwitchMode.Name(mode).removeprefix("SWITCH_MODE_")] for mode in (1, 2, 3)}


def switch_mode(request: Request) -> SwitchMode:
    """What the caller lets happen to text that was delivered; anything, where it does not say."""
    return _MODES.get(request.constraints.switch_mode, SwitchMode.CONTINUE_OR_RESTART)


def track(candidate: Candidate) -> Track:
    """A candidate as `failover` sees it."""
    model = candidate.model
    return Track(
        model.reference,
        continues=CapabilityName.CONTINUE_FROM_PREFIX in model.capabilities,
        context_tokens=model.context_tokens,
        cost_micros=candidate.cost,
        quality=candidate.expected_quality,
    )


def provider_request(request: Request, request_id: str, model: Model, how: How, delivery: Delivery) -> ProviderRequest:
    """What a model is asked: to go on from what was delivered, within what is left of the caller's limit, or for a whole answer."""
    sampling, prefix = within(request.sampling, model), ""
    if how is How.CONTINUE:
        prefix = prefix_of(delivery.text)
        if sampling.HasField("max_output_tokens"):
            left = SamplingOptions()
            left.CopyFrom(sampling)
            left.max_output_tokens = max(1, sampling.max_output_tokens - delivery.tokens)
            sampling = left
    return ProviderRequest(
        request_id=request_id, model=model.name, prompt=request.prompt, sampling=sampling, answer_prefix=prefix
    )


def used_up(request: Request, how: How, delivery: Delivery) -> bool:
    """Whether the caller's limit was reached when the model before was lost: then there is nothing to go on with."""
    limit = request.sampling.max_output_tokens
    return how is How.CONTINUE and 0 < limit <= delivery.tokens


def seam(how: How, delivered: str, request: Request) -> Seam:
    """How the text of an attempt is joined."""
    match how:
        case How.FRESH:
            return Fresh()
        case How.CONTINUE:
            return Continuation(delivered)
        case How.RESTART:
            return Alignment(delivered, take_back=switch_mode(request) is not SwitchMode.CONTINUE)
