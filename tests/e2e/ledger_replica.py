"""One replica's ledger as a process of its own: admits claims of one quota, says which, and keeps to nothing else.

Called with KUBECONFIG NAMESPACE QUOTA FIRST COUNT SEED BEGIN, the last a time at which all replicas begin together.
Prints one line of JSON, {"uid": "charged"|"refused"|"unknown"}.
"""

import asyncio
import json
import sys
import time
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from random import Random

from tests.kube.fake_api import silent
from webhook.core.errors import ClusterUnavailableError
from webhook.core.quotas import DeviceQuota, parse_quota
from webhook.kube.access import load_access
from webhook.kube.client import ApiClient, path_of
from webhook.kube.kinds import QUOTAS
from webhook.kube.ledger import KubeLedger
from webhook.kube.ledgers import Charge, Charged, Wanted


async def admit(ledger: KubeLedger, quota: DeviceQuota, uid: str, random: Random) -> str:
    await asyncio.sleep(random.random() * 0.3)
    wanted = Wanted(uid, quota.namespace, f"claim-{uid}", (Charge(quota, {"devices": Fraction(1)}),))
    try:
        verdict = await ledger.admit(wanted, dry_run=False, deadline=asyncio.get_running_loop().time() + 10)
    except ClusterUnavailableError:
        return "unknown"
    return "charged" if isinstance(verdict, Charged) else "refused"


async def run(kubeconfig: Path, namespace: str, name: str, first: int, count: int, seed: int, begin: int) -> None:
    random = Random(seed)
    async with ApiClient(load_access(kubeconfig)) as api:
        quota = parse_quota(await api.get(path_of(QUOTAS, namespace, name)))
        ledger = KubeLedger(
            api,
            new_attempt=lambda: f"{seed}-{random.getrandbits(64):x}",
            now=lambda: datetime.now(UTC),
            random=random,
            log=silent(),
        )
        uids = [f"uid-{number}" for number in range(first, first + count)]
        await asyncio.sleep(begin - time.time())
        verdicts = await asyncio.gather(*(admit(ledger, quota, uid, random) for uid in uids))
        await ledger.close()
    print(json.dumps(dict(zip(uids, verdicts, strict=True))), flush=True)


if __name__ == "__main__":
    kubeconfig, namespace, name, *numbers = sys.argv[1:]
    asyncio.run(run(Path(kubeconfig), namespace, name, *map(int, numbers)))
