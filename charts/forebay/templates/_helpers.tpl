{{- define "forebay.name" -}}
{{- if contains "forebay" .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-forebay" .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "forebay.operator" -}}
{{ include "forebay.name" . }}-operator
{{- end -}}

{{/* Cluster-wide objects of two releases of one name in two namespaces must not meet. */}}
{{- define "forebay.clusterName" -}}
{{ .Release.Namespace }}-{{ include "forebay.operator" . }}
{{- end -}}

{{- define "forebay.selectorLabels" -}}
app.kubernetes.io/name: forebay-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "forebay.labels" -}}
{{ include "forebay.selectorLabels" . }}
app.kubernetes.io/component: operator
app.kubernetes.io/part-of: forebay
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "forebay.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Where brokers may be: in one namespace or in all. */}}
{{- define "forebay.monitoredNamespaces" -}}
{{- if .Values.watchNamespace -}}
matchNames: [{{ .Values.watchNamespace | quote }}]
{{- else -}}
any: true
{{- end -}}
{{- end -}}
