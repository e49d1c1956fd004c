"""The words of policies: every variable and object type, with its type, what it says, and an example.

This is the one declaration: the environment in which policies are type-checked and the page
docs/reference/policy-language.md are made from it. Types are written as in `webhook/cel/environments`; a number in
braces is the largest size that is assumed when costs are estimated; on a claim that is larger, each step is counted.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Word:
    """A variable, or a field of an object. `optional`: it may be absent, and is asked for by `has()` then."""

    name: str
    type: str
    says: str
    example: str = ""
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Struct:
    """An object type and its fields."""

    name: str
    says: str
    words: tuple[Word, ...]


CLAIM: Final = "claim"
VARIABLES: Final = "variables"
PARAMS: Final = "params"
MOST_TEXT_OF_PARAMS: Final = 1024
"""The longest value of a ConfigMap that estimates of costs assume."""
REQUEST: Final = "drawbridge.Request"
_LABELS: Final = "map{64}(string{63}, string{63})"
_ANNOTATIONS: Final = "map{64}(string{63}, string{1024})"
_DIMENSIONS: Final = "map{32}(string{63}, kubernetes.Quantity{0})"

WORDS: Final = (
    Word("object", "dyn", "The object as received.", "object.metadata.name.startsWith('lab-')"),
    Word("oldObject", "dyn", "The object before an update; null for one that is new.", "oldObject == null"),
    Word("request", "kubernetes.AdmissionRequest", "Who asks for what.", "request.operation == 'CREATE'"),
    Word(
        "namespaceObject",
        "kubernetes.Namespace",
        "The namespace of the object; null for objects that have none.",
        "namespaceObject.metadata.labels[?'team'].orValue('') == 'training'",
    ),
    Word(
        CLAIM,
        "drawbridge.Claim",
        "The claim, or the claim that a template makes, or all claims of a pod: the same in every version of the API.",
        "claim.alternatives.all(a, a.deviceClassName != 'debug.example.com')",
    ),
    Word("pod", "drawbridge.Pod", "The pod that the object is, makes, or is made for.", "has(pod.owner)"),
    Word(
        "quotas",
        "map{64}(string{63}, drawbridge.Quota)",
        "The DeviceQuotas and ClusterDeviceQuotas of the namespace by their names; `quota('name')` is one of them.",
        "'team' in quotas",
    ),
    Word(
        "inventory",
        "drawbridge.Inventory",
        "The devices that the cluster has.",
        "'gpu.example.com' in inventory.drivers",
    ),
)

_USER: Final = Struct(
    "kubernetes.UserInfo",
    "Who asks.",
    (
        Word("username", "string{256}", "The name of the user.", "request.userInfo.username.startsWith('system:')"),
        Word("uid", "string{64}", "The user's uid, where there is one."),
        Word(
            "groups", "list{64}(string{128})", "The groups of the user.", "'system:masters' in request.userInfo.groups"
        ),
        Word("extra", "map{32}(string{63}, list{32}(string{256}))", "What the authenticator adds."),
    ),
)
_KIND: Final = Struct(
    "kubernetes.GroupVersionKind",
    "A kind.",
    (
        Word("group", "string{253}", "Its API group.", "request.kind.group == 'resource.k8s.io'"),
        Word("version", "string{63}", "Its version.", "request.requestKind.version == 'v1'"),
        Word("kind", "string{63}", "Its name.", "request.kind.kind == 'ResourceClaim'"),
    ),
)
_RESOURCE: Final = Struct(
    "kubernetes.GroupVersionResource",
    "A resource.",
    (
        Word("group", "string{253}", "Its API group."),
        Word("version", "string{63}", "Its version."),
        Word("resource", "string{63}", "Its plural name.", "request.resource.resource == 'resourceclaims'"),
    ),
)
_REQUEST: Final = Struct(
    "kubernetes.AdmissionRequest",
    "The request, as in ValidatingAdmissionPolicy.",
    (
        Word("kind", "kubernetes.GroupVersionKind", "The kind of the object as it is judged."),
        Word("resource", "kubernetes.GroupVersionResource", "The resource as it is judged."),
        Word("subResource", "string{63}", "The subresource, empty for the object itself."),
        Word("requestKind", "kubernetes.GroupVersionKind", "The kind as it was sent, before any conversion."),
        Word("name", "string{253}", "The object's name; empty while only a generateName is known."),
        Word("namespace", "string{63}", "The object's namespace.", "request.namespace in ['lab', 'playground']"),
        Word("operation", "string{7}", "CREATE or UPDATE."),
        Word("userInfo", "kubernetes.UserInfo", "Who asks."),
        Word("dryRun", "bool{1}", "Whether nothing will be stored.", "!request.dryRun"),
        Word("options", "dyn", "The options of the operation."),
    ),
)
_METADATA: Final = Struct(
    "kubernetes.NamespaceMetadata",
    "What is known of a namespace.",
    (
        Word("name", "string{63}", "Its name."),
        Word("labels", _LABELS, "Its labels.", "'team' in namespaceObject.metadata.labels"),
        Word("annotations", _ANNOTATIONS, "Its annotations."),
    ),
)
_NAMESPACE: Final = Struct(
    "kubernetes.Namespace", "A namespace.", (Word("metadata", "kubernetes.NamespaceMetadata", "Its metadata."),)
)

_ASKED: Final = (
    Word("deviceClassName", "string{253}", "The DeviceClass.", "ALTERNATIVE.deviceClassName == 'gpu.example.com'"),
    Word("count", "int{1}", "How many devices; 0 where all are asked for.", "ALTERNATIVE.count <= 4"),
    Word("all", "bool{1}", "Whether all matching devices are asked for (allocationMode All).", "!ALTERNATIVE.all"),
    Word("adminAccess", "bool{1}", "Whether devices in use by others are asked for.", "!ALTERNATIVE.adminAccess"),
    Word(
        "selectors",
        "list{8}(string{1024})",
        "The CEL selectors, as texts.",
        "size(ALTERNATIVE.selectors) > 0",
    ),
    Word(
        "capacity",
        _DIMENSIONS,
        "What is asked of each device, by the bare name of the capacity.",
        "'memory' in ALTERNATIVE.capacity && ALTERNATIVE.capacity['memory'].compareTo(quantity('10Gi')) <= 0",
    ),
    Word(
        "tolerations",
        "list{8}(drawbridge.Toleration)",
        "The device taints that are tolerated.",
        "ALTERNATIVE.tolerations.all(t, t.key != '')",
    ),
    Word(
        "drivers",
        "list{32}(string{63})",
        "The drivers whose devices the class accepts; absent where none is known.",
        "has(ALTERNATIVE.drivers) && 'gpu.example.com' in ALTERNATIVE.drivers",
        optional=True,
    ),
    Word(
        "configs",
        "list{8}(drawbridge.Config)",
        "The claim's configurations that apply.",
        "ALTERNATIVE.configs.all(c, c.kind != 'GpuConfig')",
    ),
)


def _asked(variable: str, *, optional: bool) -> tuple[Word, ...]:
    return tuple(
        Word(word.name, word.type, word.says, word.example.replace("ALTERNATIVE", variable), word.optional or optional)
        for word in _ASKED
    )


_ALTERNATIVE: Final = Struct(
    "drawbridge.Alternative",
    "One way to serve a request: its `exactly`, or one entry of its `firstAvailable`.",
    (
        Word("name", "string{127}", "The name of the request, or `request/subrequest`."),
        Word("request", "string{63}", "The name of the request."),
        *_asked("claim.alternatives[0]", optional=False),
    ),
)
_DEVICE_REQUEST: Final = Struct(
    REQUEST,
    "A request of a claim. The fields of its only alternative are its own as well; one with `firstAvailable` has them "
    "in its alternatives alone.",
    (
        Word("name", "string{63}", "Its name.", "claim.requests.all(r, r.name != 'gpu')"),
        Word("podClaim", "string{63}", "The name of the claim in the pod; empty where the object is no pod."),
        Word(
            "alternatives",
            "list{8}(drawbridge.Alternative)",
            "The ways to serve it; one without `firstAvailable`.",
            "claim.requests.all(r, size(r.alternatives) <= 3)",
        ),
        *_asked("claim.requests[0]", optional=True),
    ),
)
_TOLERATION: Final = Struct(
    "drawbridge.Toleration",
    "A toleration of device taints.",
    (
        Word("key", "string{317}", "The key of the taint; empty for every taint."),
        Word("operator", "string{6}", "Exists or Equal."),
        Word("value", "string{63}", "The value, with Equal."),
        Word("effect", "string{10}", "NoSchedule or NoExecute; empty for both."),
    ),
)
_CONFIG: Final = Struct(
    "drawbridge.Config",
    "A driver's configuration.",
    (
        Word(
            "driver", "string{63}", "The driver that it is for.", "claim.configs.all(c, c.driver == 'gpu.example.com')"
        ),
        Word("requests", "list{32}(string{63})", "The requests that it is for; none for all."),
        Word("apiVersion", "string{317}", "The version of the parameters."),
        Word("kind", "string{63}", "The kind of the parameters."),
        Word(
            "parameters",
            "dyn",
            "The parameters as they are written.",
            "claim.configs.all(c, c.parameters.?sharing.strategy.orValue('') != 'TimeSlicing')",
        ),
    ),
)
_CONSTRAINT: Final = Struct(
    "drawbridge.Constraint",
    "What devices must have in common, or not.",
    (
        Word("requests", "list{32}(string{63})", "The requests that it is for; none for all."),
        Word(
            "matchAttribute",
            "string{128}",
            "The attribute that must be the same.",
            "claim.constraints.all(c, c.matchAttribute != '')",
        ),
        Word("distinctAttribute", "string{128}", "The attribute that must differ."),
    ),
)
_WORST: Final = Struct(
    "drawbridge.Worst",
    "The most that the claim can take: what a DeviceQuota would charge, admin access included.",
    (
        Word("devices", "int{1}", "How many devices.", "claim.worst.devices <= 8"),
        Word(
            "capacity",
            _DIMENSIONS,
            "How much of each capacity, by its bare name; one that nothing bounds is absent.",
            "claim.worst.capacity[?'memory'].optMap(m, m.compareTo(quantity('160Gi')) <= 0).orValue(true)",
        ),
    ),
)
_MATCHING: Final = Struct(
    "drawbridge.Matching",
    "What matches today.",
    (
        Word(
            "devices",
            "int{1}",
            "How many devices match a request.",
            "!has(claim.matching) || claim.matching.devices > 0",
        ),
        Word(
            "nodes",
            "int{1}",
            "How many nodes reach enough of them for each request.",
            "!has(claim.matching) || claim.matching.nodes > 1",
        ),
    ),
)
_FINDING: Final = Struct(
    "drawbridge.Finding",
    "What a built-in rule said.",
    (
        Word("rule", "string{63}", "The rule.", "!claim.findings.exists(f, f.rule == 'selector-no-match')"),
        Word("severity", "string{4}", "deny, warn or info.", "claim.findings.all(f, f.severity != 'warn')"),
        Word("field", "string{253}", "The place."),
        Word("message", "string{512}", "The problem."),
    ),
)
_CLAIM: Final = Struct(
    "drawbridge.Claim",
    "A claim in words that are the same in v1, v1beta2 and v1beta1, in templates, pods and workloads.",
    (
        Word("requests", "list{32}(drawbridge.Request)", "Its requests.", "size(claim.requests) <= 4"),
        Word(
            "alternatives",
            "list{64}(drawbridge.Alternative)",
            "All ways to serve all requests: what holds for each of them holds for the claim.",
            "claim.alternatives.all(a, !a.adminAccess)",
        ),
        Word("constraints", "list{8}(drawbridge.Constraint)", "Its constraints.", "size(claim.constraints) > 0"),
        Word("configs", "list{8}(drawbridge.Config)", "Its configurations for drivers.", "size(claim.configs) == 0"),
        Word(
            "migProfiles",
            "list{16}(string{32})",
            "The MIG profiles that its selectors ask for; none where they leave it open.",
            "claim.migProfiles.all(p, p in ['1g.10gb', '2g.20gb'])",
        ),
        Word("worst", "drawbridge.Worst", "The most that it can take."),
        Word(
            "matching", "drawbridge.Matching", "What matches today; absent where no devices are known.", optional=True
        ),
        Word("findings", "list{32}(drawbridge.Finding)", "What the built-in rules said of the object."),
        Word("fromTemplate", "bool{1}", "Whether it is, or is made from, a template.", "claim.fromTemplate"),
        Word(
            "missing",
            "list{64}(string{63})",
            "The claims of a pod whose claim or template is not known: the other words say nothing of them.",
            "size(claim.missing) == 0",
        ),
    ),
)
_OWNER: Final = Struct(
    "drawbridge.Owner",
    "A workload.",
    (
        Word("apiVersion", "string{317}", "Its version."),
        Word("kind", "string{63}", "Its kind.", "!has(pod.owner) || pod.owner.kind != 'Job'"),
        Word("name", "string{253}", "Its name; empty while only a generateName is known."),
    ),
)
_POD: Final = Struct(
    "drawbridge.Pod",
    "The pod that the object is or makes, or that the claim is made for; all fields are absent where there is none.",
    (
        Word("name", "string{253}", "Its name.", "has(pod.name)", optional=True),
        Word("labels", _LABELS, "Its labels.", "has(pod.labels) && 'app' in pod.labels", optional=True),
        Word("serviceAccountName", "string{253}", "Its service account.", optional=True),
        Word("replicas", "int{1}", "How many such pods there are at a time, at least.", optional=True),
        Word("owner", "drawbridge.Owner", "The workload that makes it; absent where none is known.", optional=True),
    ),
)
_QUOTA: Final = Struct(
    "drawbridge.Quota",
    "A quota, by the names of its limits.",
    (
        Word(
            "used",
            _DIMENSIONS,
            "What is taken, reservations included.",
            "!('team' in quotas) || quota('team').used['gpus'].isLessThan(quota('team').hard['gpus'])",
        ),
        Word("hard", _DIMENSIONS, "The limits."),
    ),
)
_INVENTORY: Final = Struct(
    "drawbridge.Inventory",
    "The devices that the cluster publishes.",
    (
        Word("drivers", "list{64}(string{63})", "The drivers that publish devices."),
        Word(
            "byDriver",
            "map{64}(string{63}, list{10000}(drawbridge.Device))",
            "The devices by their driver; `inventory.devices('driver')` are those of one, none of an unknown one.",
            "inventory.devices('gpu.example.com').exists(d, d.node == 'node-1')",
        ),
    ),
)
_DEVICE: Final = Struct(
    "drawbridge.Device",
    "A device, as selectors see it, and where it is.",
    (
        Word("driver", "string{63}", "Its driver."),
        Word("pool", "string{253}", "Its pool."),
        Word("name", "string{63}", "Its name."),
        Word("node", "string{253}", "Its node; empty for one that several nodes reach."),
        Word("attributes", "map{32}(string{63}, map{32}(string{32}, dyn{64}))", "Its attributes by domain and name."),
        Word("capacity", "map{32}(string{63}, map{32}(string{32}, kubernetes.Quantity{0}))", "Its capacities."),
        Word("allowMultipleAllocations", "bool{1}", "Whether it can be shared."),
    ),
)

STRUCTS: Final = (
    _CLAIM,
    _DEVICE_REQUEST,
    _ALTERNATIVE,
    _TOLERATION,
    _CONFIG,
    _CONSTRAINT,
    _WORST,
    _MATCHING,
    _FINDING,
    _POD,
    _OWNER,
    _QUOTA,
    _INVENTORY,
    _DEVICE,
    _REQUEST,
    _USER,
    _KIND,
    _RESOURCE,
    _NAMESPACE,
    _METADATA,
)
_PARAMS_METADATA: Final = Struct(
    "drawbridge.ParamsMetadata",
    "What is known of the parameters' object.",
    (
        Word("name", "string{253}", "Its name."),
        Word("namespace", "string{63}", "Its namespace."),
        Word("labels", _LABELS, "Its labels.", optional=True),
        Word("annotations", _ANNOTATIONS, "Its annotations.", optional=True),
    ),
)
CONFIG_MAP_PARAMS: Final = (
    Struct(
        "drawbridge.ConfigMapParams",
        "A ConfigMap as parameters.",
        (
            Word("apiVersion", "string{63}", "v1."),
            Word("kind", "string{63}", "ConfigMap."),
            Word("metadata", "drawbridge.ParamsMetadata", "Its metadata."),
            Word(
                "data",
                "map{64}(string{253}, string{1024})",
                "Its data; absent where it has none.",
                "int(params.?data[?'maxDevices'].orValue('4')) > 0",
            ),
            Word("binaryData", "map{64}(string{253}, string{1024})", "Its binary data.", optional=True),
        ),
    ),
    _PARAMS_METADATA,
)
OWN_PARAMS: Final = (
    Struct(
        "drawbridge.Params",
        "A ClaimPolicyParameters object.",
        (
            Word("apiVersion", "string{63}", "drawbridge.dev/v1alpha1."),
            Word("kind", "string{63}", "ClaimPolicyParameters."),
            Word("metadata", "drawbridge.ParamsMetadata", "Its metadata."),
            Word("spec", "dyn", "What it says.", "claim.worst.devices <= params.spec.maxDevices"),
        ),
    ),
    _PARAMS_METADATA,
)


def declarations(variables: tuple[Word, ...], structs: tuple[Struct, ...]) -> Iterator[str]:
    """Yield the lines of an environment's declaration."""
    for word in variables:
        yield f"variable {word.name} {word.type}"
    for struct in structs:
        for word in struct.words:
            yield f"field {struct.name} {word.name} {word.type}"


OPTIONAL_FIELDS: Final[Mapping[str, frozenset[str]]] = {
    struct.name: frozenset(word.name for word in struct.words if word.optional)
    for struct in (*STRUCTS, *CONFIG_MAP_PARAMS)
}
"""By object type, the fields that may be absent."""
