"""The policies in use: what has not changed is kept, and what does not work replaces nothing."""

from collections.abc import ItemsView
from dataclasses import replace

from tests.support.policies import VIEW, policy_object
from webhook.core.cluster import ClusterView
from webhook.core.policies import ClaimPolicy, PolicyResource
from webhook.core.policies_parse import parse_policy
from webhook.policy.book import PolicyBook, Shelf

RED = {"team": "red"}


def _view(**expressions: str) -> ClusterView:
    policies = {
        name: parse_policy(policy_object(name, validations=[{"expression": text}]))
        for name, text in expressions.items()
    }
    return replace(VIEW, policies=policies)


def test_fm_48_a_version_that_does_not_work_leaves_the_one_before_in_use() -> None:
    book = PolicyBook()
    before = book.of(_view(a="1 < 2")).policies
    shelf = book.of(_view(a="clam.x"))
    assert shelf.policies == before
    assert list(shelf.broken) == ["a"]
    assert shelf.kept == {"a"}
    assert "clam" in shelf.broken["a"][0].message


def test_a_thread_that_asks_for_other_policies_meanwhile_takes_nothing_away() -> None:
    book = PolicyBook()
    book.of(_view(a="1 < 2"))

    class Interrupted(dict[str, ClaimPolicy]):
        def items(self) -> ItemsView[str, ClaimPolicy]:  # type: ignore[override]  # what a dict has, less exactly
            book.of(_view(b="1 < 2"))
            return super().items()

    shelf = book.of(replace(VIEW, policies=Interrupted(_view(a="clam.x").policies)))
    assert shelf.kept == {"a"}


def test_the_next_version_that_works_takes_over() -> None:
    book = PolicyBook()
    book.of(_view(a="1 < 2"))
    book.of(_view(a="clam.x"))
    shelf = book.of(_view(a="2 < 3"))
    [policy] = shelf.policies
    assert (policy.policy.validations[0].expression.text, shelf.broken, shelf.kept) == ("2 < 3", {}, frozenset())


def test_a_policy_that_never_worked_is_there_with_its_flaws() -> None:
    shelf = PolicyBook().of(_view(a="clam.x"))
    [policy] = shelf.policies
    assert not policy.works
    assert shelf.kept == frozenset()


def test_a_policy_that_is_gone_is_forgotten() -> None:
    book = PolicyBook()
    book.of(_view(a="1 < 2", b="2 < 3"))
    assert [policy.policy.name for policy in book.of(_view(b="2 < 3")).policies] == ["b"]
    assert not book.of(_view(a="clam.x")).kept


def test_a_view_with_the_same_policies_has_the_same_shelf() -> None:
    book, view = PolicyBook(), _view(a="1 < 2")
    assert book.of(view) is book.of(replace(view, namespaces={}))


def test_generations_are_those_of_the_versions_in_use() -> None:
    def generation(number: int, **expressions: str) -> ClusterView:
        view = _view(**expressions)
        policies = {name: replace(policy, generation=number) for name, policy in view.policies.items()}
        return replace(view, policies=policies)

    book = PolicyBook()
    assert book.of(generation(0, a="1 < 2")).generations == {}, "nobody counts the changes of a file"
    assert book.of(generation(3, b="1 < 2", a="1 < 2")).generations == {"a": 3, "b": 3}
    shelf = book.of(generation(4, b="clam.x", a="1 < 2"))
    assert shelf.generations == {"a": 4, "b": 3}
    assert shelf.generations_told(["b", "a", "b", "none"]) == {"policy-generations": "a=4, b=3"}
    assert shelf.generations_told(["none"]) == {}


def test_an_audit_annotation_of_generations_has_a_bounded_length() -> None:
    names = [f"{number:03}-{'n' * 200}" for number in range(64)]
    shelf = Shelf(generations=dict.fromkeys(names, 1))
    [told] = shelf.generations_told(names).values()
    assert told.startswith(f"{names[0]}=1, {names[1]}=1, ")
    assert told.endswith(", and 60 more")
    assert len(told) < 1_100


def test_the_same_content_is_compiled_once() -> None:
    book = PolicyBook()
    [one] = book.of(_view(a="1 < 2")).policies
    [other] = PolicyBook().of(_view(a="1 < 2")).policies
    assert one is other


def test_which_policies_concern_a_place_follows_its_labels() -> None:
    spec = {"match": {"namespaceSelector": {"matchLabels": RED}, "resources": ["claims"]}}
    policy = parse_policy(policy_object("a", validations=[{"expression": "true"}], **spec))
    shelf = PolicyBook().of(replace(VIEW, policies={"a": policy}))
    assert shelf.concerning(PolicyResource.CLAIMS, "lab", RED) == shelf.policies
    assert shelf.concerning(PolicyResource.CLAIMS, "lab", {}) == ()
    assert shelf.concerning(PolicyResource.TEMPLATES, "lab", RED) == ()
    assert shelf.concerning(PolicyResource.CLAIMS, "", None) == shelf.policies
