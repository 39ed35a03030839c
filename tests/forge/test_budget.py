"""What a task costs in requests, from the label to merge-ready (polling and git not counted)."""

from dispatcher.core.model import Finding
from dispatcher.ports import ItemOrder, PullOrder, StageOrder

SHOP = "acme/shop"


class Lifecycle:
    """The calls that the engine makes for one task, in their order."""

    def __init__(self, office) -> None:
        self.office, self.forge = office, office.forge
        self.number = office.issue()
        self.branch = f"bot/{self.number}-mend"
        self.pull = 0
        self.comment: int | None = None
        self.runs = 0

    def works(self) -> None:
        """Claim the front, run, look again before the effects."""
        self.runs += 1
        order = self.office.claim_order(
            self.pull or self.number, run=f"run-{self.runs}", status_comment_id=self.comment
        )
        self.comment = self.forge.claim(order).status_comment_id
        self.office.clock.passes(60)
        self.office.look_at(self.number, self.pull or None)

    def pushes(self, text: str) -> None:
        self.office.bot.push(SHOP, self.branch, {"app.py": text}, base=None if self.pull else "main")

    def opens(self) -> None:
        order = PullOrder(SHOP, self.branch, "main", "Mend", f"Closes #{self.number}", "open-1")
        self.pull = self.forge.open_pull(order).number

    def shows(self, text: str, pull: ItemOrder, issue: ItemOrder | None = None) -> None:
        on = self.office.key(self.number)
        self.forge.show_stage(StageOrder(SHOP, issue, pull, text, on, self.comment))

    def order(self, add: set[str], remove: set[str], assign=(), unassign=()) -> ItemOrder:
        return ItemOrder(self.office.key(self.pull), frozenset(add), frozenset(remove), assign, unassign)

    def begins(self) -> None:
        person = self.office.look_at(self.number).issue.author
        self.forge.fetch_permission(self.office.repo, person)
        self.works()
        self.pushes("one\nTWO\nthree\n")
        self.opens()
        leave = ItemOrder(self.office.key(self.number), remove_labels=frozenset({"bot"}))
        self.shows("Waiting for a review.", self.order({"bot", "needs-review"}, set()), leave)

    def is_rejected_and_reworked(self) -> None:
        self.works()
        finding = Finding("why capitals?", "major", "app.py", 2)
        self.forge.post_review(self.office.review_order(self.pull, finding, key="review-1"))
        self.shows("To be reworked.", self.order({"needs-rework"}, {"needs-review"}, (), ("bot",)))
        self.works()
        self.pushes("one\ntwo!\nthree\n")
        self.shows("Waiting for a review.", self.order({"needs-review"}, {"needs-rework"}, (), ("bot",)))

    def is_approved(self) -> None:
        self.works()
        finding = Finding("fine", "nit", "app.py", 2)
        self.forge.post_review(self.office.review_order(self.pull, finding, key="review-2"))
        self.office.look_at(self.number, self.pull)
        ready = self.order({"merge-ready"}, {"bot", "needs-review"}, ("ann",), ("bot",))
        self.shows("Ready to merge.", ready)


def assert_merge_ready(office, life):
    assert office.box.scene.labels(SHOP, life.pull) == {"merge-ready"}
    assert office.box.scene.assignees(SHOP, life.pull) == ["ann"]
    assert len(office.bodies(life.number)) == 1
    assert office.bodies(life.pull) == []


def test_without_rework_at_most_twelve_requests(office):
    office.forge.fetch_identity()
    life = Lifecycle(office)
    with office.box.watching() as seen:
        life.begins()
        life.is_approved()
    assert_merge_ready(office, life)
    assert len(seen) <= 12


def test_with_one_rework_at_most_twenty_requests(office):
    office.forge.fetch_identity()
    life = Lifecycle(office)
    with office.box.watching() as seen:
        life.begins()
        life.is_rejected_and_reworked()
        life.is_approved()
    assert_merge_ready(office, life)
    assert len(office.box.scene.reviews(SHOP, life.pull)) == 2
    assert len(seen) <= 20
