"""From a label to a pull request by an agent that reads the forge through its door, with the real token added outside."""

from pathlib import Path

from dispatcher.core.model import Stage
from tests.story.office import DONE, SHOP, opened

READS = """
import json, os, urllib.request
door = os.environ["DISPATCHER_FORGE_URL"]
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

def read(path):
    try:
        with opener.open(door + path, timeout=20) as answer:
            return answer.status, json.load(answer), answer.headers.get("link") or ""
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), ""

print("TITLE", read("/repos/acme/shop/issues/%(number)d")[1]["title"])
print("NAME", read("/repos/ACME/Shop")[1]["full_name"])
print("LINK", read("/repos/acme/shop/issues?per_page=1&state=all")[2].replace(door, "DOOR"))
print("OTHER", read("/repos/acme/till/issues/1")[0], "USER", read("/user")[0])
print("TOKEN", %(token)r in str(os.environ))
"""


def test_an_agent_reads_its_own_repository_and_nothing_else(tmp_path: Path) -> None:
    with opened(tmp_path, rules={"forge_proxy": True}, repos=(SHOP, "acme/till")) as office:
        office.opens("another one")
        number = office.opens("total() is wrong")
        reads = READS % {"number": number, "token": office.token}
        office.worker([
            {"run": ["{python}", "-c", reads]},
            {"append": "shop.py", "text": "# read\n"},
            {"commit": "Read"},
            DONE,
        ])  # fmt: skip
        office.labels(number)
        office.settle()
        assert office.stage(number) is Stage.MERGE_READY
        worker, *_ = office.run_ids()
        folder = office.engine.desk.runs.folder(worker)
        log, net = (folder / "agent.log").read_text(), (folder / "net.log").read_text()
        repo_id = office.task(number).key.repo_id
    assert "TITLE total() is wrong" in log
    assert "NAME acme/shop" in log
    assert f"LINK <DOOR/repositories/{repo_id}/issues?" in log
    assert "OTHER 403 USER 403" in log
    assert "TOKEN False" in log
    assert f"forge GET /repositories/{repo_id}/issues/{number}: 200" in net
    assert net.count("refused (403)") == 2
    assert office.token not in log + net
    assert "GET $DISPATCHER_FORGE_URL/repos/acme/shop/..." in (folder / "prompt.md").read_text()
