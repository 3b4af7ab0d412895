#!/usr/bin/env bash
# The whole way of a batch with nothing but curl: upload, create, poll, download.
set -euo pipefail

url=${BORA_URL:-http://127.0.0.1:2672}
auth="Authorization: Bearer ${BORA_API_KEY:-none-needed-on-loopback}"
model=${BORA_MODEL:-simulated-chat}
here=$(dirname "$0")

# The one JSON string member that is asked for; enough here, use jq for more.
member() { sed -nE "s/.*\"$1\": ?\"([^\"]*)\".*/\1/p"; }

file=$(curl -sS --fail-with-body -H "$auth" "$url/v1/files" -F purpose=batch -F file=@"$here/chat.jsonl" | member id)
echo "file $file"

job=$(curl -sS --fail-with-body -H "$auth" "$url/v1/batch/jobs" -H 'Content-Type: application/json' \
  -d "{\"input_files\": [\"$file\"], \"endpoint\": \"/v1/chat/completions\", \"model\": \"$model\"}" | member id)
echo "job $job"

while :; do
  answer=$(curl -sS --fail-with-body -H "$auth" "$url/v1/batch/jobs/$job")
  status=$(member status <<<"$answer")
  echo "$status"
  case $status in QUEUED | RUNNING | CANCELLATION_REQUESTED) sleep 1 ;; *) break ;; esac
done

output=$(member output_file <<<"$answer")
curl -sS --fail-with-body -H "$auth" "$url/v1/files/$output/content" -o results.jsonl
echo "$(wc -l <results.jsonl) results in results.jsonl"
