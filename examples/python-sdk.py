"""Mistral's own Python SDK against Bora: only `server_url` differs.

    pip install mistralai
    python examples/python-sdk.py
"""

import os
import pathlib
import time

from mistralai.client import Mistral  # of version 1: from mistralai import Mistral

here = pathlib.Path(__file__).parent
client = Mistral(
    server_url=os.environ.get("BORA_URL", "http://127.0.0.1:2672"),  # without /v1: the SDK adds it
    api_key=os.environ.get("BORA_API_KEY", "none needed on loopback"),
)

uploaded = client.files.upload(
    file={"file_name": "chat.jsonl", "content": (here / "chat.jsonl").open("rb")},
    purpose="batch",
)
job = client.batch.jobs.create(
    input_files=[uploaded.id],
    endpoint="/v1/chat/completions",
    model=os.environ.get("BORA_MODEL", "simulated-chat"),
    metadata={"job_type": "example"},
)
while job.status in ("QUEUED", "RUNNING"):
    time.sleep(0.5)
    job = client.batch.jobs.get(job_id=job.id)
    print(f"{job.status}: {job.completed_requests} of {job.total_requests}")

if job.output_file:
    content = client.files.download(file_id=job.output_file).read()
    print(content.decode().splitlines()[0])
