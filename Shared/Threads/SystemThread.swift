import Glibc

/// Threads of the operating system, for calls that block (pthreads(7)).
///
/// Foundation has them, too; but a statically linked program that uses Foundation beyond `FoundationEssentials` grows by 50 MB on disk
/// and 4 MB in memory.
public enum SystemThread {
    /// Starts a detached thread.
    /// - Parameters:
    ///   - name: as `top -H` shows it; Linux keeps 15 bytes.
    ///   - stackSize: in bytes; raised to what the system asks for at least.
    public static func start(name: String, stackSize: Int = 1 << 20, _ body: @escaping @Sendable () -> Void) {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        pthread_attr_setstacksize(&attributes, max(stackSize, 64 * 1024))
        // Retained until the new thread takes it over.
        let work = Unmanaged.passRetained(Work(name: String(decoding: name.utf8.prefix(15), as: UTF8.self), body: body))
        var thread = pthread_t()
        let code = pthread_create(&thread, &attributes, runWork, work.toOpaque())
        // Without its thread the caller would wait for ever; a process that cannot have one more thread is better restarted.
        precondition(code == 0, "cannot start the thread \(name): \(String(cString: strerror(code))); raise the limit of threads or memory")
    }
}

private final class Work: Sendable {
    let name: String
    let body: @Sendable () -> Void

    init(name: String, body: @escaping @Sendable () -> Void) {
        self.name = name
        self.body = body
    }
}

private func runWork(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let context else { return nil }
    let work = Unmanaged<Work>.fromOpaque(context).takeRetainedValue()
    setName(work.name)
    work.body()
    return nil
}

/// pthread_setname_np is a GNU extension that Swift's Glibc does not show; the kernel takes the name here, too (proc(5)).
private func setName(_ name: String) {
    let descriptor = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    _ = write(descriptor, name, name.utf8.count)
    close(descriptor)
}
