"""The slice of GitHub's GraphQL schema that the box answers.

Types, fields, arguments and enum values were compared with the official schema (npm `@octokit/graphql-schema` 15.26.1):
every one of them exists there under this name and with the same type. Issue dependencies (`issueDependenciesSummary`,
`blockedBy`) are younger than that release and follow GitHub's announcement instead.
"""

SDL = """
scalar DateTime
scalar Date
scalar URI
scalar GitObjectID
scalar GitTimestamp
scalar BigInt
scalar HTML

interface Node { id: ID! }
interface Actor { login: String! url: URI! avatarUrl(size: Int): URI! }
interface GitObject { id: ID! oid: GitObjectID! abbreviatedOid: String! }
interface Labelable {
  labels(first: Int, last: Int, after: String, before: String): LabelConnection
}
interface Assignable {
  assignees(first: Int, last: Int, after: String, before: String): UserConnection!
}
interface RepositoryOwner { id: ID! login: String! url: URI! }

type PageInfo { endCursor: String hasNextPage: Boolean! hasPreviousPage: Boolean! startCursor: String }
type RateLimit { cost: Int! limit: Int! nodeCount: Int! remaining: Int! resetAt: DateTime! used: Int! }

type User implements Node & Actor & RepositoryOwner {
  id: ID! databaseId: Int login: String! name: String email: String! url: URI! avatarUrl(size: Int): URI! createdAt: DateTime!
  isViewer: Boolean! isSiteAdmin: Boolean!
}
type Bot implements Node & Actor { id: ID! databaseId: Int login: String! url: URI! avatarUrl(size: Int): URI! createdAt: DateTime! }
type Organization implements Node & Actor & RepositoryOwner {
  id: ID! databaseId: Int login: String! name: String url: URI! avatarUrl(size: Int): URI! createdAt: DateTime!
}
type Team implements Node { id: ID! databaseId: Int name: String! slug: String! }
type UserConnection { edges: [UserEdge] nodes: [User] pageInfo: PageInfo! totalCount: Int! }
type UserEdge { cursor: String! node: User }

enum RepositoryPermission { ADMIN MAINTAIN READ TRIAGE WRITE }
enum RepositoryVisibility { INTERNAL PRIVATE PUBLIC }
type RepositoryCollaboratorConnection { edges: [RepositoryCollaboratorEdge] nodes: [User] pageInfo: PageInfo! totalCount: Int! }
type RepositoryCollaboratorEdge { cursor: String! node: User! permission: RepositoryPermission! }

type Repository implements Node {
  id: ID! databaseId: Int name: String! nameWithOwner: String! owner: RepositoryOwner! url: URI! description: String
  isArchived: Boolean! isPrivate: Boolean! isFork: Boolean! isDisabled: Boolean! visibility: RepositoryVisibility!
  createdAt: DateTime! updatedAt: DateTime! pushedAt: DateTime
  defaultBranchRef: Ref
  ref(qualifiedName: String!): Ref
  object(expression: String, oid: GitObjectID): GitObject
  viewerPermission: RepositoryPermission
  hasIssuesEnabled: Boolean!
  label(name: String!): Label
  labels(first: Int, last: Int, after: String, before: String, query: String): LabelConnection
  collaborators(first: Int, last: Int, after: String, before: String, login: String, query: String): RepositoryCollaboratorConnection
  issue(number: Int!): Issue
  pullRequest(number: Int!): PullRequest
  issueOrPullRequest(number: Int!): IssueOrPullRequest
  issues(first: Int, last: Int, after: String, before: String, labels: [String!], states: [IssueState!], orderBy: IssueOrder): IssueConnection!
  pullRequests(
    first: Int, last: Int, after: String, before: String, headRefName: String, baseRefName: String, labels: [String!],
    states: [PullRequestState!], orderBy: IssueOrder
  ): PullRequestConnection!
}
enum IssueOrderField { COMMENTS CREATED_AT UPDATED_AT }
enum OrderDirection { ASC DESC }
input IssueOrder { direction: OrderDirection! field: IssueOrderField! }

type Ref implements Node { id: ID! name: String! prefix: String! target: GitObject refUpdateRule: RefUpdateRule }
type RefUpdateRule {
  pattern: String! viewerCanPush: Boolean! requiredApprovingReviewCount: Int requiredStatusCheckContexts: [String]
}
type GitActor { date: GitTimestamp name: String email: String user: User }
type Commit implements Node & GitObject {
  id: ID! oid: GitObjectID! abbreviatedOid: String! message: String! messageHeadline: String! committedDate: DateTime!
  authoredDate: DateTime! author: GitActor url: URI! statusCheckRollup: StatusCheckRollup status: Status
  parents(first: Int, last: Int, after: String, before: String): CommitConnection!
}
type CommitConnection { nodes: [Commit] pageInfo: PageInfo! totalCount: Int! }
enum StatusState { ERROR EXPECTED FAILURE PENDING SUCCESS }
enum CheckStatusState { COMPLETED IN_PROGRESS PENDING QUEUED REQUESTED WAITING }
enum CheckConclusionState { ACTION_REQUIRED CANCELLED FAILURE NEUTRAL SKIPPED STALE STARTUP_FAILURE SUCCESS TIMED_OUT }
type Status implements Node { id: ID! state: StatusState! contexts: [StatusContext!]! }
type StatusCheckRollup implements Node {
  id: ID! state: StatusState!
  contexts(first: Int, last: Int, after: String, before: String): StatusCheckRollupContextConnection!
}
type StatusCheckRollupContextConnection { nodes: [StatusCheckRollupContext] pageInfo: PageInfo! totalCount: Int! }
union StatusCheckRollupContext = CheckRun | StatusContext
type CheckRun implements Node {
  id: ID! databaseId: Int name: String! status: CheckStatusState! conclusion: CheckConclusionState detailsUrl: URI
  startedAt: DateTime completedAt: DateTime title: String summary: String
}
type StatusContext implements Node {
  id: ID! context: String! state: StatusState! targetUrl: URI description: String createdAt: DateTime! creator: Actor
}

type Label implements Node { id: ID! name: String! color: String! description: String createdAt: DateTime url: URI! }
type LabelConnection { edges: [LabelEdge] nodes: [Label] pageInfo: PageInfo! totalCount: Int! }
type LabelEdge { cursor: String! node: Label }

enum CommentAuthorAssociation { COLLABORATOR CONTRIBUTOR FIRST_TIMER FIRST_TIME_CONTRIBUTOR MANNEQUIN MEMBER NONE OWNER }
type IssueComment implements Node {
  id: ID! databaseId: Int fullDatabaseId: BigInt body: String! url: URI! author: Actor editor: Actor
  authorAssociation: CommentAuthorAssociation! createdAt: DateTime! updatedAt: DateTime! lastEditedAt: DateTime publishedAt: DateTime
  viewerDidAuthor: Boolean! isMinimized: Boolean! includesCreatedEdit: Boolean!
  issue: Issue! pullRequest: PullRequest repository: Repository!
}
type IssueCommentConnection { edges: [IssueCommentEdge] nodes: [IssueComment] pageInfo: PageInfo! totalCount: Int! }
type IssueCommentEdge { cursor: String! node: IssueComment }

enum IssueState { CLOSED OPEN }
enum IssueStateReason { COMPLETED DUPLICATE NOT_PLANNED REOPENED }
type IssueDependenciesSummary { blockedBy: Int! blocking: Int! totalBlockedBy: Int! totalBlocking: Int! }
type Issue implements Node & Labelable & Assignable {
  id: ID! databaseId: Int fullDatabaseId: BigInt number: Int! title: String! body: String! url: URI! closed: Boolean! locked: Boolean!
  state: IssueState! stateReason(enableDuplicate: Boolean): IssueStateReason
  author: Actor editor: Actor authorAssociation: CommentAuthorAssociation! viewerDidAuthor: Boolean!
  createdAt: DateTime! updatedAt: DateTime! closedAt: DateTime lastEditedAt: DateTime publishedAt: DateTime
  repository: Repository!
  labels(first: Int, last: Int, after: String, before: String): LabelConnection
  assignees(first: Int, last: Int, after: String, before: String): UserConnection!
  participants(first: Int, last: Int, after: String, before: String): UserConnection!
  comments(first: Int, last: Int, after: String, before: String): IssueCommentConnection!
  timelineItems(
    first: Int, last: Int, after: String, before: String, since: DateTime, itemTypes: [IssueTimelineItemsItemType!]
  ): IssueTimelineItemsConnection!
  issueDependenciesSummary: IssueDependenciesSummary!
  blockedBy(first: Int, last: Int, after: String, before: String): IssueConnection!
  closedByPullRequestsReferences(
    first: Int, last: Int, after: String, before: String, includeClosedPrs: Boolean
  ): PullRequestConnection
}
type IssueConnection { edges: [IssueEdge] nodes: [Issue] pageInfo: PageInfo! totalCount: Int! }
type IssueEdge { cursor: String! node: Issue }

enum PullRequestState { CLOSED MERGED OPEN }
enum MergeableState { CONFLICTING MERGEABLE UNKNOWN }
enum MergeStateStatus { BEHIND BLOCKED CLEAN DIRTY DRAFT HAS_HOOKS UNKNOWN UNSTABLE }
enum PullRequestReviewDecision { APPROVED CHANGES_REQUESTED REVIEW_REQUIRED }
enum PullRequestReviewState { APPROVED CHANGES_REQUESTED COMMENTED DISMISSED PENDING }
type PullRequest implements Node & Labelable & Assignable {
  id: ID! databaseId: Int fullDatabaseId: BigInt number: Int! title: String! body: String! url: URI! closed: Boolean! locked: Boolean!
  state: PullRequestState! author: Actor editor: Actor authorAssociation: CommentAuthorAssociation! viewerDidAuthor: Boolean!
  createdAt: DateTime! updatedAt: DateTime! closedAt: DateTime lastEditedAt: DateTime publishedAt: DateTime
  repository: Repository!
  labels(first: Int, last: Int, after: String, before: String): LabelConnection
  assignees(first: Int, last: Int, after: String, before: String): UserConnection!
  participants(first: Int, last: Int, after: String, before: String): UserConnection!
  comments(first: Int, last: Int, after: String, before: String): IssueCommentConnection!
  timelineItems(
    first: Int, last: Int, after: String, before: String, since: DateTime, itemTypes: [PullRequestTimelineItemsItemType!]
  ): PullRequestTimelineItemsConnection!
  headRefName: String! headRefOid: GitObjectID! headRef: Ref headRepository: Repository headRepositoryOwner: RepositoryOwner
  baseRefName: String! baseRefOid: GitObjectID! baseRef: Ref baseRepository: Repository
  isDraft: Boolean! isCrossRepository: Boolean! merged: Boolean! mergedAt: DateTime mergedBy: Actor mergeCommit: Commit
  mergeable: MergeableState! mergeStateStatus: MergeStateStatus! reviewDecision: PullRequestReviewDecision
  additions: Int! deletions: Int! changedFiles: Int!
  reviewRequests(first: Int, last: Int, after: String, before: String): ReviewRequestConnection
  reviews(
    first: Int, last: Int, after: String, before: String, author: String, states: [PullRequestReviewState!]
  ): PullRequestReviewConnection
  latestReviews(first: Int, last: Int, after: String, before: String): PullRequestReviewConnection
  reviewThreads(first: Int, last: Int, after: String, before: String): PullRequestReviewThreadConnection!
  commits(first: Int, last: Int, after: String, before: String): PullRequestCommitConnection!
  closingIssuesReferences(first: Int, last: Int, after: String, before: String): IssueConnection
  files(first: Int, last: Int, after: String, before: String): PullRequestChangedFileConnection
}
type PullRequestConnection { edges: [PullRequestEdge] nodes: [PullRequest] pageInfo: PageInfo! totalCount: Int! }
type PullRequestEdge { cursor: String! node: PullRequest }
union RequestedReviewer = Bot | Team | User
type ReviewRequest implements Node { id: ID! databaseId: Int requestedReviewer: RequestedReviewer asCodeOwner: Boolean! }
type ReviewRequestConnection { nodes: [ReviewRequest] pageInfo: PageInfo! totalCount: Int! }
type PullRequestReview implements Node {
  id: ID! databaseId: Int fullDatabaseId: BigInt body: String! state: PullRequestReviewState! url: URI! author: Actor editor: Actor
  authorAssociation: CommentAuthorAssociation! viewerDidAuthor: Boolean! isMinimized: Boolean!
  createdAt: DateTime! updatedAt: DateTime! submittedAt: DateTime lastEditedAt: DateTime commit: Commit pullRequest: PullRequest!
  comments(first: Int, last: Int, after: String, before: String): PullRequestReviewCommentConnection!
}
type PullRequestReviewConnection { nodes: [PullRequestReview] pageInfo: PageInfo! totalCount: Int! }
enum DiffSide { LEFT RIGHT }
type PullRequestReviewThread implements Node {
  id: ID! isResolved: Boolean! isOutdated: Boolean! path: String! line: Int diffSide: DiffSide!
  comments(first: Int, last: Int, after: String, before: String): PullRequestReviewCommentConnection!
}
type PullRequestReviewThreadConnection { nodes: [PullRequestReviewThread] pageInfo: PageInfo! totalCount: Int! }
type PullRequestReviewComment implements Node {
  id: ID! databaseId: Int fullDatabaseId: BigInt body: String! path: String! line: Int originalLine: Int startLine: Int diffHunk: String!
  author: Actor editor: Actor authorAssociation: CommentAuthorAssociation! viewerDidAuthor: Boolean! isMinimized: Boolean! outdated: Boolean!
  createdAt: DateTime! updatedAt: DateTime! lastEditedAt: DateTime url: URI! commit: Commit pullRequestReview: PullRequestReview
  replyTo: PullRequestReviewComment
}
type PullRequestReviewCommentConnection { nodes: [PullRequestReviewComment] pageInfo: PageInfo! totalCount: Int! }
type PullRequestCommit implements Node { id: ID! commit: Commit! url: URI! }
type PullRequestCommitConnection { nodes: [PullRequestCommit] pageInfo: PageInfo! totalCount: Int! }
enum PatchStatus { ADDED CHANGED COPIED DELETED MODIFIED RENAMED }
type PullRequestChangedFile { path: String! additions: Int! deletions: Int! changeType: PatchStatus! }
type PullRequestChangedFileConnection { nodes: [PullRequestChangedFile] pageInfo: PageInfo! totalCount: Int! }
union IssueOrPullRequest = Issue | PullRequest

union Assignee = Bot | Organization | User
type LabeledEvent implements Node { id: ID! actor: Actor createdAt: DateTime! label: Label! labelable: Labelable! }
type UnlabeledEvent implements Node { id: ID! actor: Actor createdAt: DateTime! label: Label! labelable: Labelable! }
type AssignedEvent implements Node { id: ID! actor: Actor createdAt: DateTime! assignee: Assignee assignable: Assignable! }
type UnassignedEvent implements Node { id: ID! actor: Actor createdAt: DateTime! assignee: Assignee assignable: Assignable! }
type ClosedEvent implements Node { id: ID! actor: Actor createdAt: DateTime! }
type ReopenedEvent implements Node { id: ID! actor: Actor createdAt: DateTime! }
type MergedEvent implements Node { id: ID! actor: Actor createdAt: DateTime! commit: Commit mergeRefName: String! }
type RenamedTitleEvent implements Node { id: ID! actor: Actor createdAt: DateTime! currentTitle: String! previousTitle: String! }
type ReviewRequestedEvent implements Node { id: ID! actor: Actor createdAt: DateTime! requestedReviewer: RequestedReviewer }
type ReviewRequestRemovedEvent implements Node { id: ID! actor: Actor createdAt: DateTime! requestedReviewer: RequestedReviewer }
type ReadyForReviewEvent implements Node { id: ID! actor: Actor createdAt: DateTime! }
type ConvertToDraftEvent implements Node { id: ID! actor: Actor createdAt: DateTime! }
type HeadRefForcePushedEvent implements Node { id: ID! actor: Actor createdAt: DateTime! beforeCommit: Commit afterCommit: Commit }
type HeadRefDeletedEvent implements Node { id: ID! actor: Actor createdAt: DateTime! headRefName: String! }
type MentionedEvent implements Node { id: ID! actor: Actor createdAt: DateTime! databaseId: Int }
enum IssueTimelineItemsItemType {
  ASSIGNED_EVENT CLOSED_EVENT ISSUE_COMMENT LABELED_EVENT MENTIONED_EVENT RENAMED_TITLE_EVENT REOPENED_EVENT UNASSIGNED_EVENT
  UNLABELED_EVENT
}
enum PullRequestTimelineItemsItemType {
  ASSIGNED_EVENT CLOSED_EVENT CONVERT_TO_DRAFT_EVENT HEAD_REF_DELETED_EVENT HEAD_REF_FORCE_PUSHED_EVENT ISSUE_COMMENT LABELED_EVENT
  MENTIONED_EVENT MERGED_EVENT PULL_REQUEST_COMMIT PULL_REQUEST_REVIEW READY_FOR_REVIEW_EVENT RENAMED_TITLE_EVENT REOPENED_EVENT
  REVIEW_REQUESTED_EVENT REVIEW_REQUEST_REMOVED_EVENT UNASSIGNED_EVENT UNLABELED_EVENT
}
union IssueTimelineItems = AssignedEvent | ClosedEvent | IssueComment | LabeledEvent | MentionedEvent | RenamedTitleEvent | ReopenedEvent
  | UnassignedEvent | UnlabeledEvent
union PullRequestTimelineItems = AssignedEvent | ClosedEvent | ConvertToDraftEvent | HeadRefDeletedEvent | HeadRefForcePushedEvent
  | IssueComment | LabeledEvent | MentionedEvent | MergedEvent | PullRequestCommit | PullRequestReview | ReadyForReviewEvent
  | RenamedTitleEvent | ReopenedEvent | ReviewRequestedEvent | ReviewRequestRemovedEvent | UnassignedEvent | UnlabeledEvent
type IssueTimelineItemsConnection {
  nodes: [IssueTimelineItems] pageInfo: PageInfo! totalCount: Int! filteredCount: Int! updatedAt: DateTime!
}
type PullRequestTimelineItemsConnection {
  nodes: [PullRequestTimelineItems] pageInfo: PageInfo! totalCount: Int! filteredCount: Int! updatedAt: DateTime!
}

enum SearchType { ISSUE REPOSITORY USER }
union SearchResultItem = Issue | PullRequest | Repository | User
type SearchResultItemConnection { edges: [SearchResultItemEdge] nodes: [SearchResultItem] pageInfo: PageInfo! issueCount: Int! }
type SearchResultItemEdge { cursor: String! node: SearchResultItem }

type Query {
  viewer: User!
  rateLimit(dryRun: Boolean): RateLimit
  repository(owner: String!, name: String!, followRenames: Boolean): Repository
  user(login: String!): User
  organization(login: String!): Organization
  node(id: ID!): Node
  nodes(ids: [ID!]!): [Node]!
  search(query: String!, type: SearchType!, first: Int, last: Int, after: String, before: String): SearchResultItemConnection!
}

input AddCommentInput { clientMutationId: String subjectId: ID! body: String! }
type AddCommentPayload { clientMutationId: String commentEdge: IssueCommentEdge subject: Node }
input UpdateIssueCommentInput { clientMutationId: String id: ID! body: String! }
type UpdateIssueCommentPayload { clientMutationId: String issueComment: IssueComment }
input DeleteIssueCommentInput { clientMutationId: String id: ID! }
type DeleteIssueCommentPayload { clientMutationId: String }
input AddLabelsToLabelableInput { clientMutationId: String labelableId: ID! labelIds: [ID!]! }
type AddLabelsToLabelablePayload { clientMutationId: String labelable: Labelable }
input RemoveLabelsFromLabelableInput { clientMutationId: String labelableId: ID! labelIds: [ID!]! }
type RemoveLabelsFromLabelablePayload { clientMutationId: String labelable: Labelable }
input AddAssigneesToAssignableInput { clientMutationId: String assignableId: ID! assigneeIds: [ID!]! }
type AddAssigneesToAssignablePayload { clientMutationId: String assignable: Assignable }
input RemoveAssigneesFromAssignableInput { clientMutationId: String assignableId: ID! assigneeIds: [ID!]! }
type RemoveAssigneesFromAssignablePayload { clientMutationId: String assignable: Assignable }
input CreateLabelInput { clientMutationId: String repositoryId: ID! name: String! color: String! description: String }
type CreateLabelPayload { clientMutationId: String label: Label }
input MarkPullRequestReadyForReviewInput { clientMutationId: String pullRequestId: ID! }
type MarkPullRequestReadyForReviewPayload { clientMutationId: String pullRequest: PullRequest }
input ConvertPullRequestToDraftInput { clientMutationId: String pullRequestId: ID! }
type ConvertPullRequestToDraftPayload { clientMutationId: String pullRequest: PullRequest }
type Mutation {
  addComment(input: AddCommentInput!): AddCommentPayload
  updateIssueComment(input: UpdateIssueCommentInput!): UpdateIssueCommentPayload
  deleteIssueComment(input: DeleteIssueCommentInput!): DeleteIssueCommentPayload
  addLabelsToLabelable(input: AddLabelsToLabelableInput!): AddLabelsToLabelablePayload
  removeLabelsFromLabelable(input: RemoveLabelsFromLabelableInput!): RemoveLabelsFromLabelablePayload
  addAssigneesToAssignable(input: AddAssigneesToAssignableInput!): AddAssigneesToAssignablePayload
  removeAssigneesFromAssignable(input: RemoveAssigneesFromAssignableInput!): RemoveAssigneesFromAssignablePayload
  createLabel(input: CreateLabelInput!): CreateLabelPayload
  markPullRequestReadyForReview(input: MarkPullRequestReadyForReviewInput!): MarkPullRequestReadyForReviewPayload
  convertPullRequestToDraft(input: ConvertPullRequestToDraftInput!): ConvertPullRequestToDraftPayload
}
"""
