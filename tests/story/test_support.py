"""`dispatcher support-bundle`: everything that a bug report needs, and no secret."""

import json
import tarfile

from tests.story.office import says

KEY = "sk-model-" + "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
PARTS = {"README.txt", "versions.json", "config.json", "doctor.json", "status.json", "tasks.json", "log.txt"}


def unpacked(file):
    with tarfile.open(file) as archive:
        return {
            entry.name.rpartition("/")[2]: archive.extractfile(entry).read().decode() for entry in archive
        }


def test_a_bundle_has_what_a_bug_report_needs_and_no_secret(office):
    office.worker(says("question", "Which colour?"))
    number = office.asks(title="A private title")
    office.settle()
    office.write_config('[agent.extra]\nargv = ["x"]', f'env = {{ MODEL_API_KEY = "{KEY}", NOTE = "plain" }}')
    log = office.root / office.state / "dispatcher.log"
    with log.open("a") as file:
        file.write(f'at=now msg="told {office.token} and {KEY} and ghp_{"a1B2c3D4" * 5}"\n')
    target = office.root / "bundle.tar.gz"

    assert "Look it through" in office.asked("support-bundle", str(target))
    bundle = unpacked(target)
    assert set(bundle) == PARTS
    whole = "\n".join(bundle.values())
    for secret in (office.token, KEY, "a1B2c3D4a1B2", "A private title", "Which colour?"):
        assert secret not in whole
    assert "[secret] and [secret] and [secret]" in bundle["log.txt"]
    assert json.loads(bundle["config.json"])["agent"]["extra"]["env"]["NOTE"] == "(not shown)"
    (task,) = json.loads(bundle["tasks.json"])["tasks"]
    assert (task["task"], task["stage"]) == (f"acme/shop#{number}", "blocked")
    assert "QuestionAsked" in {decision["event"] for decision in task["decisions"]}
    assert json.loads(bundle["versions.json"])["packages"]["transitions"]
    assert "token" in {finding["what"] for finding in json.loads(bundle["doctor.json"])}
    assert target.stat().st_mode & 0o777 == 0o600


def test_a_broken_set_up_is_packed_too_and_no_file_is_overwritten(office):
    office.write_config("no_such_key = 1")
    target = office.root / "bundle.tar.gz"
    assert "exit code 0" in office.asked("support-bundle", str(target))
    bundle = unpacked(target)
    assert "no_such_key" in bundle["config.json"]
    assert "no_such_key" in bundle["status.json"]
    before = target.read_bytes()
    said = office.asked("support-bundle", str(target))
    assert "is there already" in said
    assert said.endswith("exit code 2")
    assert target.read_bytes() == before
    assert "cannot be written" in office.asked("support-bundle", str(office.root / "no" / "folder.tar.gz"))
