import AccessTokens
import Files
import Glibc
import Logging
import Synchronization

/// A key set in a file, read again when the file has changed. What cannot be read changes nothing: the keys before it stay.
final class KeySetFile: Sendable {
    /// Tells one content of a file from the next.
    private struct Stamp: Equatable {
        var device: UInt = 0
        var file: UInt = 0
        var size = 0
        var seconds = 0
        var nanoseconds = 0
    }

    private struct State {
        var keys: KeySet
        /// Grows with every new content.
        var generation = 0
        var stamp: Stamp?
        var checked = Int64.min
    }

    private let path: String
    private let logger: Logger
    private let state: Mutex<State>

    init(_ path: String, logger: Logger) throws(KeySetError) {
        self.path = path
        self.logger = logger
        let stamp = Self.stamp(path)
        state = Mutex(State(keys: try Self.read(path), stamp: stamp))
    }

    /// The keys, and a number that changes with them. Looks at the file once a second at most.
    /// - Parameter second: the time.
    func current(second: Int64) -> (keys: KeySet, generation: Int) {
        state.withLock { state in
            if state.checked != second {
                state.checked = second
                refresh(&state)
            }
            return (state.keys, state.generation)
        }
    }

    private func refresh(_ state: inout State) {
        let stamp = Self.stamp(path)
        guard stamp != state.stamp else { return }
        state.stamp = stamp
        do {
            state.keys = try Self.read(path)
            state.generation += 1
            logger.info("read new keys for access tokens", metadata: ["file": path, "keys": state.keys.ids.joined(separator: " ")])
        } catch {
            logger.error("keys for access tokens cannot be read; those read before stay", metadata: ["file": path, "error": "\(error)"])
        }
    }

    private static func stamp(_ path: String) -> Stamp? {
        var found = stat()
        guard stat(path, &found) == 0 else { return nil }
        return Stamp(
            device: UInt(found.st_dev), file: UInt(found.st_ino), size: Int(found.st_size), seconds: found.st_mtim.tv_sec,
            nanoseconds: found.st_mtim.tv_nsec)
    }

    private static func read(_ path: String) throws(KeySetError) -> KeySet {
        let bytes: [UInt8]
        do {
            bytes = try BoundedFile.read(path, limit: KeySet.longest)
        } catch {
            throw KeySetError(description: error.description)
        }
        do {
            return try KeySet(json: bytes)
        } catch {
            throw KeySetError(description: "“\(path)”: \(error)")
        }
    }
}
