# shellcheck shell=bash
# The Swift compiler and the release binaries.

toolchain_check() {
    local version
    command -v swift >/dev/null || fail "no swift in PATH. Martlet needs Swift 6.3 or later: https://www.swift.org/install/linux/debian/12/ (under sudo, PATH may be another: sudo env PATH=\"\$PATH\" $0)"
    version=$(swift --version 2>/dev/null | sed -nE 's/.*Swift version ([0-9]+\.[0-9]+(\.[0-9]+)?).*/\1/p' | head -n 1)
    [[ -n $version ]] || fail "swift --version does not answer: $(swift --version 2>&1 | head -n 1)"
    [[ $(printf '%s\n6.3\n' "$version" | sort -V | head -n 1) == 6.3 ]] ||
        fail "Swift $version found in $(command -v swift), 6.3 or later needed: https://www.swift.org/install/linux/debian/12/"
    step swift "$version ($(command -v swift))"
}

# Imports that a target has not declared as dependencies stop the build: the layers hold in every binary.
toolchain_flags=(--explicit-target-dependency-import-check error)
toolchain_release_flags=(-c release --static-swift-stdlib "${toolchain_flags[@]}")

# Sets `fault_binaries` to the folder of the services' binaries with fault points in them: in a build folder of their own, never to be shipped.
toolchain_faults() {
    local log=$logs_folder/build-faults.log began=$SECONDS product
    local -a flags=(--package-path "$repository" --scratch-path "$repository/.build/faults" "${toolchain_release_flags[@]}" -Xswiftc -DFAULT_POINTS)
    step build 'the services with fault points, for the fault runs'
    for product in ingestion timeseries-writer device-registry; do
        console_run "swift build $product with fault points" "$log" swift build "${flags[@]}" --product "$product" ||
            fail "swift build of $product with fault points" "$log"
    done
    fault_binaries=$(swift build "${flags[@]}" --show-bin-path)
    step build "done in $((SECONDS - began)) s: $fault_binaries"
}

# Sets `binaries` to the folder of the release binaries.
toolchain_release() {
    local log=$logs_folder/build.log began=$SECONDS
    step build 'release binaries, statically linked (about two minutes from clean, seconds when nothing changed)'
    console_run 'swift build' "$log" swift build --package-path "$repository" "${toolchain_release_flags[@]}" ||
        fail 'swift build of the release binaries' "$log"
    binaries=$(swift build --package-path "$repository" "${toolchain_release_flags[@]}" --show-bin-path)
    # The short way to the same folder, for the commands that are printed.
    if [[ $repository/.build/release -ef $binaries ]]; then binaries=$repository/.build/release; fi
    step build "done in $((SECONDS - began)) s: $binaries"
}
