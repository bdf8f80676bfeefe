{{- define "common.container" -}}
- name: {{ .name }}
  image: {{ .image | quote }}
  resources:
    limits:
      memory: {{ .memory | default "144Mi" }}
    requests:
      memory: {{ .request | default "144Mi" }}
{{- end }}
