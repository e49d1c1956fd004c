"""The policies in use: what has not changed is kept, and what does not work replaces nothing."""

from dataclasses import replace

from tests.support.policies import VIEW, policy_object
from webhook.core.cluster import ClusterView
from webhook.core.policies import PolicyResource
from webhook.core.policies_parse import parse_policy
from webhook.policy.book import PolicyBook

RED = {"team": "red"}


def _view(**expressions: str) -> ClusterView:
    policies = {
        name: parse_policy(policy_object(name, validations=[{"expression": text}]))
        for name, text in expressions.items()
    }
    return replace(VIEW, policies=policies)


def test_a_version_that_does_not_work_leaves_the_one_before_in_use() -> None:
    book = PolicyBook()
    before = book.of(_view(a="1 < 2")).policies
    shelf = book.of(_view(a="clam.x"))
    assert shelf.policies == before
    assert list(shelf.broken) == ["a"]
    assert shelf.kept == {"a"}
    assert "clam" in shelf.broken["a"][0].message


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
