"""Whether API servers believe what is served: every `caBundle`, each certificate, and how long they last."""

from collections.abc import Iterator, Mapping
from datetime import timedelta

from certs.plan import Validity
from webhook.doctor.diagnosis import Diagnosis, Fix, Severity, Subject, configuration_subject, unchecked
from webhook.doctor.facts import Bundle, Facts, Keeper, Place, Presented, Trust, Unseen
from webhook.doctor.remedies import renew, restart

_LEAST_LEFT = 0.25
"""The part of a certificate's life that must be left: whoever renews it does so when a third is."""
_ENOUGH = timedelta(days=30)
"""What is enough in any case of what others make: the CA of a company lasts for decades, and ends as planned."""


def certificates(facts: Facts) -> Iterator[Diagnosis]:
    """Yield what would make an API server refuse what is served, now or soon."""
    trust, place = facts.trust, facts.place
    yield from _endpoints(trust, place)
    yield from _unreadable(trust, place)
    seen = _seen(trust)
    yield from _mistrusted(trust, seen, place)
    for certificate in {one.fingerprint: one for one in seen}.values():
        what = f"the serving certificate of {certificate.where}"
        yield from _lasting(facts, what, certificate.validity, renew(place, ca=False))
        missing = [host for host in place.hosts if not _is_named(host, certificate.names)]
        if missing:
            told = f"{what} does not hold the name '{missing[0]}' by which API servers call it"
            yield Diagnosis("certificate-names", Severity.ERROR, told, None, renew(place, ca=False))
    for fingerprint, validity in _authorities(trust, seen).items():
        what = f"the CA {fingerprint[:16]} of the `caBundle`"
        yield from _lasting(facts, what, validity, renew(place, ca=True))


def _is_named(host: str, names: tuple[str, ...]) -> bool:
    """Return whether a certificate is for a host: `*` stands for the leftmost label (RFC 6125, 6.4.3)."""
    return bool({host, f"*.{host.partition('.')[2]}"} & {name.lower() for name in names})


def _endpoints(trust: Trust, place: Place) -> Iterator[Diagnosis]:
    subject = Subject("v1", "Service", place.name, place.namespace)
    if isinstance(trust.ready, Unseen):
        yield unchecked("endpoints", trust.ready.why, "the endpoints of the Service cannot be read")
        return
    if not trust.ready:
        told = f"{subject} has no ready endpoint: no API server can ask us"
        yield Diagnosis("no-endpoints", Severity.ERROR, told, subject, restart(place, ""))
    elif len(trust.silent) == len(trust.ready):
        told = f"none of {len(trust.ready)} endpoints answers from here, so that what they serve was not seen"
        if isinstance(trust.stored, Presented):
            told = f"{told}, but what is in {trust.stored.where}"
        yield Diagnosis("served-unchecked", Severity.INFO, told, subject)
    elif trust.silent:
        many = f"{len(trust.silent)} of {len(trust.ready)} endpoints that count as ready, '{trust.silent[0]}' first"
        told = f"{many}, do not answer from here, where others do"
        yield Diagnosis("endpoint-silent", Severity.WARNING, told, subject, restart(place, ""))


def _unreadable(trust: Trust, place: Place) -> Iterator[Diagnosis]:
    for plural, bundles in _by_configuration(trust).items():
        bad = [bundle for bundle in bundles if bundle.problem]
        if bad:
            told = f"the `caBundle` of {len(bad)} of {len(bundles)} webhooks cannot be used: {bad[0].problem}"
            yield _of_bundles("bundle-unreadable", told, plural, bad, place)


def _mistrusted(trust: Trust, seen: tuple[Presented, ...], place: Place) -> Iterator[Diagnosis]:
    for plural, bundles in _by_configuration(trust).items():
        for certificate in seen:
            readable = [bundle for bundle in bundles if not bundle.problem]
            bad = [bundle for bundle in readable if bundle.pem in certificate.refused]
            if bad:
                what = f"the serving certificate of {certificate.where}"
                told = f"the `caBundle` of {len(bad)} of {len(bundles)} webhooks does not verify {what}"
                yield _of_bundles("bundle-mismatch", told, plural, bad, place)
                break


def _of_bundles(name: str, told: str, plural: str, bad: list[Bundle], place: Place) -> Diagnosis:
    subject = configuration_subject(place, plural)
    return Diagnosis(name, Severity.ERROR, f"{subject}: {told}", subject, _give_the_ca(plural, bad, place))


def _give_the_ca(plural: str, bad: list[Bundle], place: Place) -> Fix:
    if place.keeper is Keeper.CERT_MANAGER:
        injector = "kubectl rollout restart deployment/cert-manager-cainjector -n cert-manager"
        return Fix("cert-manager's injector writes it; start it anew", injector)
    secret = f"{place.name}-tls"
    operations = ",".join(
        f'{{\\"op\\":\\"add\\",\\"path\\":\\"/webhooks/{bundle.index}/clientConfig/caBundle\\",\\"value\\":\\"$ca\\"}}'
        for bundle in bad
    )
    read = f"ca=$(kubectl get secret {secret} -n {place.namespace} -o 'jsonpath={{.data.ca\\.crt}}')"
    command = f'{read} && test -n "$ca" && kubectl patch {plural} {place.name} --type=json -p "[{operations}]"'
    itself = f", as `{place.name}-certs` does within ten seconds where it runs"
    ours = place.keeper is Keeper.OURS
    return Fix(f"write the CA of the Secret '{secret}' there{itself if ours else ''}", command)


def _lasting(facts: Facts, what: str, validity: Validity, fix: Fix) -> Iterator[Diagnosis]:
    begin, end, now = validity.not_before, validity.not_after, facts.now
    least = (end - begin) * _LEAST_LEFT
    if facts.place.keeper is not Keeper.OURS:
        least = min(least, _ENOUGH)
    if now < begin:
        told = f"{what} is not valid before {begin:%Y-%m-%d %H:%M}Z"
        yield Diagnosis("certificate-not-yet", Severity.ERROR, told, None, fix)
    elif now >= end:
        told = f"{what} has expired at {end:%Y-%m-%d %H:%M}Z"
        yield Diagnosis("certificate-expired", Severity.ERROR, told, None, fix)
    elif end - now < least:
        left = f"{(end - now).days} of {(end - begin).days} days are left"
        told = f"{what} ends at {end:%Y-%m-%d %H:%M}Z and was not renewed: {left}"
        yield Diagnosis("certificate-expiring", Severity.WARNING, told, None, fix)


def _seen(trust: Trust) -> tuple[Presented, ...]:
    return trust.presented or ((trust.stored,) if isinstance(trust.stored, Presented) else ())


def _authorities(trust: Trust, seen: tuple[Presented, ...]) -> Mapping[str, Validity]:
    """Return the CAs on which it rests: of those that have signed a certificate themselves, or of all, the last to end.

    One that is renewed with its key, or that signs over another between, leaves its elders in a bundle.
    """
    trusted = {name: validity for bundle in trust.bundles for name, validity in bundle.authorities.items()}
    signers = [certificate.issuers & trusted.keys() or trusted.keys() for certificate in seen] or [trusted.keys()]
    lasting = {max(names, key=lambda name: trusted[name].not_after) for names in signers if names}
    return {name: validity for name, validity in trusted.items() if name in lasting}


def _by_configuration(trust: Trust) -> Mapping[str, list[Bundle]]:
    found: dict[str, list[Bundle]] = {}
    for bundle in trust.bundles:
        found.setdefault(bundle.configuration, []).append(bundle)
    return found
