import AccessTokens
import Crypto
import Synchronization

/// Claims of tokens whose signature was seen to be right, by the digest of the token. Whether they still hold is looked at each time.
///
/// Bounded: two generations; when the young one is full it becomes the old one, and what nobody asked for meanwhile is gone.
final class TokenCache: Sendable {
    static let capacity = 1_024

    private struct State {
        var keys = 0
        var young: [[UInt8]: AccessClaims] = [:]
        var old: [[UInt8]: AccessClaims] = [:]
    }

    private let state = Mutex(State())

    /// - Parameter generation: of the keys; others than those the token was verified with make it unknown.
    func claims(of token: String, generation: Int) -> AccessClaims? {
        let digest = SHA256.hash(Array(token.utf8))
        return state.withLock { state in
            guard state.keys == generation else { return nil }
            if let found = state.young[digest] { return found }
            guard let found = state.old[digest] else { return nil }
            Self.insert(found, digest, &state)
            return found
        }
    }

    func add(_ claims: AccessClaims, of token: String, generation: Int) {
        let digest = SHA256.hash(Array(token.utf8))
        state.withLock { state in
            if state.keys != generation { state = State(keys: generation) }
            Self.insert(claims, digest, &state)
        }
    }

    /// Tokens at hand.
    var count: Int { state.withLock { Set($0.young.keys).union($0.old.keys).count } }

    private static func insert(_ claims: AccessClaims, _ digest: [UInt8], _ state: inout State) {
        if state.young.count >= capacity / 2 {
            state.old = state.young
            state.young = [:]
        }
        state.young[digest] = claims
    }
}
