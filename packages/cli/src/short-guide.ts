/** What `bora` alone says: the shortest way to a result, and where the rest is told. */
export const SHORT_GUIDE = `Bora runs files of LLM requests against the inference servers you have.

  Run a file here and now:
    bora run requests.jsonl -o results.jsonl --endpoint /v1/chat/completions --model <model> --upstream http://localhost:8000

  Or serve, and submit from anywhere:
    BORA_UPSTREAM=http://localhost:8000 bora serve
    bora submit requests.jsonl --endpoint /v1/chat/completions --model <model> --wait
    bora ls

  Is a file in order?             bora validate requests.jsonl --endpoint /v1/chat/completions
  Is everything here in order?    bora doctor
  No inference server at hand?    bora simulate

All commands: bora help. One of them: bora help submit.
`;
