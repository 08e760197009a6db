# shellcheck shell=bash
# The parts of the local stack, one noun a file. `repository` is set by the caller.

lib=$repository/deploy/local/lib
binaries=$repository/.build/release

# shellcheck source=console.sh
source "$lib/console.sh"
# shellcheck source=state.sh
source "$lib/state.sh"
# shellcheck source=processes.sh
source "$lib/processes.sh"
# shellcheck source=ports.sh
source "$lib/ports.sh"
# shellcheck source=packages.sh
source "$lib/packages.sh"
# shellcheck source=toolchain.sh
source "$lib/toolchain.sh"
# shellcheck source=postgres.sh
source "$lib/postgres.sh"
# shellcheck source=redis.sh
source "$lib/redis.sh"
# shellcheck source=pki.sh
source "$lib/pki.sh"
# shellcheck source=mosquitto.sh
source "$lib/mosquitto.sh"
# shellcheck source=kafka.sh
source "$lib/kafka.sh"
# shellcheck source=services.sh
source "$lib/services.sh"
# shellcheck source=devices.sh
source "$lib/devices.sh"
# shellcheck source=summary.sh
source "$lib/summary.sh"
# shellcheck source=endpoints.sh
source "$lib/endpoints.sh"
# shellcheck source=stack.sh
source "$lib/stack.sh"
