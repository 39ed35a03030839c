"""GraphQL answers in GitHub's shapes: snapshots, search, timelines, mutations, errors."""

from __future__ import annotations

import pytest

from dispatcher.simulator import Finding
from tests.simulator.conftest import REPO

SNAPSHOT = """
query($owner: String!, $name: String!, $number: Int!) {
  rateLimit { cost remaining resetAt }
  viewer { login databaseId }
  repository(owner: $owner, name: $name) {
    id databaseId nameWithOwner isArchived viewerPermission
    defaultBranchRef { name target { oid } }
    label(name: "bot") { id name }
    collaborators(first: 10) { edges { permission node { login databaseId id } } }
    issueOrPullRequest(number: $number) { __typename ...OnIssue ...OnPull }
  }
}
fragment OnIssue on Issue {
  number state body issueDependenciesSummary { blockedBy totalBlockedBy }
  author { __typename login ... on User { databaseId } ... on Bot { databaseId } }
  comments(last: 2) { totalCount pageInfo { hasPreviousPage startCursor } nodes { body viewerDidAuthor lastEditedAt } }
  closedByPullRequestsReferences(first: 5) { nodes { number headRefName } }
}
fragment OnPull on PullRequest {
  headRefName headRefOid baseRefName isDraft merged mergeable mergeStateStatus reviewDecision isCrossRepository
  reviews(last: 5) { nodes { state body author { login } commit { oid } url } }
  reviewThreads(first: 5) { nodes { isResolved comments(first: 5) { nodes { body path line } } } }
  commits(last: 1) { nodes { commit { oid statusCheckRollup { state contexts(first: 5) { nodes {
    __typename ... on CheckRun { name status conclusion } ... on StatusContext { context state } } } } } } }
  closingIssuesReferences(first: 5) { nodes { number } }
  files(first: 5) { nodes { path additions deletions } }
}
"""


def snapshot(api, number: int):
    shown = api.graphql(SNAPSHOT, owner="alice", name="shop", number=number)
    assert "errors" not in shown
    return shown["data"]


def test_one_request_tells_all_about_an_issue(alice, bot, api):
    alice.open_issue(REPO, "Bug", "text", labels=("bot",))
    for body in ("one", "two"):
        alice.comment(REPO, 1, body)
    bot.comment(REPO, 1, "three")
    data = snapshot(api, 1)
    repository = data["repository"]
    assert (data["viewer"]["login"], repository["viewerPermission"]) == ("bot", "WRITE")
    assert {e["node"]["login"]: e["permission"] for e in repository["collaborators"]["edges"]} == {
        "alice": "ADMIN",
        "bot": "WRITE",
    }
    issue = repository["issueOrPullRequest"]
    assert issue["author"] == {"__typename": "User", "login": "alice", "databaseId": alice.caller.account.id}
    assert [(c["body"], c["viewerDidAuthor"]) for c in issue["comments"]["nodes"]] == [
        ("two", False),
        ("three", True),
    ]
    assert (issue["comments"]["totalCount"], issue["comments"]["pageInfo"]["hasPreviousPage"]) == (3, True)


def test_one_request_tells_all_about_a_pull_request(street, alice, bot, api):
    alice.open_issue(REPO, "Bug")
    sha = bot.push(REPO, "bot/1", {"app.py": "def total(items):\n    return 1\n"})
    bot.open_pull(REPO, "bot/1", "Fix", "Closes #1")
    alice.review(REPO, 2, "REQUEST_CHANGES", "no", (Finding("app.py", "why 1?", 2),))
    alice.set_status(REPO, sha, "pending")
    street.scene.add_app("ci").create_check_run(REPO, sha, "lint", "skipped")
    early = snapshot(api, 2)["repository"]["issueOrPullRequest"]
    assert (early["mergeable"], early["mergeStateStatus"]) == ("UNKNOWN", "UNKNOWN")
    pull = snapshot(api, 2)["repository"]["issueOrPullRequest"]
    assert (pull["headRefOid"], pull["mergeable"], pull["mergeStateStatus"]) == (sha, "MERGEABLE", "UNSTABLE")
    assert pull["reviews"]["nodes"][0]["commit"]["oid"] == sha
    assert pull["reviewThreads"]["nodes"][0]["comments"]["nodes"] == [
        {"body": "why 1?", "path": "app.py", "line": 2}
    ]
    rollup = pull["commits"]["nodes"][0]["commit"]["statusCheckRollup"]
    assert rollup["state"] == "PENDING"
    assert rollup["contexts"]["nodes"] == [
        {"__typename": "CheckRun", "name": "lint", "status": "COMPLETED", "conclusion": "SKIPPED"},
        {"__typename": "StatusContext", "context": "ci", "state": "PENDING"},
    ]
    assert pull["closingIssuesReferences"]["nodes"] == [{"number": 1}]
    assert snapshot(api, 1)["repository"]["issueOrPullRequest"]["closedByPullRequestsReferences"][
        "nodes"
    ] == [{"number": 2, "headRefName": "bot/1"}]


def test_the_timeline_tells_who_did_what_since_when(alice, bot, api, clock):
    alice.open_issue(REPO, "Bug", labels=("bot",), assignees=("bot",))
    clock.advance(60)
    bot.unlabel(REPO, 1, "bot")
    alice.rename_issue(REPO, 1, "Worse bug")
    query = """query($since: DateTime, $types: [IssueTimelineItemsItemType!]) {
      repository(owner: "alice", name: "shop") { issue(number: 1) {
        timelineItems(first: 10, since: $since, itemTypes: $types) { nodes { __typename
          ... on LabeledEvent { actor { login } label { name } }
          ... on UnlabeledEvent { actor { login } label { name } }
          ... on AssignedEvent { assignee { ... on User { login } } }
          ... on RenamedTitleEvent { previousTitle currentTitle } } } } } }"""

    def items(**variables):
        return api.graphql(query, **variables)["data"]["repository"]["issue"]["timelineItems"]["nodes"]

    assert [item["__typename"] for item in items()] == [
        "LabeledEvent",
        "AssignedEvent",
        "UnlabeledEvent",
        "RenamedTitleEvent",
    ]
    assert items(types=["UNLABELED_EVENT"]) == [
        {"__typename": "UnlabeledEvent", "actor": {"login": "bot"}, "label": {"name": "bot"}}
    ]
    assert len(items(since="2026-03-01T12:01:00Z")) == 2


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("is:open is:issue label:bot", [1]),
        ("is:issue no:assignee", [2]),
        ("is:pr", [3]),
        ("user:alice assignee:@me", [1]),
        ("org:nobody", []),
        ("repo:alice/shop involves:mallory", [2]),
        ("mentions:bot", [2]),
        ("-label:bot is:issue", [2]),
        ("is:closed", []),
        ("updated:>=2026-03-01T12:01:00Z", [3, 2]),
        ("sort:updated-asc is:issue", [1, 2]),
        ("author:bot is:pr is:open", [3]),
        ("unicorns", []),
    ],
)
def test_search_understands_what_a_dispatcher_asks(street, alice, bot, api, clock, query, found):
    alice.open_issue(REPO, "Bug", labels=("bot",), assignees=("bot",))
    clock.advance(60)
    street.scene.person("mallory").open_issue(REPO, "Wish", "@bot please")
    bot.push(REPO, "bot/1", {"x": "1"})
    bot.open_pull(REPO, "bot/1", "Fix")
    text = (
        "query($q: String!) { search(query: $q, type: ISSUE, first: 10) {"
        " issueCount nodes { ... on Issue { number } ... on PullRequest { number } } } }"
    )
    shown = api.graphql(text, q=query)["data"]["search"]
    assert [node["number"] for node in shown["nodes"]] == found
    assert shown["issueCount"] == len(found)


def test_search_is_eventually_consistent(street, alice, api, clock):
    street.box.settings.search_delay_s = 10
    alice.open_issue(REPO, "Bug")
    text = '{ search(query: "is:issue", type: ISSUE, first: 5) { issueCount } }'
    assert api.graphql(text)["data"]["search"]["issueCount"] == 0
    clock.advance(10)
    assert api.graphql(text)["data"]["search"]["issueCount"] == 1


def test_several_mutations_in_one_request_with_githubs_payloads(street, alice, api):
    alice.create_label(REPO, "bot")
    alice.open_issue(REPO, "Bug")
    ids = api.graphql(
        '{ repository(owner: "alice", name: "shop") { issue(number: 1) { id } label(name: "BOT") { id } } viewer { id } }'
    )["data"]
    issue_id, label_id = ids["repository"]["issue"]["id"], ids["repository"]["label"]["id"]
    answer = api.graphql(
        """mutation($issue: ID!, $label: ID!, $me: ID!) {
          said: addComment(input: {subjectId: $issue, body: "hello", clientMutationId: "7"}) {
            clientMutationId commentEdge { node { id databaseId body } } subject { ... on Issue { number } }
          }
          addLabelsToLabelable(input: {labelableId: $issue, labelIds: [$label]}) {
            labelable { labels(first: 5) { nodes { name } } }
          }
          addAssigneesToAssignable(input: {assignableId: $issue, assigneeIds: [$me]}) {
            assignable { assignees(first: 5) { nodes { login } } }
          }
        }""",
        issue=issue_id,
        label=label_id,
        me=ids["viewer"]["id"],
    )["data"]
    assert (answer["said"]["clientMutationId"], answer["said"]["subject"]) == ("7", {"number": 1})
    assert answer["addLabelsToLabelable"]["labelable"]["labels"]["nodes"] == [{"name": "bot"}]
    assert street.scene.assignees(REPO, 1) == ["bot"]
    edited = api.graphql(
        """mutation($id: ID!) { updateIssueComment(input: {id: $id, body: "bye"}) {
          issueComment { body lastEditedAt issue { number } pullRequest { number } } } }""",
        id=answer["said"]["commentEdge"]["node"]["id"],
    )["data"]["updateIssueComment"]["issueComment"]
    assert (edited["body"], edited["issue"], edited["pullRequest"]) == ("bye", {"number": 1}, None)
    api.graphql(
        "mutation($i: ID!, $l: ID!) { removeLabelsFromLabelable(input: {labelableId: $i, labelIds: [$l]}) { clientMutationId } }",
        i=issue_id,
        l=label_id,
    )
    assert street.scene.labels(REPO, 1) == set()


def test_a_draft_becomes_ready_here_and_nowhere_else(street, bot, api):
    bot.push(REPO, "bot/1", {"x": "1"})
    bot.open_pull(REPO, "bot/1", "Fix", draft=True)
    api("PATCH", f"/repos/{REPO}/pulls/1", {"draft": False})
    shown = api.get(f"/repos/{REPO}/pulls/1").json()
    assert shown["draft"] is True
    api.graphql(
        "mutation($id: ID!) { markPullRequestReadyForReview(input: {pullRequestId: $id}) { pullRequest { isDraft } } }",
        id=shown["node_id"],
    )
    assert api.get(f"/repos/{REPO}/pulls/1").json()["draft"] is False


def test_an_app_has_no_suffix_here_though_rest_shows_one(street, alice, api):
    street.scene.add_app("ci")
    alice.invite(REPO, "ci[bot]", "write")
    street.scene.person("ci[bot]").open_issue(REPO, "Flaky")
    text = '{ repository(owner: "alice", name: "shop") { issue(number: 1) { author { __typename login } } } }'
    author = api.graphql(text)["data"]["repository"]["issue"]["author"]
    assert author == {"__typename": "Bot", "login": "ci"}
    assert api.get(f"/repos/{REPO}/issues/1").json()["user"]["login"] == "ci[bot]"


def test_errors_come_with_200_and_a_type(street, api):
    shown = api.graphql(
        '{ a: repository(owner: "no", name: "where") { id } b: repository(owner: "alice", name: "shop") {'
        " id issue(number: 9) { id } } }"
    )
    assert {error["type"] for error in shown["errors"]} == {"NOT_FOUND"}
    assert shown["data"]["a"] is None
    assert shown["data"]["b"]["issue"] is None
    mallory = street.as_user("mallory")
    street.scene.person("alice").open_issue(REPO, "Bug")
    issue_id = mallory.get(f"/repos/{REPO}/issues/1").json()["node_id"]
    refused = mallory.graphql(
        "mutation($i: ID!) { addLabelsToLabelable(input: {labelableId: $i, labelIds: []}) { clientMutationId } }",
        i=issue_id,
    )
    assert refused["errors"][0]["type"] == "FORBIDDEN"


def test_a_connection_wants_to_know_how_many(alice, api):
    alice.open_issue(REPO, "Bug")
    text = '{ repository(owner: "alice", name: "shop") { issues%s { totalCount } } }'
    assert api.graphql(text % "")["errors"][0]["type"] == "MISSING_PAGINATION_BOUNDARIES"
    assert api.graphql(text % "(first: 101)")["errors"][0]["type"] == "EXCESSIVE_PAGINATION"
    assert api.graphql(text % "(first: 100)")["data"]["repository"]["issues"]["totalCount"] == 1


def test_pages_follow_cursors_in_both_directions(alice, api):
    for index in range(5):
        alice.open_issue(REPO, f"issue {index}")
    text = """query($first: Int, $last: Int, $after: String, $before: String) {
      repository(owner: "alice", name: "shop") { issues(first: $first, last: $last, after: $after, before: $before) {
        nodes { number } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }"""

    def page(**variables):
        found = api.graphql(text, **variables)["data"]["repository"]["issues"]
        return [node["number"] for node in found["nodes"]], found["pageInfo"]

    numbers, place = page(first=2)
    assert (numbers, place["hasNextPage"]) == ([1, 2], True)
    assert page(first=2, after=place["endCursor"])[0] == [3, 4]
    numbers, place = page(last=2)
    assert (numbers, place["hasPreviousPage"]) == ([4, 5], True)
    assert page(last=2, before=place["startCursor"])[0] == [2, 3]


def test_an_exhausted_limit_answers_200_with_rate_limited(street, api, clock):
    street.box.settings.graphql_limit = 1
    assert api.graphql("{ rateLimit { cost remaining limit used } }")["data"]["rateLimit"] == {
        "cost": 1,
        "remaining": 0,
        "limit": 1,
        "used": 1,
    }
    assert api.graphql("{ viewer { login } }")["errors"][0]["type"] == "RATE_LIMITED"
    assert api.get("/user").status_code == 200
    clock.advance(3600)
    assert "errors" not in api.graphql("{ viewer { login } }")


def test_unknown_fields_are_refused_as_a_whole(api):
    shown = api.graphql("{ viewer { login shoeSize } }")
    assert "shoeSize" in shown["errors"][0]["message"]
    assert "data" not in shown
