"""What each of our service accounts may do, against what `deploy/` gives it: roles and bindings of both kinds."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from webhook.core.raw import RawObject
from webhook.doctor.diagnosis import Diagnosis, Fix, Severity, Subject, patch_command, subject_of, unchecked
from webhook.doctor.facts import Facts, Found, Keeper, Shipped, Unseen
from webhook.doctor.remedies import reinstall

RBAC = "rbac.authorization.k8s.io/v1"
RoleKey = tuple[str, str, str]
_ALL = "*"
_PATH = "path"
_MOST_VERBS = 3
_MOST_LETTERS = 80


@dataclass(frozen=True, slots=True)
class Right:
    """One verb on one resource; `scope` is a namespace, "" everywhere; `name` one object's, "" any.

    A path such as `/metrics` is a resource of the group "path".
    """

    scope: str
    group: str
    resource: str
    name: str
    verb: str

    def includes(self, other: "Right") -> bool:
        """Return whether who has this may do the other (in rbac.authorization.k8s.io `*` stands for all)."""
        return (
            self.scope in ("", other.scope)
            and (self.group == other.group or (self.group == _ALL and other.group != _PATH))
            and _is_within(other.resource, self.resource)
            and self.name in ("", other.name)
            and self.verb in (_ALL, other.verb)
        )


@dataclass(frozen=True, slots=True)
class Grant:
    """A right, and the role and the binding that give it."""

    right: Right
    role: RoleKey
    binding: Subject


def rights(facts: Facts) -> Iterator[Diagnosis]:
    """Yield, for each service account, what it lacks and what it has too much of."""
    if isinstance(facts.bindings, Unseen):
        yield unchecked("rights", facts.bindings.why, "role bindings cannot be read")
        return
    shipped = _Granting(facts, facts.shipped.rights)
    live = _Granting(facts, facts.bindings)
    ours = facts.place.keeper is Keeper.OURS
    for account in accounts_of_shipped(facts.shipped):
        if not ours and account == f"{facts.place.name}-certs":
            continue
        subject = Subject("v1", "ServiceAccount", account, facts.place.namespace)
        found = facts.accounts.get(account)
        if isinstance(found, Unseen):
            yield unchecked("rights", found.why, f"{subject} cannot be read")
        elif found is None:
            yield Diagnosis(
                "account-missing", Severity.ERROR, f"there is no {subject}", subject, reinstall(facts.place)
            )
            continue
        hidden = [role for role in live.roles_of(account) if isinstance(facts.roles.get(role), Unseen)]
        if hidden:
            unseen = facts.roles[hidden[0]]
            why = unseen.why if isinstance(unseen, Unseen) else ""
            yield unchecked("rights", why, f"{hidden[0][0]} '{hidden[0][2]}' of {subject} cannot be read")
            continue
        wanted, had = list(shipped.grants(account)), list(live.grants(account, with_groups=True))
        yield from _lacking(facts, subject, wanted, had)
        yield from _too_much(facts, subject, wanted, list(live.grants(account)))


def accounts_of_shipped(shipped: Shipped) -> Sequence[str]:
    """Return the names of our service accounts, that of who makes certificates among them."""
    return [str(raw["metadata"]["name"]) for raw in shipped.rights if raw["kind"] == "ServiceAccount"]


def bound_roles(bindings: Iterable[RawObject], namespace: str, accounts: Iterable[str]) -> Iterator[RoleKey]:
    """Yield the roles that bindings give to the accounts of a namespace, or to groups that they belong to."""
    names = tuple(accounts)
    for binding in bindings:
        if any(_binds(binding, namespace, account, with_groups=True) for account in names):
            yield _role_of(binding)


def _lacking(facts: Facts, subject: Subject, wanted: list[Grant], had: list[Grant]) -> Iterator[Diagnosis]:
    lacking: dict[tuple[RoleKey, str], list[Right]] = {}
    for grant in wanted:
        if not any(other.right.includes(grant.right) for other in had):
            lacking.setdefault((grant.role, str(grant.binding)), []).append(grant.right)
    bound = {(grant.role, str(grant.binding)) for grant in had}
    for (role, binding), missing in lacking.items():
        kind, namespace, name = role
        told = f"{subject} may not {_told(missing)}"
        fix = reinstall(facts.place)
        if (role, binding) in bound and isinstance(facts.roles.get(role), dict):
            added = [{"op": "add", "path": "/rules/-", "value": rule} for rule in _rules(missing)]
            command = patch_command(kind.lower(), name, added, namespace)
            fix = Fix(f"give it to the {kind} '{name}'", command)
        yield Diagnosis("rights-missing", Severity.ERROR, told, Subject(RBAC, kind, name, namespace), fix)


def _too_much(facts: Facts, subject: Subject, wanted: list[Grant], had: list[Grant]) -> Iterator[Diagnosis]:
    excess: dict[tuple[RoleKey, Subject], list[Right]] = {}
    for grant in had:
        if not any(other.right.includes(grant.right) for other in wanted):
            excess.setdefault((grant.role, grant.binding), []).append(grant.right)
    ours = {(grant.role, str(grant.binding)) for grant in wanted}
    for (role, binding), rights_ in excess.items():
        told = f"{subject} may {_told(rights_)} without need, by {binding}"
        fix = reinstall(facts.place)
        if (role, str(binding)) not in ours:
            place = f" -n {binding.namespace}" if binding.namespace else ""
            fix = Fix(
                "take the account out of the binding's subjects",
                f"kubectl edit {binding.kind.lower()} {binding.name}{place}",
            )
        yield Diagnosis("rights-excess", Severity.WARNING, told, binding, fix)


class _Granting:
    """Who is given what by bindings, and by the roles that are there: shipped ones beside each other, or the live."""

    def __init__(self, facts: Facts, objects: Iterable[RawObject]) -> None:
        self._namespace = facts.place.namespace
        listed = tuple(objects)
        self._bindings = [raw for raw in listed if str(raw.get("kind")).endswith("Binding")]
        shipped = {_key(raw): raw for raw in listed if raw.get("kind") in ("Role", "ClusterRole")}
        self._roles: Mapping[RoleKey, Found] = shipped or facts.roles

    def roles_of(self, account: str) -> Iterator[RoleKey]:
        return bound_roles(self._bindings, self._namespace, [account])

    def grants(self, account: str, *, with_groups: bool = False) -> Iterator[Grant]:
        """Yield what an account is given by its own name, and with groups also what it gets as one of many."""
        for binding in self._bindings:
            if not _binds(binding, self._namespace, account, with_groups=with_groups):
                continue
            key = _role_of(binding)
            role = self._roles.get(key)
            by = subject_of(binding, RBAC, str(binding["kind"]))
            for rule in (role.get("rules") or ()) if isinstance(role, dict) else ():
                yield from (Grant(right, key, by) for right in _rights_of(rule, by.namespace))


def _key(raw: RawObject) -> RoleKey:
    subject = subject_of(raw, RBAC, str(raw["kind"]))
    return subject.kind, subject.namespace, subject.name


def _role_of(binding: RawObject) -> RoleKey:
    reference = binding.get("roleRef") or {}
    kind = str(reference.get("kind"))
    namespace = str(binding["metadata"].get("namespace") or "") if kind == "Role" else ""
    return kind, namespace, str(reference.get("name"))


def _binds(binding: RawObject, namespace: str, account: str, *, with_groups: bool) -> bool:
    groups = ("system:authenticated", "system:serviceaccounts", f"system:serviceaccounts:{namespace}")
    for one in binding.get("subjects") or ():
        kind, name = one.get("kind"), one.get("name")
        if (kind, name, one.get("namespace")) == ("ServiceAccount", account, namespace):
            return True
        if (kind, name) == ("User", f"system:serviceaccount:{namespace}:{account}"):
            return True
        if with_groups and kind == "Group" and name in groups:
            return True
    return False


def _rights_of(rule: RawObject, scope: str) -> Iterator[Right]:
    for verb in rule.get("verbs") or ():
        for path in rule.get("nonResourceURLs") or ():
            yield Right("", _PATH, path, "", verb)
        for group in rule.get("apiGroups") or ():
            for resource in rule.get("resources") or ():
                for name in rule.get("resourceNames") or ("",):
                    yield Right(scope, group, resource, name, verb)


def _is_within(resource: str, wider: str) -> bool:
    if wider in (_ALL, resource):
        return True
    if wider.startswith("*/"):
        return resource.endswith(wider[1:])
    return wider.endswith("/*") and resource.startswith(wider[:-1])


def _rules(missing: Iterable[Right]) -> list[RawObject]:
    """Return rules that give the rights, each verb of a resource once."""
    verbs: dict[tuple[str, str, str], list[str]] = {}
    for right in missing:
        verbs.setdefault((right.group, right.resource, right.name), []).append(right.verb)
    return [_rule(*key, sorted(set(each))) for key, each in verbs.items()]


def _rule(group: str, resource: str, name: str, verbs: list[str]) -> RawObject:
    if group == _PATH:
        return {"nonResourceURLs": [resource], "verbs": verbs}
    names = {"resourceNames": [name]} if name else {}
    return {"apiGroups": [group], "resources": [resource], **names, "verbs": verbs}


def _told(rights_: Sequence[Right]) -> str:
    """Return rights in words: verbs and what they are on; of many, or long ones, the first."""
    parts = []
    for rule in _rules(rights_):
        on = rule.get("nonResourceURLs") or rule["resources"]
        group = f".{rule['apiGroups'][0]}" if rule.get("apiGroups", [""])[0] else ""
        name = f" '{rule['resourceNames'][0]}'" if "resourceNames" in rule else ""
        verbs = "/".join(rule["verbs"][:_MOST_VERBS]) + ("/..." if len(rule["verbs"]) > _MOST_VERBS else "")
        parts.append(f"{verbs} {on[0]}{group}{name}")
    pair = "; ".join(parts[:2])
    told, more = (pair, len(parts) - 2) if len(pair) <= _MOST_LETTERS else (parts[0], len(parts) - 1)
    return f"{told}; and {more} more" if more > 0 else told
