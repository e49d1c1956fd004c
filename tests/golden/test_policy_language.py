"""docs/reference/policy-language.md is made from the declarations of the words; `--update-golden` writes it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from webhook.cel.compile import MOST_COST, Verdict, compile_selector
from webhook.core.policies import CONFIG_MAP, PARAMETER_LABEL, PARAMETERS, ParamKind
from webhook.core.policies_parse import MOST_ENTRIES, SPEC_FIELDS, parse_policy
from webhook.policy.compile import MOST_CHARACTERS, MOST_POLICY_COST, compile_policy
from webhook.policy.environment import ASSUMED, giving_bool, policy_environment
from webhook.policy.judge import ENDING_DAYS
from webhook.policy.vocabulary import CONFIG_MAP_PARAMS, OWN_PARAMS, STRUCTS, WORDS, Struct, Word

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "policy-language.md"
OWN = ParamKind("drawbridge.dev/v1alpha1", PARAMETERS)
MAP = ParamKind("v1", CONFIG_MAP)
HEAD = f"""# The language of policies

<!-- Generated from webhook/policy/vocabulary.py: `pytest tests/golden/test_policy_language.py --update-golden` -->

A ClaimPolicy has the fields of a ValidatingAdmissionPolicy, with the same names for the same things, and what a binding
has beside it. Expressions are Kubernetes CEL with the
[functions of selectors](cel.md#operators-functions-and-methods), the Kubernetes libraries included; `authorizer` is not
there.

```yaml
apiVersion: drawbridge.dev/v1alpha1
kind: ClaimPolicy
metadata: {{name: few-devices}}
spec:
  match:                      # all must hold; absent is everything
    namespaceSelector: {{matchLabels: {{tier: lab}}}}
    objectSelector: {{}}
    resources: [claims, templates]      # also pods, workloads, deviceclasses
  mode: Deny                  # Deny | Warn | Audit
  percent: 25                 # of the namespaces, by a hash of their names; in the others the policy only records
  failurePolicy: Fail         # Fail | Ignore: where an expression ends in an error
  paramKind: {{apiVersion: v1, kind: ConfigMap}}
  paramRef: {{name: limits, parameterNotFoundAction: Deny}}    # in the claim's namespace, or in `namespace`
  matchConditions:
  - {{name: people, expression: "!request.userInfo.username.startsWith('system:')"}}
  variables:
  - {{name: most, expression: int(params.data.maxDevices)}}
  validations:
  - expression: claim.worst.devices <= variables.most
    messageExpression: "'at most ' + string(variables.most) + ' devices a claim, not ' + string(claim.worst.devices)"
    field: spec.devices.requests        # as in a ResourceClaim of v1; told where it stands in the object
    reason: Forbidden                   # Forbidden | Invalid | Unauthorized | RequestEntityTooLarge
  auditAnnotations:
  - {{key: devices, valueExpression: string(claim.worst.devices)}}
  defaults:                   # by /mutate/claims, where the claim says nothing itself
  - label: {{key: team, value: lab}}
  - toleration: {{key: example.com/lab, operator: Exists}}
  - capacity: {{name: memory, quantity: 10Gi}}     # for requests of shared devices that publish it
  exceptions:                 # all that is given must fit
  - {{namespaces: [lab-7], users: [], until: "2027-01-31", reason: moving, ticket: OPS-12}}
```

- Policies are judged after the built-in rules; all findings of all policies are in one answer.
- At workloads everything is at most a warning; a policy on `pods` is told there of the pods that will be made.
- An exception holds up to and including the day `until` (UTC). In its last {ENDING_DAYS} days users are warned of what
  will be refused.
- Labels are the users' to set: an exception by `claimSelector` alone is for whoever knows the label.
- ConfigMaps that are parameters have the label `{PARAMETER_LABEL}: "true"`; `{PARAMETERS}` needs none.
- An expression may cost {MOST_COST:,} units and a policy {MOST_POLICY_COST:,}, as in the API server. When a policy is
  written, lists of `object` are taken for {ASSUMED[0]} entries and texts for {ASSUMED[1]} characters. A policy has at
  most {MOST_ENTRIES} validations and variables, and {MOST_CHARACTERS:,} characters of expressions.
- A variable sees those before it, and is evaluated when it is first read.

## Variables

"""
TAIL = """
`variables.NAME` are the policy's own variables, each of the type of its expression.
"""


def words(listed: tuple[Word, ...]) -> Iterator[str]:
    yield "| name | type | what it is | for example |\n| --- | --- | --- | --- |\n"
    for word in listed:
        example = f"`{word.example}`".replace("|", "\\|") if word.example else ""
        absent = " May be absent." if word.optional and "absent" not in word.says else ""
        yield f"| `{word.name}` | {shown(word.type)} | {word.says}{absent} | {example} |\n"


def shown(type_: str) -> str:
    """Return a type without the sizes that are assumed, and its package."""
    bare = "".join(part.partition("}")[2] if "}" in part else part for part in type_.split("{"))
    return bare.replace("drawbridge.", "").replace("kubernetes.", "")


def page() -> str:
    parts = [HEAD, *words(WORDS), TAIL]
    params = (CONFIG_MAP_PARAMS[0], *OWN_PARAMS)
    for struct in (*STRUCTS, *params):
        parts += [f"\n## {shown(struct.name)}\n\n{struct.says}\n\n", *words(struct.words)]
    return "".join(parts)


def test_the_page_says_what_is_declared(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update-golden"):
        PAGE.write_text(page())
    else:
        assert PAGE.read_text() == page()


def test_the_policy_on_the_page_is_whole_and_compiles() -> None:
    [written] = re.findall(r"^```yaml\n(.*?)^```$", HEAD, re.MULTILINE | re.DOTALL)
    policy = parse_policy(yaml.safe_load(written))
    assert compile_policy(policy).flaws == ()
    assert policy.exceptions
    assert set(yaml.safe_load(written)["spec"]) == set(SPEC_FIELDS)


def _all() -> Iterator[tuple[ParamKind | None, str]]:
    for word in (*WORDS, *(word for struct in STRUCTS for word in struct.words)):
        if word.example:
            yield None, word.example
    for kind, structs in ((MAP, CONFIG_MAP_PARAMS), (OWN, OWN_PARAMS)):
        for struct in structs:
            yield from ((kind, word.example) for word in struct.words if word.example)


@pytest.mark.parametrize(("kind", "example"), sorted(set(_all()), key=str))
def test_each_example_compiles(kind: ParamKind | None, example: str) -> None:
    compiled = compile_selector(example, giving_bool(policy_environment("1.37", kind)))
    assert compiled.verdict is Verdict.OK, compiled.error


@pytest.mark.parametrize("struct", [*STRUCTS, *CONFIG_MAP_PARAMS, *OWN_PARAMS], ids=lambda struct: struct.name)
def test_each_field_is_declared_with_its_meaning(struct: Struct) -> None:
    declared = policy_environment("1.37", OWN if struct in OWN_PARAMS else MAP).structs[struct.name]
    assert {word.name for word in struct.words} == set(declared)
    assert all(word.says.endswith(".") for word in struct.words)
