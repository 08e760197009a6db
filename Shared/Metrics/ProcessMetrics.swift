import Glibc

/// What the kernel knows about this process, under the names that Prometheus' client libraries use.
public enum ProcessMetrics {
    /// - Parameters:
    ///   - service: product name, for `iot_build_info`.
    ///   - version: version of the build.
    public static func register(in registry: MetricsRegistry, service: String, version: String) {
        registry.gauge(
            "iot_build_info", help: "Always 1; the labels say what runs.", labels: ["service": service, "version": version]
        ).set(1)
        registry.gaugeFunction("process_resident_memory_bytes", help: "Resident memory size in bytes.") { residentBytes() }
        registry.gaugeFunction("process_open_fds", help: "Number of open file descriptors.") { openDescriptors() }
        registry.gaugeFunction("process_max_fds", help: "Maximum number of open file descriptors.") { descriptorLimit() }
        registry.counterFunction("process_cpu_seconds_total", help: "Total user and system CPU time spent in seconds.") { cpuSeconds() }
        let started = startTime()
        registry.gaugeFunction("process_start_time_seconds", help: "Start time of the process since Unix epoch in seconds.") { started }
    }

    static func residentBytes() -> Double {
        let pages = contents(of: "/proc/self/statm").split(separator: " ").dropFirst().first.flatMap { Double($0) }
        return (pages ?? .nan) * Double(sysconf(Int32(_SC_PAGESIZE)))
    }

    static func openDescriptors() -> Double {
        guard let folder = opendir("/proc/self/fd") else { return .nan }
        defer { closedir(folder) }
        // Minus “.”, “..” and the descriptor that reads the folder.
        var count = -3
        while readdir(folder) != nil { count += 1 }
        return Double(count)
    }

    static func descriptorLimit() -> Double {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return .nan }
        return Double(limit.rlim_cur)
    }

    static func cpuSeconds() -> Double {
        var usage = rusage()
        guard getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 else { return .nan }
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        return seconds(usage.ru_utime) + seconds(usage.ru_stime)
    }

    /// Boot time plus the process' start in clock ticks since boot (proc(5): /proc/stat, /proc/self/stat field 22).
    static func startTime() -> Double {
        let boot = contents(of: "/proc/stat").split(separator: "\n").first { $0.hasPrefix("btime ") }?.dropFirst(6)
        // The second field, the command in parentheses, may itself hold spaces.
        let fields = contents(of: "/proc/self/stat").split(separator: ")").last?.split(separator: " ") ?? []
        guard let boot, let bootSeconds = Double(boot), fields.count > 19, let ticks = Double(fields[19]) else { return .nan }
        return bootSeconds + ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    /// Files under /proc have no size to ask for: read until the end.
    private static func contents(of path: String) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = read(descriptor, &chunk, chunk.count)
            guard count > 0 else { break }
            bytes.append(contentsOf: chunk[..<count])
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
