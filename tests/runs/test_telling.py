"""What every program's output tells. The lines were printed by the real programs, at a stand-in for the vendor; only their length is cut."""

import calendar
import json
import time

import pytest

from dispatcher.core.faults import FaultKind
from dispatcher.runs.agents import telling as t
from dispatcher.runs.agents.faults import error_of_status, error_of_text, find_reset_s
from dispatcher.runs.agents.registry import kind_named
from dispatcher.runs.agents.telling import Counts, Story, Told

CLAUDE_401 = [
    '{"type":"system","subtype":"api_retry","attempt":1,"max_retries":1,"retry_delay_ms":576.6,"error_status":401,"error":"authentication_failed"}',
    '{"type":"assistant","error":"authentication_failed","message":{"id":"3cb8","content":[{"type":"text","text":"Invalid API key"}],"usage":{"input_tokens":0}}}',
    '{"type":"result","subtype":"success","is_error":true,"api_error_status":401,"result":"Invalid API key · Fix external API key","total_cost_usd":0,"usage":{"input_tokens":0,"output_tokens":0}}',
]
CLAUDE_RETRIES = [
    '{"type":"system","subtype":"api_retry","attempt":7,"max_retries":10,"retry_delay_ms":31.1,"error_status":429,"error":"rate_limit"}'
]
CLAUDE_500 = [
    '{"type":"result","subtype":"success","is_error":true,"api_error_status":500,"result":"API Error: 500 Internal server error. This is a server-side issue"}'
]
CLAUDE_DENIED = [
    '{"type":"assistant","message":{"id":"m1","content":[{"type":"tool_use","name":"Bash","input":{"command":"make test"}}],"usage":{"input_tokens":100}}}',
    '{"type":"result","subtype":"success","is_error":false,"api_error_status":null,"result":"That is all.","permission_denials":[{"tool_name":"Bash","tool_use_id":"t1"}]}',
]
CODEX_401 = [
    '{"type":"thread.started","thread_id":"01a1fe71"}',
    '{"type":"error","message":"Reconnecting... 1/1 (unexpected status 401 Unauthorized: Incorrect API key provided: stand-in., url: http://127.0.0.1:34009/v1/responses)"}',
    '{"type":"turn.failed","error":{"message":"unexpected status 401 Unauthorized: Incorrect API key provided: stand-in., url: http://127.0.0.1:34009/v1/responses"}}',
]
CODEX_429 = [
    '{"type":"turn.failed","error":{"message":"exceeded retry limit, last status: 429 Too Many Requests"}}'
]
CODEX_500 = [
    '{"type":"turn.failed","error":{"message":"We’re currently experiencing high demand, which may cause temporary errors."}}'
]
CODEX_QUOTA = [
    '{"type":"turn.failed","error":{"message":"You\'ve hit your usage limit. Upgrade to Pro, or try again in 2 hours 5 minutes."}}'
]
OPENCODE_401 = [
    '{"type":"error","sessionID":"ses_e0","error":{"name":"APIError","data":{"message":"Incorrect API key provided: stand-in.","statusCode":401,"isRetryable":false}}}'
]
OPENCODE_DENIED = [
    """{"type":"tool_use","sessionID":"s","part":{"tool":"invalid","state":{"status":"completed","input":{"tool":"bash"},"output":"The arguments provided to the tool are invalid: Model tried to call unavailable tool 'bash'. Available tools: edit, glob."}}}"""
]
GEMINI_401 = [
    "    at async Turn.run (file:///bundle/chunk-JDPZ4CE3.js:333001:24) {",
    '{"type":"result","status":"error","error":{"type":"unknown","message":"[API Error: {\\"error\\":{\\"code\\":401,\\"message\\":\\"invalid x-api-key\\",\\"status\\":\\"UNAUTHENTICATED\\"}}]"},"stats":{"total_tokens":0}}',
]
GEMINI_429 = [
    'Attempt 4 failed with status 429. Retrying with backoff... _ApiError: {"error":{"code":429,"message":"This request would exceed your account\'s rate limit. Please try again later.","status":"RESOURCE_EXHAUSTED"}}'
]
GEMINI_500 = [
    'Attempt 3 failed with status 500. Retrying with backoff... _ApiError: {"error":{"code":500,"message":"Internal server error","status":"INTERNAL"}}'
]
GEMINI_DENIED = [
    '{"type":"tool_result","status":"error","output":"x","error":{"type":"tool_not_registered","message":"Tool \\"run_shell_command\\" not found. Did you mean one of: \\"grep_search\\"?"}}'
]
COPILOT_429 = [
    '{"type":"model.call_failure","data":{"model":"standin","statusCode":429,"errorMessage":"{\\"message\\":\\"This request would exceed your account\'s rate limit.\\"}","errorCode":"rate_limit_exceeded"}}',
    '{"type":"assistant.turn_retry","data":{"turnId":"0","model":"standin","reason":"rate_limit"}}',
]
COPILOT_DENIED = [
    '{"type":"tool.execution_start","data":{"toolCallId":"call_1","toolName":"bash","arguments":{"command":"ls"}}}',
    '{"type":"tool.execution_complete","data":{"toolCallId":"call_1","success":false,"error":{"message":"Permission to run this tool was denied due to the following rules: `shell`","code":"denied"}}}',
]
AIDER_401 = [
    "litellm.AuthenticationError: AuthenticationError: OpenAIException - Incorrect API key provided: stand-in.",
    "The API provider is not able to authenticate you. Check your API key.",
]
AIDER_429 = [
    "litellm.RateLimitError: RateLimitError: OpenAIException - This request would exceed your account's rate limit."
]
MINI_429 = [
    "│ ❱  311 │   │   raise RateLimitError(                                         │",
    "RateLimitError: litellm.RateLimitError: RateLimitError: OpenAIException - This ",
]
MINI_QUOTA = [
    "RateLimitError: litellm.RateLimitError: RateLimitError: OpenAIException - You ",
    "exceeded your current quota, please check your plan and billing details.",
]
MINI_500 = ["InternalServerError: litellm.InternalServerError: InternalServerError: "]

FAULTS = [
    ("claude", CLAUDE_401, FaultKind.LOGIN, "claude: 401 from the API"),
    ("claude", CLAUDE_RETRIES, FaultKind.RATE_LIMIT, "claude: 429 from the API"),
    ("claude", CLAUDE_500, FaultKind.OVERLOAD, "claude: 500 from the API (the vendor's server fails)"),
    ("claude", CLAUDE_DENIED, FaultKind.SETTINGS, "claude: permission denied for Bash"),
    ("codex", CODEX_401, FaultKind.LOGIN, "codex: 401 from the API"),
    ("codex", CODEX_429, FaultKind.RATE_LIMIT, "codex: 429 from the API"),
    ("codex", CODEX_500, FaultKind.OVERLOAD, "codex: We’re currently experiencing high demand"),
    ("codex", CODEX_QUOTA, FaultKind.QUOTA, "codex: You've hit your usage limit"),
    ("opencode", OPENCODE_401, FaultKind.LOGIN, "opencode: 401 from the API"),
    ("opencode", OPENCODE_DENIED, FaultKind.SETTINGS, "opencode: permission denied for bash"),
    ("gemini", GEMINI_401, FaultKind.LOGIN, "gemini: 401 from the API"),
    ("gemini", GEMINI_429, FaultKind.RATE_LIMIT, "gemini: 429 from the API"),
    ("gemini", GEMINI_500, FaultKind.OVERLOAD, "gemini: 500 from the API"),
    ("gemini", GEMINI_DENIED, FaultKind.SETTINGS, "gemini: permission denied for run_shell_command"),
    ("copilot", COPILOT_429, FaultKind.RATE_LIMIT, "copilot: 429 from the API"),
    ("copilot", COPILOT_DENIED, FaultKind.SETTINGS, "copilot: permission denied for bash"),
    ("aider", AIDER_401, FaultKind.LOGIN, "aider: 401 from the API"),
    ("aider", AIDER_429, FaultKind.RATE_LIMIT, "aider: 429 from the API"),
    ("mini-swe-agent", MINI_429, FaultKind.RATE_LIMIT, "mini-swe-agent: 429 from the API"),
    ("mini-swe-agent", MINI_QUOTA, FaultKind.QUOTA, "mini-swe-agent: 429 from the API"),
    ("mini-swe-agent", MINI_500, FaultKind.OVERLOAD, "mini-swe-agent: 500 from the API"),
]


def story_of(kind: str, lines: list[str], side: str = "") -> Story:
    telling, story = kind_named(kind).tell({}), Story(kind)
    told = [one for line in lines for one in telling.read_line(line)]
    for one in [*told, *(telling.read_side_file("a", side) if side else ())]:
        story.hear(one)
    return story


def counts_of(story: Story) -> tuple[int, int, int, float | None]:
    counts = story.counts
    return counts.input_tokens, counts.cached_tokens, counts.output_tokens, counts.cost_usd


@pytest.mark.parametrize(
    ("kind", "lines", "fault", "words"), FAULTS, ids=[f"{k}-{f}-{n}" for n, (k, _, f, _) in enumerate(FAULTS)]
)
def test_a_fault_of_the_set_up_is_named(kind: str, lines: list[str], fault: FaultKind, words: str) -> None:
    found = story_of(kind, lines).fault
    assert found is not None
    assert found.fault == fault
    assert found.text.startswith(words)


@pytest.mark.parametrize("subtype", ["error_max_turns", "error_max_budget_usd"])
def test_a_limit_that_a_person_gave_the_program_is_no_fault_of_the_set_up(subtype: str) -> None:
    end = {"type": "result", "subtype": subtype, "is_error": True, "total_cost_usd": 0.5}
    story = story_of("claude", [json.dumps(end | {"usage": {"input_tokens": 7}})])
    assert story.fault is None
    assert counts_of(story) == (7, 0, 0, 0.5)


def test_work_that_goes_on_takes_a_fault_back() -> None:
    answer = '{"type":"assistant","message":{"id":"m","content":[{"type":"text","text":"On it."}],"usage":{"input_tokens":1}}}'
    assert story_of("claude", [*CLAUDE_RETRIES, answer]).fault is None
    step = '{"type":"text","sessionID":"s","part":{"text":"On it."}}'
    assert story_of("opencode", [*OPENCODE_401, step]).fault is None


def test_a_denied_tool_stays_denied_but_a_refused_login_is_the_greater_fault() -> None:
    assert story_of(
        "copilot", [*COPILOT_DENIED, '{"type":"assistant.message","data":{"content":"Well."}}']
    ).fault
    both = story_of("claude", [*CLAUDE_DENIED, *CLAUDE_401]).fault
    assert both is not None
    assert both.fault == FaultKind.LOGIN


def test_faults_are_no_progress_and_work_is() -> None:
    telling = kind_named("claude").tell({})
    assert not any(told.is_progress for told in telling.read_line(CLAUDE_RETRIES[0]))
    assert any(told.is_progress for told in telling.read_line(CLAUDE_DENIED[0]))
    assert any(told.is_progress for told in telling.read_line('{"type":"of tomorrow"}'))


def test_kinds_of_faults_are_called_the_same_on_both_sides() -> None:
    assert {kind.value for kind in FaultKind} == {
        t.LOGIN,
        t.QUOTA,
        t.RATE_LIMIT,
        t.OVERLOAD,
        t.CRASH,
        t.SETTINGS,
    }


@pytest.mark.parametrize(
    ("status", "said", "kind"),
    [
        (401, "", "login"),
        (402, "", "login"),
        (403, "", "login"),
        (403, "Quota exceeded for the day", "quota"),
        (404, "", "settings"),
        (429, "", "rate-limit"),
        (429, "You exceeded your current quota, please check your plan", "quota"),
        (500, "", "overload"),
        (529, "Overloaded", "overload"),
        (408, "", "overload"),
        (400, "Your credit balance is too low to access the API", "login"),
        (400, "API key not valid. Please pass a valid API key.", "login"),
        (400, "You have reached your specified API usage limits.", "quota"),
        (400, "The requested model is not supported.", "settings"),
    ],
)
def test_a_status_and_the_words_beside_it_say_whose_turn_it_is(status: int, said: str, kind: str) -> None:
    assert error_of_status("x", status, said).fault == kind


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("Not logged in. Please run /login", "login"),
        ("5-hour limit reached, resets 3pm", "quota"),
        ("Claude AI usage limit reached|1795280000", "quota"),
        ("connect ECONNREFUSED 127.0.0.1:40122", "overload"),
        ("model gpt-9 does not exist", "settings"),
        ("the server took too long: request timed out", "overload"),
        ("stream disconnected before completion", "overload"),
        ("Unable to connect. Is the computer able to access the url?", "overload"),
        ("HTTP/1.1 503", "overload"),
        ("HTTP Error 502: odd", "overload"),
        ("last status: 429. Giving up", "rate-limit"),
        ("Error code: 401 - {}", "login"),
        ("request failed with status code 404", "settings"),
        ("401 Unauthorized", "login"),
    ],
)
def test_words_alone_say_it_too(said: str, kind: str) -> None:
    assert error_of_text("x", said).fault == kind


@pytest.mark.parametrize(
    "said",
    [
        "something odd",
        "error_during_execution",
        "stream error after 512 tokens",
        "cannot read line 401",
        "wrote 500 of 503 lines",
        "error 5000",
        "status 429.5",
    ],
)
def test_words_and_numbers_without_a_meaning_blame_nobody(said: str) -> None:
    told = error_of_text("x", said)
    assert (told.what, told.fault, told.text) == (t.PRINTED, "", f"x: {said}")


@pytest.mark.parametrize("status", [409, 418, 431])
def test_a_status_that_says_nothing_blames_nobody(status: int) -> None:
    assert error_of_status("x", status, "odd").what == t.PRINTED


def claude_end(status: int | None, said: str) -> list[str]:
    end = {"type": "result", "subtype": "success", "is_error": True, "api_error_status": status}
    return [json.dumps(end | {"result": said})]


def gemini_end(said: str) -> list[str]:
    return [json.dumps({"type": "result", "status": "error", "error": {"message": said}})]


TOO_MUCH = [
    ("claude", claude_end(400, "Prompt is too long")),
    ("claude", claude_end(413, "Request too large (max 32MB)")),
    ("claude", claude_end(422, "")),
    ("claude", claude_end(500, "input length and max_tokens exceed context limit")),
    ("claude", claude_end(None, "Context limit reached")),
    (
        "codex",
        [
            '{"type":"turn.failed","error":{"message":"Codex ran out of room in the model\'s context window. Start a new thread."}}'
        ],
    ),
    (
        "opencode",
        [
            '{"type":"error","sessionID":"s","error":{"name":"APIError","data":{"message":"prompt is too long: 210000 tokens > 200000 maximum","statusCode":400}}}'
        ],
    ),
    ("opencode", ['{"type":"error","sessionID":"s","error":{"name":"ContextWindowExceeded"}}']),
    ("gemini", gemini_end("Reached max session turns for this session.")),
    ("gemini", gemini_end("The input token count (1200000) exceeds the maximum number of tokens allowed")),
    (
        "copilot",
        [
            '{"type":"session.error","data":{"statusCode":400,"message":"This model\'s maximum context length is 128000 tokens."}}'
        ],
    ),
    (
        "aider",
        [
            "litellm.ContextWindowExceededError: litellm.BadRequestError: OpenAIException - This model's maximum context length is 8192 tokens."
        ],
    ),
    ("aider", ["litellm.BadRequestError: OpenAIException - odd"]),
    ("mini-swe-agent", ["BadRequestError: litellm.BadRequestError: OpenAIException - odd"]),
    (
        "mini-swe-agent",
        ["litellm.exceptions.ContextWindowExceededError: litellm.ContextWindowExceededError: it is full"],
    ),
]


@pytest.mark.parametrize(("kind", "lines"), TOO_MUCH, ids=[f"{k}-{n}" for n, (k, _) in enumerate(TOO_MUCH)])
def test_what_does_not_fit_into_the_model_is_the_tasks_and_an_answer_of_the_vendor(
    kind: str, lines: list[str]
) -> None:
    story = story_of(kind, lines)
    assert story.fault is None
    assert story.has_answer, "else its end with an error would be called a crash of the program"


def test_a_limit_takes_back_a_fault_and_the_words_before_it() -> None:
    answer = '{"type":"assistant","message":{"id":"m","content":[{"type":"text","text":"On it."}]}}'
    story = story_of("claude", [answer, *CLAUDE_RETRIES, *claude_end(400, "Prompt is too long")])
    assert (story.fault, story.said) == (None, "")


def test_a_request_that_is_tried_again_waits_for_the_vendor_whatever_it_says() -> None:
    claude = ['{"type":"system","subtype":"api_retry","attempt":1,"error_status":null,"error":"unknown"}']
    gemini = ["Attempt 2 failed. Retrying with backoff... odd"]
    for kind, lines in (("claude", claude), ("gemini", gemini)):
        fault = story_of(kind, lines).fault
        assert fault is not None
        assert fault.fault == FaultKind.OVERLOAD


NOW_S = float(calendar.timegm((2026, 11, 21, 14, 0, 0)))


def local(*moment: int) -> float:
    return time.mktime((*moment, 0, 0, 0, -1))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("said", "at_s"),
    [
        ("Claude AI usage limit reached|1795280000", 1795280000.0),
        ("resets at 2026-11-21T16:30:00Z", NOW_S + 2.5 * 3600),
        ("until 2026-11-21 17:30:00+01:00", NOW_S + 2.5 * 3600),
        ("try again in 2 hours 5 minutes.", NOW_S + 7500),
        ("Your quota will reset after 1h2m3s.", NOW_S + 3723),
        ("Please retry in 34.5s.", NOW_S + 34.5),
        ("try again in 3 days", NOW_S + 3 * 86400),
        ("or try again at Nov 23rd, 2026 4:05 PM.", local(2026, 11, 23, 16, 5)),
        ("it was 1995-01-01T00:00:00Z", None),
        ("Please try again later.", None),
        ("resets at 2027-11-21T16:30:00Z", None),
        ("", None),
    ],
)
def test_the_end_of_a_quota_is_read_where_it_is_named(said: str, at_s: float | None) -> None:
    assert find_reset_s(said, NOW_S) == at_s


def test_a_time_of_day_is_the_next_one() -> None:
    for said in ("5-hour limit reached ∙ resets 3pm", "resets at 3:00 pm (Europe/Berlin)"):
        at_s = find_reset_s(said, NOW_S)
        assert at_s is not None
        assert NOW_S < at_s <= NOW_S + 86_400
        assert time.localtime(at_s).tm_hour == 15


def test_claude_counts_while_it_works_and_its_own_file_knows_what_was_written() -> None:
    message = '{"type":"assistant","message":{"id":"m1","content":[],"usage":{"input_tokens":100,"cache_read_input_tokens":1000,"output_tokens":1}}}'
    assert counts_of(story_of("claude", [message, message])) == (100, 1000, 1, None)
    in_file = message.replace('"output_tokens":1}', '"output_tokens":35}')
    assert counts_of(story_of("claude", [message], side=in_file)) == (100, 1000, 35, None)
    result = '{"type":"result","result":"x","total_cost_usd":0.5,"usage":{"input_tokens":100,"cache_creation_input_tokens":7,"cache_read_input_tokens":1000,"output_tokens":36}}'
    assert counts_of(story_of("claude", [message, result], side=in_file)) == (107, 1000, 36, 0.5)


def test_codexs_session_file_counts_what_this_run_used() -> None:
    def entry(total: int, last: int) -> str:
        counts = {"total_token_usage": {"input_tokens": total}, "last_token_usage": {"input_tokens": last}}
        return json.dumps({"type": "event_msg", "payload": {"type": "token_count", "info": counts}})

    telling = kind_named("codex").tell({})
    first = telling.read_side_file("rollout", entry(5000, 100))[0]
    second = telling.read_side_file("rollout", entry(5300, 300))[0]
    assert [told.counts.tokens for told in (first, second) if told.counts] == [100, 400]


def test_codexs_refused_command_is_found_in_its_session_file() -> None:
    output = [{"type": "input_text", "text": "/bin/bash: line 1: shop.py: Read-only file system"}]
    entry = json.dumps(
        {"type": "response_item", "payload": {"type": "custom_tool_call_output", "output": output}}
    )
    fault = story_of("codex", [], side=entry).fault
    assert fault is not None
    assert fault.text.startswith("codex: permission denied for a command (Read-only file system)")


READ_ONLY = "touch: cannot touch 'a': Read-only file system"


@pytest.mark.parametrize(
    ("output", "is_refused"),
    [
        (READ_ONLY, True),
        (json.dumps({"exit_code": 1, "output": f"line\n{READ_ONLY}\n"}), True),
        (json.dumps({"output": READ_ONLY, "metadata": {"exit_code": 1}}), True),
        (f"Exit code: 1\nWall time: 0.1 seconds\nOutput:\n{READ_ONLY}\n", True),
        ("OSError: [Errno 30] Read-only file system: 'shop.py'", True),
        ("bwrap: No permissions to create a new namespace", True),
        (json.dumps({"exit_code": 0, "output": READ_ONLY}), False),
        (f"Process exited with code 0\nOutput:\n{READ_ONLY}", False),
        (json.dumps({"exit_code": 1, "output": f"{READ_ONLY}\n1 failed"}), False),
        ("The image is mounted as a Read-only file system", False),
        ("Read-only file systems: see bwrap: below", False),
    ],
)
@pytest.mark.parametrize("is_list", [False, True])
def test_only_the_last_line_of_a_command_that_failed_tells_of_codexs_sandbox(
    output: str, is_refused: bool, is_list: bool
) -> None:
    told = [{"type": "input_text", "text": "Script completed\nOutput:\n"}, {"text": output}]
    payload = {"type": "custom_tool_call_output", "output": told if is_list else output}
    assert (story_of("codex", [], side=json.dumps({"payload": payload})).fault is not None) == is_refused


@pytest.mark.parametrize("kind", ["aider", "mini-swe-agent"])
def test_a_file_that_speaks_of_litellms_errors_is_no_error(kind: str) -> None:
    lines = [
        "    except litellm.AuthenticationError: # log in again",
        "see litellm.RateLimitError: it is raised often",
        "litellm.AuthenticationError",
    ]
    assert story_of(kind, lines).fault is None


@pytest.mark.parametrize(
    ("kind", "error", "answer"),
    [
        ("aider", AIDER_429, "Tokens: 1.1k sent, 10 received."),
        ("mini-swe-agent", MINI_429, "mini-swe-agent (step 3, $0.01):"),
    ],
)
def test_an_answer_after_an_error_that_passed_takes_it_back(kind: str, error: list[str], answer: str) -> None:
    assert story_of(kind, [*error, answer]).fault is None
    fault = story_of(kind, [answer, *error]).fault
    assert fault is not None
    assert fault.fault == FaultKind.RATE_LIMIT


def test_what_stands_behind_an_error_of_mini_swe_agent_is_not_read_for_ever() -> None:
    quota = "exceeded your current quota"
    for between in ([""], ["odd"] * 6, ["mini-swe-agent (step 3, $0.01):", MINI_429[1], ""]):
        fault = story_of("mini-swe-agent", [MINI_429[1], *between, quota]).fault
        assert fault is not None
        assert fault.fault == FaultKind.RATE_LIMIT


def test_gemini_counts_each_answer_once_and_puts_pieces_together() -> None:
    telling, story = kind_named("gemini").tell({}), Story()
    chat = '{"id":"49","type":"gemini","tokens":{"input":1100,"output":10,"cached":1000,"thoughts":5,"tool":0,"total":1115}}'
    for told in [*telling.read_side_file("c", chat), *telling.read_side_file("c", chat)]:
        story.hear(told)
    assert counts_of(story) == (100, 1000, 15, None)
    pieces = [
        '{"type":"message","role":"assistant","content":"That is ","delta":true}',
        '{"type":"message","role":"assistant","content":"all.","delta":true}',
        '{"type":"result","status":"success","stats":{"total_tokens":1115,"input_tokens":1100,"output_tokens":10,"cached":1000}}',
    ]
    story = story_of("gemini", pieces)
    assert story.said == "That is all."
    assert counts_of(story) == (100, 1000, 15, None)


def test_opencode_adds_its_steps_up() -> None:
    step = '{"type":"step_finish","sessionID":"ses_1","part":{"tokens":{"input":100,"output":10,"reasoning":2,"cache":{"write":3,"read":1000}},"cost":0.00022}}'
    story = story_of("opencode", [step, step])
    assert counts_of(story) == (206, 2000, 24, 0.00044)
    assert story.session_id == "ses_1"


def test_opencodes_own_log_tells_of_a_rate_limit_that_it_keeps_to_itself() -> None:
    line = 'timestamp=2026-11-21T14:43:06.634Z level=ERROR run=c0 message="stream error" providerID=standin error.error="AI_APICallError: This request would exceed your account\'s rate limit. Please try again later."'
    fault = story_of("opencode", [], side=line).fault
    assert fault is not None
    assert (fault.fault, fault.text[:26]) == ("rate-limit", "opencode: AI_APICallError:")


def test_files_beside_the_output_count() -> None:
    copilot = (
        '{"modelMetrics":{"standin":{"usage":{"inputTokens":4406,"outputTokens":46,"cacheReadTokens":4000}}}}'
    )
    assert counts_of(story_of("copilot", [], side=copilot)) == (406, 4000, 46, None)
    usage = {
        "prompt_tokens": 1100,
        "completion_tokens": 10,
        "prompt_tokens_details": {"cached_tokens": 1000},
    }
    mini = {
        "info": {"model_stats": {"instance_cost": 0.0}},
        "messages": [{"extra": {"response": {"usage": usage}}}],
    }
    assert counts_of(story_of("mini-swe-agent", [], side=json.dumps(mini))) == (100, 1000, 10, None)
    aider = '{"event": "message_send", "properties": {"prompt_tokens": 1100, "completion_tokens": 10, "cost": 0.25}}'
    assert counts_of(story_of("aider", [], side=aider)) == (1100, 0, 10, 0.25)


@pytest.mark.parametrize(
    "kind", ["claude", "codex", "opencode", "gemini", "copilot", "aider", "mini-swe-agent", "command"]
)
@pytest.mark.parametrize(
    "junk", ['{"type":', "[1]", "null", '{"type":["a"]}', '{"type":"result","usage":7}', "\x00", "{" * 3000]
)
def test_junk_is_told_as_what_it_is(kind: str, junk: str) -> None:
    telling, story = kind_named(kind).tell({}), Story(kind)
    for told in [*telling.read_line(junk), *telling.read_side_file("x", junk)]:
        story.hear(told)
    assert story.counts.tokens == 0


def test_a_long_text_loses_its_middle() -> None:
    line = Told(t.SAID, "a" * 5000 + "b" * 5000).as_fields(100)
    assert str(line["text"]).startswith("a" * 50)
    assert str(line["text"]).endswith("b" * 50)
    assert "9900 characters left out" in str(line["text"])


def test_counts_add_up_and_an_unknown_price_stays_unknown() -> None:
    assert (Counts(1, 2, 3) + Counts(1, 1, 1)).cost_usd is None
    assert (Counts(1, 2, 3, 0.5) + Counts(1, 1, 1)).cost_usd == 0.5
