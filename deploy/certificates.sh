#!/bin/sh
# For the component provided-certificates: issues the serving certificate, stores it as the Secret that the pods mount, and tells the API server its CA.
# Run it again before the certificate ends: the CA stays, and the pods take the new pair without a restart.
# usage: deploy/certificates.sh [FOLDER]   (keep FOLDER: it holds the key of the CA, which never enters the cluster)
set -eu

folder=${1:-certificates}
drawbridge=${DRAWBRIDGE:-.venv/bin/drawbridge}
namespace=drawbridge-system
name=drawbridge.$namespace.svc

"$drawbridge" certs issue --cert-dir "$folder" --host "$name" --host "$name.cluster.local"

kubectl create secret generic drawbridge-tls --namespace "$namespace" --dry-run=client --output yaml \
  --from-file "$folder/tls.crt" --from-file "$folder/tls.key" --from-file "$folder/ca.crt" |
  kubectl apply --server-side --force-conflicts --filename -

bundle=$(base64 <"$folder/ca.crt" | tr -d '\n')
for configuration in mutatingwebhookconfiguration/drawbridge validatingwebhookconfiguration/drawbridge; do
  operations=
  index=0
  for _ in $(kubectl get "$configuration" --output jsonpath='{.webhooks[*].name}'); do
    operations="$operations${operations:+,}{\"op\":\"add\",\"path\":\"/webhooks/$index/clientConfig/caBundle\",\"value\":\"$bundle\"}"
    index=$((index + 1))
  done
  kubectl patch "$configuration" --type json --patch "[$operations]"
done
