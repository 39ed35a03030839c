"""Tokens, permissions, conditional requests, rate limits, renamed repositories."""

from __future__ import annotations

from tests.simulator.conftest import REPO


def test_a_bad_token_is_401_and_says_so(street):
    answer = street.api("ghp_wrong").get("/user")
    assert (answer.status_code, answer.json()["message"]) == (401, "Bad credentials")
    token = street.scene.add_token("bot")
    street.scene.revoke_token(token)
    assert street.api(token).get("/user").status_code == 401


def test_classic_tokens_name_their_scopes_and_fine_grained_ones_do_not(street):
    classic = street.api(street.scene.add_token("bot", "repo", "notifications")).get("/user")
    assert classic.headers["X-OAuth-Scopes"] == "repo, notifications"
    token = street.scene.add_fine_grained_token("bot")
    assert token.startswith("github_pat_")
    assert "X-OAuth-Scopes" not in street.api(token).get("/user").headers


def test_fine_grained_and_app_tokens_get_neither_inbox_nor_all_issues(street):
    street.scene.add_app("ci")
    for token in (street.scene.add_fine_grained_token("bot"), street.scene.add_app_token("ci")):
        api = street.api(token)
        assert [api.get(path).status_code for path in ("/notifications", "/issues?filter=all")] == [403, 403]
        assert api("PUT", "/notifications", {}).status_code == 403


def test_the_inbox_wants_a_scope(street):
    assert street.api(street.scene.add_token("bot", "public_repo")).get("/notifications").status_code == 403


def test_a_private_repository_does_not_exist_for_strangers_and_narrow_tokens(street):
    street.scene.add_repo("alice/secret", collaborators={"bot": "write"}, private=True)
    assert street.as_user("mallory").get("/repos/alice/secret").status_code == 404
    assert (
        street.api(street.scene.add_token("bot", "public_repo")).get("/repos/alice/secret").status_code == 404
    )
    elsewhere = street.api(street.scene.add_fine_grained_token("bot", only=(REPO,)))
    assert elsewhere.get("/repos/alice/secret").status_code == 404
    assert street.as_user("bot").get("/repos/alice/secret").json()["permissions"]["push"] is True


def test_writing_without_the_scope_is_404_and_without_the_permission_403(street, alice):
    alice.open_issue(REPO, "Bug")
    path = f"/repos/{REPO}/issues/1/comments"
    assert (
        street.api(street.scene.add_token("bot", "notifications")).post(path, {"body": "x"}).status_code
        == 404
    )
    reader = street.scene.add_fine_grained_token("bot", {"issues": "read", "metadata": "read"})
    assert street.api(reader).post(path, {"body": "x"}).status_code == 403


def test_permission_levels_are_told_in_the_old_words_and_the_new(street, alice, api):
    street.scene.add_user("tina")
    alice.invite(REPO, "tina", "triage")
    told = {
        login: api.get(f"/repos/{REPO}/collaborators/{login}/permission").json()
        for login in ("alice", "bot", "tina", "mallory")
    }
    assert {login: (shown["permission"], shown["role_name"]) for login, shown in told.items()} == {
        "alice": ("admin", "admin"),
        "bot": ("write", "write"),
        "tina": ("read", "triage"),
        "mallory": ("read", "read"),
    }
    assert street.as_user("mallory").get(f"/repos/{REPO}/collaborators/bot/permission").status_code == 403


def test_team_membership_needs_read_org(street):
    street.scene.add_org("acme", teams={"core": ("alice",)})
    path = "/orgs/acme/teams/core/memberships/"
    api = street.as_user("bot")
    assert [api.get(path + login).status_code for login in ("alice", "mallory")] == [200, 404]
    assert street.api(street.scene.add_token("bot", "public_repo")).get(path + "alice").status_code == 404


def test_an_unchanged_list_answers_304_free_of_the_limit(alice, api):
    path = "/issues?filter=all&since=2027-01-01T00:00:00Z"
    first = api.get(path)
    assert first.json() == []
    again = api.get(path, If_None_Match=first.headers["ETag"])
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["X-RateLimit-Used"] == first.headers["X-RateLimit-Used"] == "1"
    alice.open_issue(REPO, "Bug")
    assert api.get("/issues?filter=all", If_None_Match=first.headers["ETag"]).status_code == 200


def test_an_etag_belongs_to_its_token(street, api):
    path = f"/repos/{REPO}"
    etag = api.get(path).headers["ETag"]
    assert api.get(path, If_None_Match=etag).status_code == 304
    assert street.as_user("bot").get(path, If_None_Match=etag).status_code == 200


def test_a_star_changes_the_etag_of_the_issue_list(street, alice, api):
    alice.open_issue(REPO, "Bug")
    etag = api.get("/issues?filter=all").headers["ETag"]
    street.scene.world.repo(REPO).stars += 1
    assert api.get("/issues?filter=all", If_None_Match=etag).status_code == 200


def test_the_limit_belongs_to_the_user_and_ends_with_its_window(street, api, clock):
    street.box.settings.core_limit = 3
    other_token = street.as_user("bot")
    assert [api.get("/user").status_code, other_token.get("/user").status_code] == [200, 200]
    assert api.get("/user").headers["X-RateLimit-Remaining"] == "0"
    refused = other_token.get("/user")
    assert (refused.status_code, refused.headers["X-RateLimit-Remaining"]) == (403, "0")
    assert "API rate limit exceeded" in refused.json()["message"]
    assert int(refused.headers["X-RateLimit-Reset"]) == int(clock().timestamp()) + 3600
    assert api.get("/rate_limit").json()["resources"]["core"]["remaining"] == 0
    assert street.as_user("alice").get("/user").status_code == 200
    clock.advance(3601)
    assert api.get("/user").status_code == 200


def test_a_renamed_repository_redirects_301_and_307(street, alice, api):
    alice.open_issue(REPO, "Bug")
    repo_id = street.scene.world.repo(REPO).id
    alice.rename_repo(REPO, "store")
    moved = api.get(f"/repos/{REPO}/issues/1")
    assert (moved.status_code, moved.headers["Location"]) == (
        301,
        f"{street.box.url}/repositories/{repo_id}/issues/1",
    )
    posted = api.post(f"/repos/{REPO}/issues/1/comments", {"body": "x"})
    assert posted.status_code == 307
    assert street.scene.comments("alice/store", 1) == []
    assert api.get(f"/repositories/{repo_id}").json()["full_name"] == "alice/store"


def test_a_transferred_repository_keeps_its_number(street, alice, api):
    street.scene.add_org("acme")
    alice.transfer_repo(REPO, "acme")
    moved = api.get(f"/repos/{REPO}")
    assert moved.status_code == 301
    assert api.get(moved.headers["Location"]).json()["full_name"] == "acme/shop"


def test_an_archived_repository_is_read_only(alice, api):
    alice.open_issue(REPO, "Bug")
    alice.archive_repo(REPO)
    assert api.get(f"/repos/{REPO}").json()["archived"] is True
    assert api.post(f"/repos/{REPO}/issues/1/comments", {"body": "x"}).status_code == 403


def test_the_enterprise_prefix_is_the_same_forge(street, alice):
    alice.open_issue(REPO, "Bug")
    token = street.scene.add_token("bot")
    api = street.api(token)
    shown = api.get(f"{street.box.enterprise_url}/repos/{REPO}/issues/1").json()
    assert shown["url"] == f"{street.box.url}/api/v3/repos/{REPO}/issues/1"
    assert api.get(f"{street.box.enterprise_url}/meta").json()["installed_version"]
    answer = api("POST", f"{street.box.url}/api/graphql", {"query": "{viewer{login}}"})
    assert answer.json() == {"data": {"viewer": {"login": "bot"}}}


def test_the_log_tells_what_was_asked(street, api):
    with street.box.watching() as seen:
        api.get("/issues?filter=all", If_None_Match='W/"x"')
    (entry,) = seen
    assert entry.line == "GET /issues?filter=all -> 200"
    assert (entry.login, entry.user_agent, entry.conditional) == ("bot", "story", True)


def test_the_date_is_the_forges_own(api, clock):
    clock.advance(86_400)
    assert api.get("/user").headers["Date"] == "Mon, 02 Mar 2026 12:00:00 GMT"


def test_nonsense_is_refused_politely(api):
    assert api.get("/repos/alice/shop/nonsense").status_code == 404
    assert api("PATCH", "/user").status_code == 404
    broken = api.session.post(
        api.base + f"/repos/{REPO}/issues", b"{", headers={"Authorization": f"token {api.token}"}
    )
    assert broken.status_code == 400
    assert api.post(f"/repos/{REPO}/issues", {}).status_code == 422
    assert api.get(f"/repos/{REPO}/issues?since=yesterday").status_code == 422
