import Crypto
import Domain

/// A password by which a device proves that it knows its secret without sending it: `sign=…&timestamp=…`.
///
/// `timestamp` is the time in milliseconds since the Unix epoch, 13 digits; `sign` is HMAC-SHA256 in hexadecimal of product key, device id
/// and the 13 digits, one directly behind the other. `credential=ID` may name which of several secrets it is. The order does not matter.
struct DeviceSignature: Sendable, Hashable {
    /// In bytes: the three members and room for none more.
    static let longest = 128

    let code: [UInt8]
    /// As it was written: that is what was signed.
    let timestamp: String
    let milliseconds: Int64
    let credential: CredentialID?

    /// Nil when the password is none.
    init?(_ password: String) {
        guard password.utf8.count <= Self.longest else { return nil }
        var members: [Substring: Substring] = [:]
        for part in password.split(separator: "&", omittingEmptySubsequences: false) {
            guard let equals = part.firstIndex(of: "="), members[part[..<equals]] == nil else { return nil }
            members[part[..<equals]] = part[part.index(after: equals)...]
        }
        guard let sign = members.removeValue(forKey: "sign"), sign.utf8.count == 2 * SHA256.byteCount,
            let code = Hexadecimal.decode(sign.utf8), let time = members.removeValue(forKey: "timestamp"), time.utf8.count == 13,
            time.utf8.first != 0x30, time.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let milliseconds = Int64(time)
        else { return nil }
        if let name = members.removeValue(forKey: "credential") {
            guard let id = CredentialID(name) else { return nil }
            credential = id
        } else {
            credential = nil
        }
        guard members.isEmpty else { return nil }
        (self.code, self.milliseconds, timestamp) = (code, milliseconds, String(time))
    }

    /// The bytes that are signed. The secret belongs to one device, so where the id ends cannot be shifted.
    static func message(_ productKey: String, _ device: DeviceID, _ timestamp: String) -> [UInt8] {
        Array(productKey.utf8) + Array(device.text.utf8) + Array(timestamp.utf8)
    }
}

/// What a signature has to be like.
struct SignatureTerms: Sendable {
    var productKey = "martlet"
    /// By how much its time may differ from ours, either way.
    var window = Duration.seconds(300)
}

/// A credential as it is checked against.
struct ActiveCredential: Sendable, Hashable {
    let id: CredentialID
    /// Microseconds since the Unix epoch.
    let notBefore: Int64
    /// `Int64.max`: no end.
    let notAfter: Int64

    func holds(at now: Timestamp) -> Bool { notBefore <= now.microseconds && now.microseconds < notAfter }
}

/// Verifies signatures, each once.
struct SignatureCheck: Sendable {
    enum Refusal: String, Sendable, CaseIterable {
        /// No credential of the device holds, or not the one that is named.
        case noCredential = "no_credential"
        case clock
        case wrongSignature = "wrong_signature"
        case replayed
        /// More signatures were accepted within the window than are remembered.
        case crowded
    }

    let master: MasterKey
    let terms: SignatureTerms
    let replays: ReplayGuard

    init(master: MasterKey, terms: SignatureTerms, replays: ReplayGuard? = nil) {
        self.master = master
        self.terms = terms
        self.replays = replays ?? ReplayGuard(window: terms.window)
    }

    /// The credential that the signature was made with.
    /// - Parameter credentials: those of the device that are not revoked.
    func check(
        _ signature: DeviceSignature, of device: DeviceID, _ credentials: [ActiveCredential], at now: Timestamp
    ) -> Result<ActiveCredential, RefusedSignature> {
        let window = terms.window.components.seconds * 1_000
        guard abs(now.microseconds / 1_000 - signature.milliseconds) <= window else { return .failure(.init(.clock)) }
        let candidates = credentials.filter { $0.holds(at: now) && (signature.credential ?? $0.id) == $0.id }
        guard !candidates.isEmpty else { return .failure(.init(.noCredential)) }
        let message = DeviceSignature.message(terms.productKey, device, signature.timestamp)
        let signed = candidates.first { HMACSHA256.isValid(signature.code, for: message, key: master.secret(of: device, $0.id).key) }
        guard let signed else { return .failure(.init(.wrongSignature)) }
        switch replays.take(signed.id, signature.milliseconds, now: now.microseconds / 1_000) {
        case .fresh: return .success(signed)
        case .replayed: return .failure(.init(.replayed))
        case .full: return .failure(.init(.crowded))
        }
    }
}

/// Why a signature was not accepted.
struct RefusedSignature: Error, Hashable {
    let reason: SignatureCheck.Refusal

    init(_ reason: SignatureCheck.Refusal) { self.reason = reason }
}
