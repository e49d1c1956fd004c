{{/* The Service, both webhook configurations and the account that serves have one name, and all others begin with it. */}}
{{- define "drawbridge.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains "drawbridge" .Release.Name -}}
{{- .Release.Name -}}
{{- else -}}
{{- printf "%s-drawbridge" .Release.Name -}}
{{- end -}}
{{- end }}

{{- define "drawbridge.labels" -}}
app.kubernetes.io/name: drawbridge
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: drawbridge
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* (list . COMPONENT): what finds the pods of one program. */}}
{{- define "drawbridge.selector" -}}
app.kubernetes.io/name: drawbridge
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "drawbridge.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository ($image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end }}

{{/* (list . EVENT WEIGHT): of what Helm makes only for the length of a command. */}}
{{- define "drawbridge.hookMetadata" -}}
labels:
  {{- include "drawbridge.labels" (index . 0) | nindent 2 }}
annotations:
  helm.sh/hook: {{ index . 1 }}
  helm.sh/hook-weight: {{ index . 2 | quote }}
  helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}
