"""Every name of a span, a metric or an attribute that the mesh emits, in one place.

`gen_ai.*`, `rpc.*`, `server.*` and `error.type` are OpenTelemetry semantic conventions (GenAI and RPC); `pointsman.*` are ours.
"""

ROUTE_SPAN = "route"
ATTEMPT_OPERATION = "chat"

OPERATION_NAME = "gen_ai.operation.name"
PROVIDER_NAME = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
REQUEST_STREAM = "gen_ai.request.stream"
REQUEST_MAX_TOKENS = "gen_ai.request.max_tokens"
RESPONSE_MODEL = "gen_ai.response.model"
RESPONSE_FINISH_REASONS = "gen_ai.response.finish_reasons"
RESPONSE_TIME_TO_FIRST_CHUNK = "gen_ai.response.time_to_first_chunk"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
CACHE_READ_INPUT_TOKENS = "gen_ai.usage.cache_read.input_tokens"
REASONING_OUTPUT_TOKENS = "gen_ai.usage.reasoning.output_tokens"
ERROR_TYPE = "error.type"

REQUEST_ID = "pointsman.request_id"
INTENT = "pointsman.intent"
COMPLEXITY = "pointsman.complexity"
CLASSIFIER_TIER = "pointsman.classifier.tier"
POLICY = "pointsman.policy"
DECISION_REASON = "pointsman.decision.reason"
CANDIDATES = "pointsman.candidates"
CONFIG_REVISION = "pointsman.config_revision"
CHOSEN_MODEL = "pointsman.chosen_model"
ATTEMPT = "pointsman.attempt"
ATTEMPTS = "pointsman.attempts"
TOKENS_PER_SECOND = "pointsman.tokens_per_second"
COST_MICROS = "pointsman.cost_micros"
SWITCH_REASON = "pointsman.switch.reason"
SWITCH_KEPT_CHARACTERS = "pointsman.switch.kept_characters"

KIND_OF_TOKENS = "gen_ai.token.type"
# `provider/model`, where one word has to name it.
MODEL = "pointsman.model"

PRICE_INPUT = "pointsman.price.input"
PRICE_OUTPUT = "pointsman.price.output"
PRICE_JUMPS = "pointsman.price.jumps"
PRICE_JUMP_DIRECTION = "pointsman.price.direction"
PRICE_REFUSALS = "pointsman.price.refusals"
PRICE_SOURCE = "pointsman.price.source"
CONFIG_RELOADS = "pointsman.config.reloads"
CONFIG_RELOAD_OUTCOME = "pointsman.config.outcome"
# 0 closed, 1 recovering, 2 half-open, 3 open.
BREAKER_STATE = "pointsman.breaker.state"
