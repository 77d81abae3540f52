#!/usr/bin/env bash
# vLLM with LoRA behind the gateway that the training loop talks to. Not run here: it needs a GPU and the weights.
# Usage: recipes/serve-vllm.sh models/Qwen3-4B-Instruct-2507 [more options of `vllm serve`]
# Ends both when it ends. VLLM_PORT (8000) and GATEWAY_PORT (8100) may be set.
set -euo pipefail

model=$(realpath "$1")
shift
vllm_port=${VLLM_PORT:-8000}
gateway_port=${GATEWAY_PORT:-8100}
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT

# Adapters are exchanged at run time, and the prefix cache is emptied when they are.
export VLLM_ALLOW_RUNTIME_LORA_UPDATING=True VLLM_SERVER_DEV_MODE=1

# 12,288 = T_max of 8,192, the response of 2,048, and room for a context that overruns its budget: the rollout then
# earns the penalty instead of an error.
vllm serve "$model" --host 127.0.0.1 --port "$vllm_port" --dtype bfloat16 \
  --max-model-len 12288 --enable-lora --max-lora-rank 64 --max-loras 1 \
  --enable-auto-tool-choice --tool-call-parser hermes --logprobs-mode processed_logprobs "$@" &
vllm=$!

until curl --silent --fail "http://127.0.0.1:$vllm_port/health" >/dev/null; do
  kill -0 "$vllm" # ends the script when vLLM has ended
  sleep 2
done
python -m agemem_grpo.vllm_gateway --upstream "http://127.0.0.1:$vllm_port" --port "$gateway_port" &
wait -n
