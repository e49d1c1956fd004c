{{/* (list . COMPONENT): labels and annotations of the pods of a program. */}}
{{- define "drawbridge.podMetadata" -}}
{{- $root := index . 0 -}}
labels:
  {{- include "drawbridge.selector" . | nindent 2 }}
  {{- with $root.Values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- if or $root.Values.podAnnotations $root.Values.settings }}
annotations:
  {{- with $root.Values.settings }}
  # The programs read their settings once.
  checksum/settings: {{ toYaml . | sha256sum | quote }}
  {{- end }}
  {{- with $root.Values.podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end }}

{{/* (list . VOLUMES): what the pods of all programs have in common, and volumes of one's own. */}}
{{- define "drawbridge.podSpec" -}}
{{- $root := index . 0 -}}
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumes:
- name: tmp
  emptyDir:
    medium: Memory
    sizeLimit: 16Mi
{{- if $root.Values.settings }}
- name: settings
  configMap:
    name: {{ include "drawbridge.fullname" $root }}-settings
{{- end }}
{{- with index . 1 }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "drawbridge.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* (list . KEYS COMPONENT): spread the pods of a program over each of the keys, where it can be done. */}}
{{- define "drawbridge.spread" -}}
{{- $root := index . 0 }}{{- $component := index . 2 }}
{{- with index . 1 }}
topologySpreadConstraints:
{{- range . }}
- topologyKey: {{ . }}
  maxSkew: 1
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "drawbridge.selector" (list $root $component) | nindent 6 }}
{{- end }}
{{- end }}
{{- end }}

{{/* (list . MOUNTS): what the containers of all programs have in common, and mounts of one's own. */}}
{{- define "drawbridge.container" -}}
{{- $root := index . 0 -}}
image: {{ include "drawbridge.image" $root | quote }}
{{- with $root.Values.image.pullPolicy }}
imagePullPolicy: {{ . }}
{{- end }}
env:
- name: DRAWBRIDGE_OWN_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
- name: PYTHONDONTWRITEBYTECODE
  value: "1"
{{- with $root.Values.extraEnv }}
{{ toYaml . }}
{{- end }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  runAsNonRoot: true
  capabilities:
    drop: [ALL]
volumeMounts:
- name: tmp
  mountPath: /tmp
{{- if $root.Values.settings }}
- name: settings
  mountPath: /etc/drawbridge
  readOnly: true
{{- end }}
{{- with index . 1 }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* (list . ARGUMENTS): the end of the arguments of a program. */}}
{{- define "drawbridge.arguments" -}}
{{- $root := index . 0 }}
{{- if $root.Values.settings }}
- --settings=/etc/drawbridge/settings.yaml
{{- end }}
{{- range index . 1 }}
- {{ . | quote }}
{{- end }}
{{- end }}

{{/* Probes of the programs that do not serve. */}}
{{- define "drawbridge.probes" -}}
livenessProbe:
  httpGet:
    path: /livez
    port: health
  initialDelaySeconds: 5
  periodSeconds: 10
  timeoutSeconds: 3
  failureThreshold: 6
readinessProbe:
  httpGet:
    path: /readyz
    port: health
  periodSeconds: 5
  timeoutSeconds: 3
{{- end }}
