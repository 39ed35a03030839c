"""GraphQL: the schema with its resolvers, and one request through it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLSchema,
    GraphQLUnionType,
    build_schema,
    execute_sync,
    parse,
    validate,
)

from dispatcher.simulator import graphql_issues as on_issues
from dispatcher.simulator import graphql_pulls as on_pulls
from dispatcher.simulator.exchange import Answer, Json, Request
from dispatcher.simulator.graphql_mutations import MUTATION
from dispatcher.simulator.graphql_nodes import EVENT_TYPES, At, Fields, Resolve, failure, type_name
from dispatcher.simulator.graphql_schema import SDL
from dispatcher.simulator.refusals import FieldError, Forbidden, NotFound, Refused

_TABLES: dict[str, Fields] = {
    "Query": on_issues.QUERY,
    "Mutation": MUTATION,
    "User": on_issues.ACCOUNT,
    "Bot": on_issues.ACCOUNT,
    "Organization": on_issues.ACCOUNT,
    "Team": on_issues.TEAM,
    "Repository": on_issues.REPOSITORY,
    "Label": on_issues.LABEL,
    "Issue": on_issues.ISSUE,
    "IssueComment": on_issues.COMMENT,
    "PullRequest": on_pulls.PULL,
    "ReviewRequest": on_pulls.REQUEST,
    "PullRequestReview": on_pulls.REVIEW,
    "PullRequestReviewThread": on_pulls.REVIEW_THREAD,
    "PullRequestReviewComment": on_pulls.LINE_COMMENT,
    "PullRequestCommit": on_pulls.PULL_COMMIT,
    "Commit": on_pulls.COMMIT,
    "StatusCheckRollup": on_pulls.ROLLUP,
    "Ref": on_pulls.REF,
    "CheckRun": on_pulls.CHECK_RUN,
    "StatusContext": on_pulls.STATUS,
} | dict.fromkeys(EVENT_TYPES.values(), on_issues.EVENT)


def _adapt(resolve: Resolve) -> Callable[..., Any]:
    def adapted(source: Any, place: GraphQLResolveInfo, **asked: Any) -> Any:
        try:
            return resolve(source, place.context, asked)
        except Refused as refused:
            raise _as_graphql(refused) from refused

    return adapted


def _as_graphql(refused: Refused) -> GraphQLError:
    kinds = {NotFound: "NOT_FOUND", Forbidden: "FORBIDDEN"}
    texts = [error.message if isinstance(error, FieldError) else error for error in refused.errors]
    return failure(
        kinds.get(type(refused), "UNPROCESSABLE"), "; ".join(filter(None, texts)) or refused.message
    )


@cache
def _schema() -> GraphQLSchema:
    schema = build_schema(SDL)
    for name, found in schema.type_map.items():
        if isinstance(found, GraphQLObjectType):
            for field_name, resolve in _TABLES.get(name, {}).items():
                if field_name in found.fields:
                    found.fields[field_name].resolve = _adapt(resolve)
        elif isinstance(found, (GraphQLInterfaceType, GraphQLUnionType)):
            found.resolve_type = _resolve_type
    return schema


def _resolve_type(source: Any, place: GraphQLResolveInfo, abstract: Any) -> str:  # noqa: ARG001  (graphql-core's shape)
    return type_name(source)


@cache
def _document(text: str) -> tuple[DocumentNode, tuple[GraphQLError, ...]]:
    document = parse(text)
    return document, tuple(validate(_schema(), document))


def answer(at: At, request: Request) -> Answer:
    """Answer one request: always 200 when it is JSON, with `errors` beside the data."""
    text, variables = request.json.get("query"), request.json.get("variables")
    if not isinstance(text, str) or not isinstance(variables, dict | None):
        return Answer(400, {"message": "A query attribute must be specified and must be a string."})
    try:
        document, faults = _document(text)
    except GraphQLError as error:
        return Answer(200, {"errors": [_shown(error)]})
    if faults:
        return Answer(200, {"errors": [_shown(error) for error in faults]})
    result = execute_sync(
        _schema(),
        document,
        context_value=at,
        variable_values=variables,
        operation_name=request.json.get("operationName"),
    )
    shown: Json = {"data": result.data}
    if result.errors:
        shown["errors"] = [_shown(error) for error in result.errors]
    return Answer(200, shown)


def _shown(error: GraphQLError) -> Json:
    shown: Json = dict(error.formatted)
    kind = (shown.pop("extensions", None) or {}).get("type")
    return ({"type": kind} if kind else {}) | shown
