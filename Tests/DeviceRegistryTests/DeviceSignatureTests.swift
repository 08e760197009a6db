import Crypto
import Domain
import Testing

@testable import DeviceRegistry

/// A master key, a device and its credential, as a device's program would use them.
struct SignedDevice {
    static let master = MasterKey.of("5a")
    let device: DeviceID
    let credential: CredentialID
    let now = Timestamp(microseconds: 1_700_000_000_000_000)

    init(_ device: String = "pump-7", credential: UInt64 = 7) throws {
        self.device = try DeviceID(device)
        self.credential = CredentialID(number: credential)
    }

    var secret: DeviceSecret { Self.master.secret(of: device, credential) }
    var active: ActiveCredential { ActiveCredential(id: credential, notBefore: 0, notAfter: .max) }

    /// - Parameter offset: of the device's clock, in milliseconds.
    func password(offset: Int64 = 0, productKey: String = "martlet", suffix: String = "") -> String {
        let time = "\(now.microseconds / 1_000 + offset)"
        let code = HMACSHA256.code(for: Array((productKey + device.text + time).utf8), key: SymmetricKey(Array(secret.text.utf8)))
        return "sign=\(Hexadecimal.encode(code))&timestamp=\(time)\(suffix)"
    }
}

extension MasterKey {
    /// - Parameter byte: two hexadecimal digits, 32 times.
    static func of(_ byte: String) -> MasterKey {
        guard let key = try? MasterKey(hexadecimal: Array(String(repeating: byte, count: 32).utf8)) else { fatalError("no key") }
        return key
    }
}

@Suite("Signatures of devices")
struct DeviceSignatureTests {
    private func verdict(
        _ password: String, _ signed: SignedDevice, credentials: [ActiveCredential]? = nil, after: Duration = .zero,
        _ check: SignatureCheck = SignatureCheck(master: SignedDevice.master, terms: SignatureTerms())
    ) throws -> String {
        let signature = try #require(DeviceSignature(password))
        switch check.check(signature, of: signed.device, credentials ?? [signed.active], at: signed.now.advanced(by: after)) {
        case .success(let credential): return credential.id.text
        case .failure(let refused): return refused.reason.rawValue
        }
    }

    @Test("a signature by the device's secret is right; another device, key or time is not")
    func right() throws {
        let signed = try SignedDevice()
        #expect(try verdict(signed.password(), signed) == "0000000000000007")
        #expect(try verdict(signed.password(suffix: "&credential=0000000000000007"), signed) == "0000000000000007")
        #expect(try verdict(signed.password(suffix: "&credential=0000000000000008"), signed) == "no_credential")
        #expect(try verdict(signed.password(productKey: "other"), signed) == "wrong_signature")
        let other = try SignedDevice("pump-8")
        #expect(try verdict(signed.password(), other) == "wrong_signature")
        let elsewhere = SignatureCheck(master: .of("5b"), terms: SignatureTerms())
        #expect(try verdict(signed.password(), signed, elsewhere) == "wrong_signature")
        #expect(try verdict(signed.password(), signed, credentials: []) == "no_credential")
        // One digit of the time is another: what was signed is not what is shown.
        let shifted = signed.password().replacingOccurrences("00000", "00001")
        #expect(try verdict(shifted, signed) == "wrong_signature")
    }

    @Test("several credentials hold at the same time, each for its own time")
    func several() throws {
        let (first, second) = (try SignedDevice(credential: 1), try SignedDevice(credential: 2))
        #expect(try verdict(second.password(), second, credentials: [first.active, second.active]) == "0000000000000002")
        let now = first.now.microseconds
        for (begins, ends, holds) in [(now, now + 1, true), (now + 1, now + 2, false), (now - 2, now, false)] {
            let credential = ActiveCredential(id: first.credential, notBefore: begins, notAfter: ends)
            #expect(try verdict(first.password(), first, credentials: [credential]) == (holds ? "0000000000000001" : "no_credential"))
        }
    }

    @Test("clocks may differ by the window, either way and no more", arguments: [-300_001, -300_000, 300_000, 300_001])
    func window(offset: Int64) throws {
        let signed = try SignedDevice()
        #expect(try verdict(signed.password(offset: offset), signed) == (abs(offset) > 300_000 ? "clock" : "0000000000000007"))
    }

    @Test("a signature is accepted once, however it is written and for as long as its time is within the window")
    func replay() throws {
        let signed = try SignedDevice()
        let check = SignatureCheck(master: SignedDevice.master, terms: SignatureTerms())
        let early = signed.password(offset: 300_000)
        #expect(try verdict(early, signed, check) == "0000000000000007")
        #expect(try verdict(early.uppercasedDigits, signed, check) == "replayed")
        #expect(try verdict(early + "&credential=0000000000000007", signed, check) == "replayed")
        #expect(try verdict(early, signed, after: .seconds(600), check) == "replayed")
        #expect(try verdict(early, signed, after: .seconds(601), check) == "clock")
        #expect(try verdict(signed.password(offset: 1), signed, check) == "0000000000000007")
        // A wrong signature leaves nothing behind: the right one of that time is still good.
        let wrong = signed.password(offset: 2, productKey: "x")
        #expect(try verdict(wrong, signed, check) == "wrong_signature")
        #expect(try verdict(signed.password(offset: 2), signed, check) == "0000000000000007")
    }

    @Test(
        "what is no signature is refused",
        arguments: [
            "", "sign=", "timestamp=1700000000000", "sign=ab&timestamp=1700000000000", "sign=\(String(repeating: "a", count: 64))",
            "sign=\(String(repeating: "g", count: 64))&timestamp=1700000000000",
            "sign=\(String(repeating: "a", count: 64))&timestamp=1700000000",
            "sign=\(String(repeating: "a", count: 64))&timestamp=0700000000000",
            "sign=\(String(repeating: "a", count: 64))&timestamp=-170000000000",
            "sign=\(String(repeating: "a", count: 64))&timestamp=1700000000000&",
            "sign=\(String(repeating: "a", count: 64))&timestamp=1700000000000&timestamp=1700000000000",
            "sign=\(String(repeating: "a", count: 64))&timestamp=1700000000000&credential=1",
            "sign=\(String(repeating: "a", count: 64))&timestamp=1700000000000&credential=000000000000000A",
            "sign=\(String(repeating: "a", count: 64))&timestamp=1700000000000&admin=1",
            "sign=\(String(repeating: "a", count: 64))&timestamp=170000000000\u{0660}",
            String(repeating: "sign=a&", count: 10_000),
        ])
    func malformed(password: String) { #expect(DeviceSignature(password) == nil) }

    @Test("secrets differ by device, credential and master key, and no description shows one")
    func secrets() throws {
        let one = try SignedDevice("a", credential: 1)
        let texts = try [one, SignedDevice("b", credential: 1), SignedDevice("a", credential: 2)].map(\.secret.text)
        #expect(Set(texts + [MasterKey.of("5b").secret(of: one.device, one.credential).text]).count == 4)
        #expect(texts.allSatisfy { $0.utf8.count == 64 })
        #expect(!"\(one.secret)".contains(one.secret.text))
        #expect(!"\(SignedDevice.master)".contains("5a5a"))
    }

    @Test(
        "what is no master key is refused, naming the way to one",
        arguments: ["", "5a", String(repeating: "5a", count: 31), String(repeating: "5a", count: 33), String(repeating: "zz", count: 32)])
    func masterKeys(text: String) throws {
        let error = #expect(throws: CryptoError.self) { try MasterKey(hexadecimal: Array(text.utf8)) }
        #expect(error?.description.contains("martlet keys create-master") ?? false)
    }
}

extension String {
    fileprivate func replacingOccurrences(_ old: String, _ new: String) -> String {
        guard let range = ranges(of: old).last else { return self }
        return replacingCharacters(range, new)
    }

    private func replacingCharacters(_ range: Range<String.Index>, _ new: String) -> String {
        String(self[..<range.lowerBound]) + new + String(self[range.upperBound...])
    }

    /// The 64 hexadecimal digits in capitals, all else as it is.
    fileprivate var uppercasedDigits: String { String(prefix(5)) + dropFirst(5).prefix(64).uppercased() + dropFirst(69) }
}
