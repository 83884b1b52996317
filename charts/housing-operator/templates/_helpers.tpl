{{/* Every object is named after the release: <release>, <release>-mlflow, ... */}}
{{- define "housing-operator.mlflowName" -}}
{{ .Release.Name }}-mlflow
{{- end }}

{{- define "housing-operator.chartLabels" -}}
app.kubernetes.io/name: housing-operator
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: housing-operator
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Selector of one component's pods. Arguments: [root, component] */}}
{{- define "housing-operator.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: housing-operator
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* Labels of one component's objects and pods. Arguments: [root, component] */}}
{{- define "housing-operator.labels" -}}
{{ include "housing-operator.chartLabels" (index . 0) }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* Image of one of the five programs. Arguments: [root, program] */}}
{{- define "housing-operator.image" -}}
{{- $root := index . 0 -}}
{{- $registry := required "image.registry is empty: set it to the registry that holds the images (localhost for images that were loaded into the nodes)" $root.Values.image.registry -}}
{{ trimSuffix "/" $registry }}/housing-operator/{{ index . 1 }}:{{ default $root.Chart.AppVersion $root.Values.image.tag }}
{{- end }}

{{/* Where the operator and the models' pods find MLflow. */}}
{{- define "housing-operator.trackingUri" -}}
{{- if .Values.mlflow.enabled -}}
{{- if .Values.mlflow.trackingUri -}}
{{- fail (printf "mlflow.trackingUri is %q, but mlflow.enabled is true: set mlflow.enabled=false to use an external server, or leave mlflow.trackingUri empty" .Values.mlflow.trackingUri) -}}
{{- end -}}
http://{{ include "housing-operator.mlflowName" . }}.{{ .Release.Namespace }}.svc:5000
{{- else -}}
{{- required "mlflow.enabled is false and mlflow.trackingUri is empty: set mlflow.trackingUri to the URI of an MLflow server" .Values.mlflow.trackingUri -}}
{{- end -}}
{{- end }}

{{/* "true" when MLflow keeps its database on the volume */}}
{{- define "housing-operator.mlflowUsesSqlite" -}}
{{- if not .Values.mlflow.backendStoreUriSecret.name }}true{{ end -}}
{{- end }}

{{/* "true" when MLflow needs the volume at all */}}
{{- define "housing-operator.mlflowUsesVolume" -}}
{{- if or (include "housing-operator.mlflowUsesSqlite" .) (not .Values.mlflow.artifactsDestination) }}true{{ end -}}
{{- end }}

{{- define "housing-operator.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "housing-operator.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "housing-operator.scheduling" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Labels of what Prometheus selects */}}
{{- define "housing-operator.monitorLabels" -}}
{{ include "housing-operator.labels" (list . "metrics") }}
{{- with .Values.metrics.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Nothing, or a refusal when the cluster has no such resource. Arguments: [root, value, kind] */}}
{{- define "housing-operator.needs" -}}
{{- $root := index . 0 -}}
{{- $kind := printf "monitoring.coreos.com/v1/%s" (index . 2) -}}
{{- if not ($root.Capabilities.APIVersions.Has $kind) -}}
{{- fail (printf "metrics.%s.enabled is true, but the cluster does not know %s: install the Prometheus Operator first, or set it to false (docs/how-to/monitor.md). helm template takes --api-versions=%s" (index . 1) (index . 2) $kind) -}}
{{- end -}}
{{- end }}

{{/* Annotations by which many scrape configurations find a pod */}}
{{- define "housing-operator.scrapeAnnotations" -}}
prometheus.io/scrape: "true"
prometheus.io/port: "8080"
prometheus.io/path: /metrics
{{- end }}
