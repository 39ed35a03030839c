"""The GraphQL texts. Field names were compared with GitHub's published schema (octokit/graphql-schema 15.26).

One exception: `issueDependenciesSummary` is on github.com but not in every server's schema, so it is a part that
can be left out (`with_dependencies`).
"""

from collections.abc import Sequence

_WHO = """
fragment Who on Actor { __typename login ... on User { databaseId id } ... on Bot { databaseId id } }
"""
_FACE = """
fragment Face on User { __typename login databaseId id }
"""

_COMMENT = """
fragment CommentParts on IssueComment {
  id databaseId body url createdAt lastEditedAt author { ...Who }
}
"""

_EVENTS = """
    __typename
    ... on LabeledEvent { createdAt label { name } actor { ...Who } }
    ... on UnlabeledEvent { createdAt label { name } actor { ...Who } }
    ... on AssignedEvent { createdAt actor { ...Who } assignee { ...Who } }
    ... on UnassignedEvent { createdAt actor { ...Who } assignee { ...Who } }
    ... on RenamedTitleEvent { createdAt actor { ...Who } }
"""
_EVENT_TYPES = "LABELED_EVENT, UNLABELED_EVENT, ASSIGNED_EVENT, UNASSIGNED_EVENT, RENAMED_TITLE_EVENT"

_ITEM = """
  id number title body url createdAt updatedAt lastEditedAt
  editor { ...Who }
  author { ...Who }
  labels(first: 100) { nodes { id name } }
  assignees(first: 20) { nodes { ...Face } }
  comments(last: 100) { pageInfo { hasPreviousPage startCursor } nodes { ...CommentParts } }
"""
_ISSUE_EVENTS = f"""
  timelineItems(last: 100, itemTypes: [{_EVENT_TYPES}]) {{ nodes {{ {_EVENTS} }} }}
"""
_PULL_EVENTS = f"""
  timelineItems(last: 100, itemTypes: [{_EVENT_TYPES}, REVIEW_REQUESTED_EVENT]) {{ nodes {{ {_EVENTS}
    ... on ReviewRequestedEvent {{ createdAt actor {{ ...Who }} requestedReviewer {{ __typename ...Who }} }}
  }} }}
"""

_PULL = (
    _ITEM
    + _PULL_EVENTS
    + """
  pullState: state headRefName headRefOid baseRefName baseRefOid isDraft isCrossRepository merged mergeable
  baseRef { target { oid } }
  closingIssuesReferences(first: 20) { nodes { number repository { databaseId } } }
  reviewRequests(first: 20) { nodes { requestedReviewer { __typename ...Who } } }
  reviews(last: 100) {
    nodes { databaseId state body url submittedAt lastEditedAt author { ...Who } commit { oid } }
  }
  reviewThreads(last: 50) {
    nodes { comments(first: 50) {
      nodes { databaseId body path line url createdAt lastEditedAt author { ...Who } }
    } }
  }
  commits(last: 1) { nodes { commit { oid statusCheckRollup {
    state
    contexts(first: 100) { totalCount nodes {
      __typename
      ... on CheckRun { name status conclusion }
      ... on StatusContext { context state }
    } }
  } } } }
"""
)

_STATE = """
fragment IssueState on Issue {
  id number state updatedAt labels(first: 100) { nodes { id name } } assignees(first: 20) { nodes { ...Face } }
}
fragment PullState on PullRequest {
  id number pullState: state updatedAt labels(first: 100) { nodes { id name } } assignees(first: 20) { nodes { ...Face } }
}
"""

_TASK_VARIABLES = (
    "$number: Int!, $pull: Int!, $withPull: Boolean!, $findPull: Boolean!, $withPeople: Boolean!"
)


def _task_parts(label_names: Sequence[str]) -> str:
    # Aliases, because a repository may have more labels than one page shows.
    aliases = " ".join(f"label{i}: label(name: $label{i}) {{ id name }}" for i in range(len(label_names)))
    return f"""
fragment TaskParts on Repository {{
  id databaseId nameWithOwner
  {aliases}
  collaborators(first: 100) @include(if: $withPeople) {{
    pageInfo {{ hasNextPage }} edges {{ permission node {{ ...Face }} }}
  }}
  item: issueOrPullRequest(number: $number) {{
    __typename ... on Issue {{ ...IssueParts }} ... on PullRequest {{ ...PullParts }}
  }}
  pull: pullRequest(number: $pull) @include(if: $withPull) {{ ...PullParts }}
  open: pullRequests(states: [OPEN], first: 100, orderBy: {{field: CREATED_AT, direction: DESC}}) @include(if: $findPull) {{
    nodes {{
      number headRefName isCrossRepository author {{ ...Who }}
      closingIssuesReferences(first: 20) {{ nodes {{ number repository {{ databaseId }} }} }}
    }}
  }}
}}
"""


def _fragments(label_names: Sequence[str], *, with_dependencies: bool) -> str:
    dependencies = "issueDependenciesSummary { blockedBy }" if with_dependencies else ""
    return (
        _task_parts(label_names)
        + f"fragment IssueParts on Issue {{ {_ITEM} {_ISSUE_EVENTS} state {dependencies} }}\n"
        + f"fragment PullParts on PullRequest {{ {_PULL} }}\n"
        + _COMMENT
        + _WHO
        + _FACE
    )


def _variables(label_names: Sequence[str], first: str) -> str:
    labels = "".join(f", $label{i}: String!" for i in range(len(label_names)))
    return f"{first}, {_TASK_VARIABLES}{labels}"


def snapshot_query(label_names: Sequence[str], *, with_dependencies: bool) -> str:
    """Issue, pull request, comments, reviews, events, CI, label ids: everything of one task (`Snapshot`)."""
    variables = _variables(label_names, "$owner: String!, $name: String!")
    return (
        f"query Snapshot({variables}) {{\n"
        "  rateLimit { cost remaining resetAt }\n"
        "  repository(owner: $owner, name: $name) { ...TaskParts }\n}\n"
    ) + _fragments(label_names, with_dependencies=with_dependencies)


_ASSIGN = """
  assign: addAssigneesToAssignable(input: {assignableId: $item, assigneeIds: [$bot]}) {
    assignable { __typename }
  }
"""


def edit_status_mutation(label_names: Sequence[str], *, with_dependencies: bool) -> str:
    """Assign the bot, rewrite our status comment, and read the whole task back (`ClaimByEdit`)."""
    variables = _variables(label_names, "$item: ID!, $bot: ID!, $comment: ID!, $body: String!")
    return (
        f"mutation ClaimByEdit({variables}) {{{_ASSIGN}"
        "  status: updateIssueComment(input: {id: $comment, body: $body}) {\n"
        "    issueComment { ...CommentParts repository { ...TaskParts } }\n  }\n}\n"
    ) + _fragments(label_names, with_dependencies=with_dependencies)


def add_status_mutation(label_names: Sequence[str], *, with_dependencies: bool) -> str:
    """Assign the bot, write our first status comment, and read the whole task back (`ClaimByComment`)."""
    variables = _variables(label_names, "$item: ID!, $bot: ID!, $body: String!")
    return (
        f"mutation ClaimByComment({variables}) {{{_ASSIGN}"
        "  status: addComment(input: {subjectId: $item, body: $body}) {\n"
        "    commentEdge { node { ...CommentParts repository { ...TaskParts } } }\n  }\n}\n"
    ) + _fragments(label_names, with_dependencies=with_dependencies)


COMMENTS_QUERY = (
    """
query Comments($id: ID!, $before: String!) {
  node(id: $id) {
    ... on Issue { comments(last: 100, before: $before) {
      pageInfo { hasPreviousPage startCursor } nodes { ...CommentParts } } }
    ... on PullRequest { comments(last: 100, before: $before) {
      pageInfo { hasPreviousPage startCursor } nodes { ...CommentParts } } }
  }
}
"""
    + _COMMENT
    + _WHO
)
"""The hundred comments before those that are known."""

_FOUND = """
fragment FoundIssue on Issue {
  number title state updatedAt author { ...Who } repository { databaseId nameWithOwner }
  labels(first: 100) { nodes { name } } assignees(first: 20) { nodes { ...Face } }
}
fragment FoundPull on PullRequest {
  number title pullState: state updatedAt author { ...Who } repository { databaseId nameWithOwner }
  labels(first: 100) { nodes { name } } assignees(first: 20) { nodes { ...Face } }
}
"""


def search_query(count: int) -> str:
    """`count` searches in one request, aliased `search0`...; variables `$q0`, `$after0`, ... (`Search`)."""
    variables = ", ".join(f"$q{i}: String!, $after{i}: String" for i in range(count))
    searches = "\n".join(
        f"  search{i}: search(query: $q{i}, type: ISSUE, first: 100, after: $after{i}) {{\n"
        "    pageInfo { hasNextPage endCursor }\n"
        "    nodes { __typename ... on Issue { ...FoundIssue } ... on PullRequest { ...FoundPull } }\n  }"
        for i in range(count)
    )
    return (
        f"query Search({variables}) {{\n  rateLimit {{ cost remaining resetAt }}\n{searches}\n}}\n"
        + _FOUND
        + _WHO
        + _FACE
    )


def repos_query(count: int) -> str:
    """`count` repositories by name in one request, aliased `repo0`...; variables `$owner0`, `$name0`, ... (`Repos`)."""
    variables = ", ".join(f"$owner{i}: String!, $name{i}: String!" for i in range(count))
    lookups = "\n".join(
        f"  repo{i}: repository(owner: $owner{i}, name: $name{i}) {{ databaseId nameWithOwner url isArchived"
        " viewerPermission defaultBranchRef { name } }"
        for i in range(count)
    )
    return f"query Repos({variables}) {{\n{lookups}\n}}\n"


STATE_FIELDS = _STATE + _FACE
"""The fragments that `stage_mutation`'s payloads use."""
_STATE_SPREAD = "__typename ... on Issue { ...IssueState } ... on PullRequest { ...PullState }"


def add_labels(alias: str) -> str:
    """One aliased mutation; its variables are `$<alias>On` and `$<alias>Ids`."""
    return f"{alias}: addLabelsToLabelable(input: {{labelableId: ${alias}On, labelIds: ${alias}Ids}}) {{ labelable {{ {_STATE_SPREAD} }} }}"


def remove_labels(alias: str) -> str:
    """One aliased mutation; its variables are `$<alias>On` and `$<alias>Ids`."""
    return f"{alias}: removeLabelsFromLabelable(input: {{labelableId: ${alias}On, labelIds: ${alias}Ids}}) {{ labelable {{ {_STATE_SPREAD} }} }}"


def add_assignees(alias: str) -> str:
    """One aliased mutation; its variables are `$<alias>On` and `$<alias>Ids`."""
    return f"{alias}: addAssigneesToAssignable(input: {{assignableId: ${alias}On, assigneeIds: ${alias}Ids}}) {{ assignable {{ {_STATE_SPREAD} }} }}"


def remove_assignees(alias: str) -> str:
    """One aliased mutation; its variables are `$<alias>On` and `$<alias>Ids`."""
    return f"{alias}: removeAssigneesFromAssignable(input: {{assignableId: ${alias}On, assigneeIds: ${alias}Ids}}) {{ assignable {{ {_STATE_SPREAD} }} }}"


def edit_comment(alias: str) -> str:
    """One aliased mutation; its variables are `$<alias>On` and `$<alias>Body`."""
    return (
        f"{alias}: updateIssueComment(input: {{id: ${alias}On, body: ${alias}Body}}) "
        "{ issueComment { id databaseId updatedAt } }"
    )


def add_comment(alias: str) -> str:
    """One aliased mutation; its variables are `$<alias>On` and `$<alias>Body`."""
    return (
        f"{alias}: addComment(input: {{subjectId: ${alias}On, body: ${alias}Body}}) "
        "{ commentEdge { node { id databaseId updatedAt } } "
        f"subject {{ {_STATE_SPREAD} }} }}"
    )


def stage_mutation(parts: Sequence[str], variables: Sequence[str], *, with_state: bool) -> str:
    """Several aliased mutations in one request (`ShowStage`); `variables` are declarations like `$a0On: ID!`."""
    text = f"mutation ShowStage({', '.join(variables)}) {{\n  " + "\n  ".join(parts) + "\n}\n"
    return text + STATE_FIELDS if with_state else text
