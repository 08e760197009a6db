# shellcheck shell=bash
# Redis on loopback, append-only file on.

redis_answers() { [[ $(redis-cli -h 127.0.0.1 -p "$1" ping 2>/dev/null) == PONG ]]; }

redis_start() {
    local user port folder
    if process_runs redis; then
        step redis "re-used, port $(state_get redis.port)"
        return
    fi
    user=$(server_user redis)
    step redis "starting $(redis-server --version | sed -nE 's/.*v=([0-9.]+).*/\1/p') as user $user"
    folder_for redis "$user"
    port_choose redis 6379
    process_start redis "$user" redis-server --bind 127.0.0.1 --port "$port" --dir "$folder" --appendonly yes --save '' --daemonize no
    process_await redis 30 'PONG' redis_answers "$port"
}

redis_stop() { process_stop redis TERM 30; }
