{{- define "flowkeep.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "flowkeep.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains (include "flowkeep.name" .) .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "flowkeep.name" .) | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "flowkeep.selector" -}}
app.kubernetes.io/name: {{ include "flowkeep.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "flowkeep.labels" -}}
{{ include "flowkeep.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "flowkeep.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "flowkeep.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "flowkeep.image" -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end }}

{{- define "flowkeep.databaseEnv" -}}
- name: FLOWKEEP_DATABASE_URL
  valueFrom:
    secretKeyRef:
      name: {{ required "database.existingSecret: name the Secret with the ledger's URL" .Values.database.existingSecret }}
      key: {{ .Values.database.urlKey }}
- name: FLOWKEEP_DATABASE_SCHEMA_NAME
  value: {{ .Values.database.schema | quote }}
- name: FLOWKEEP_LOG_LEVEL
  value: {{ .Values.telemetry.logLevel | quote }}
{{- end }}

{{- define "flowkeep.env" -}}
{{ include "flowkeep.databaseEnv" . }}
- name: FLOWKEEP_DATABASE_POOL_SIZE
  value: {{ .Values.database.poolSize | quote }}
- name: FLOWKEEP_SECRET_KEY
  valueFrom:
    secretKeyRef:
      name: {{ required "secretKey.existingSecret: name the Secret with the key" .Values.secretKey.existingSecret }}
      key: {{ .Values.secretKey.key }}
- name: TEMPORAL_ADDRESS
  value: {{ required "temporal.address: host:port of Temporal" .Values.temporal.address | quote }}
- name: TEMPORAL_NAMESPACE
  value: {{ .Values.temporal.namespace | quote }}
{{- if .Values.temporal.tls }}
- name: TEMPORAL_TLS
  value: "true"
{{- end }}
{{- with .Values.temporal.apiKey.existingSecret }}
- name: TEMPORAL_API_KEY
  valueFrom:
    secretKeyRef:
      name: {{ . }}
      key: {{ $.Values.temporal.apiKey.key }}
{{- end }}
- name: FLOWKEEP_STORAGE_URL
  value: {{ required "storage.url: s3://, gs:// or az://" .Values.storage.url | quote }}
- name: FLOWKEEP_TASK_QUEUE
  value: {{ .Values.worker.taskQueue | quote }}
{{- with .Values.telemetry.otelEndpoint }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ . | quote }}
{{- end }}
{{- if .Values.telemetry.metrics }}
- name: FLOWKEEP_TELEMETRY_METRICS_ADDRESS
  value: "0.0.0.0:{{ .Values.telemetry.metricsPort }}"
{{- end }}
{{- end }}

{{- define "flowkeep.placing" -}}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "flowkeep.podBase" -}}
serviceAccountName: {{ include "flowkeep.serviceAccount" . }}
automountServiceAccountToken: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext: {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- end }}

{{- define "flowkeep.containerBase" -}}
image: {{ include "flowkeep.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext: {{- toYaml .Values.securityContext | nindent 2 }}
{{- end }}
