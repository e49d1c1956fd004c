{{/* (list . KEY PATH): what each webhook says; KEY names its values. */}}
{{- define "drawbridge.webhook" -}}
{{- $root := index . 0 }}{{- $values := index $root.Values.webhooks (index . 1) -}}
clientConfig:
  service:
    namespace: {{ $root.Release.Namespace }}
    name: {{ include "drawbridge.fullname" $root }}
    path: {{ index . 2 }}
    port: 443
matchPolicy: Equivalent
failurePolicy: {{ $root.Values.webhooks.failurePolicyOverride | default $values.failurePolicy }}
timeoutSeconds: {{ $values.timeoutSeconds }}
admissionReviewVersions: [v1]
{{- end }}

{{/* The system's namespaces and our own are exempt whatever the values say: else nothing could start while we are down. */}}
{{- define "drawbridge.namespaceSelector" -}}
namespaceSelector:
  {{- with .Values.webhooks.namespaceSelector.matchLabels }}
  matchLabels:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  matchExpressions:
  - key: kubernetes.io/metadata.name
    operator: NotIn
    values:
    {{- range concat (list "kube-system" "kube-public" "kube-node-lease" .Release.Namespace) .Values.webhooks.excludedNamespaces | uniq }}
    - {{ . | quote }}
    {{- end }}
  {{- with .Values.webhooks.namespaceSelector.matchExpressions }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* All versions are listed, so that each request arrives in its own: conversion would lose the paths that its author wrote. */}}
{{- define "drawbridge.claimRules" -}}
rules:
- apiGroups: [resource.k8s.io]
  apiVersions: [v1, v1beta2, v1beta1]
  resources: [resourceclaims, resourceclaimtemplates]
  # Never on UPDATE: specs are immutable, and finalizers are taken off there.
  operations: [CREATE]
  scope: Namespaced
{{- end }}

{{- define "drawbridge.classRules" -}}
rules:
- apiGroups: [resource.k8s.io]
  apiVersions: [v1, v1beta2, v1beta1]
  resources: [deviceclasses]
  operations: [CREATE, UPDATE]
  scope: Cluster
{{- end }}

{{/* Every field is asked for before it is read: under Fail an error here would refuse the pods of a whole cluster. */}}
{{- define "drawbridge.podRules" -}}
rules:
- apiGroups: [""]
  apiVersions: [v1]
  resources: [pods]
  operations: [CREATE]
  scope: Namespaced
matchConditions:
- name: has-claims-or-extended-resources
  expression: >-
    (has(object.spec.resourceClaims) && object.spec.resourceClaims != null && size(object.spec.resourceClaims) > 0)
    || (has(object.spec.containers) && object.spec.containers != null && object.spec.containers.exists(c,
    has(c.resources) && has(c.resources.limits) && c.resources.limits != null
    && c.resources.limits.exists(name, name.contains('/'))))
    || (has(object.spec.initContainers) && object.spec.initContainers != null && object.spec.initContainers.exists(c,
    has(c.resources) && has(c.resources.limits) && c.resources.limits != null
    && c.resources.limits.exists(name, name.contains('/'))))
{{- end }}

{{/* Annotations of both configurations. */}}
{{- define "drawbridge.webhookAnnotations" -}}
{{- $annotations := dict }}
{{- if eq .Values.certificates.mode "cert-manager" }}
{{- /* The CA's Secret, and never that of the serving certificate, which does not sign itself. */}}
{{- $_ := set $annotations "cert-manager.io/inject-ca-from" (printf "%s/%s-ca" .Release.Namespace (include "drawbridge.fullname" .)) }}
{{- end }}
{{- with merge $annotations .Values.webhooks.annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
