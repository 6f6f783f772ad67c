# Sourced by the dist_*.sh scripts.

# launch PROCESSES SCRIPT ARGUMENTS...: start torchrun. Paths stay relative to the caller's folder.
launch() {
    local processes=$1 root
    shift
    root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
    local nnodes=${NNODES:-1} port=${PORT:-}
    if [ -z "$port" ]; then
        port=29500 # several machines have to agree on it
        if [ "$nnodes" = 1 ]; then
            port=$(python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
        fi
    fi
    PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" exec python -m torch.distributed.run \
        --nnodes="$nnodes" --node_rank="${NODE_RANK:-0}" \
        --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="$port" \
        --nproc_per_node="$processes" "$@"
}

# launch_on_checkpoint TOOL CONFIG CHECKPOINT PROCESSES [OPTIONS...]: launch a tool of this folder.
launch_on_checkpoint() {
    local tool=$1 here
    shift
    if [ $# -lt 3 ]; then
        echo "usage: $0 CONFIG CHECKPOINT GPUS [options of tools/$tool]" >&2
        echo "environment: NNODES, NODE_RANK, MASTER_ADDR, PORT, as for torchrun" >&2
        exit 2
    fi
    here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
    local config=$1 checkpoint=$2 gpus=$3
    shift 3
    launch "$gpus" "$here/$tool" "$config" "$checkpoint" --launcher pytorch "$@"
}
