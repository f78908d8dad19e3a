import ModelStore
import TestSupport
import Testing

@Suite("Digests of downloads")
struct TransferDigestTests {
  /// SHA-256 of what the server sends, computed by Python's hashlib.
  static func digest(_ byteCount: Int, version: Int = 0) -> String {
    switch (byteCount, version) {
    case (20_000, 0): "008801de2b5db896cfa9291dd1c2e26bfa06601fbd9e9b682077ba37ee82ea16"
    case (20_000, 3): "06290c89c93e4038018b3893e1f87f9f1b385a0d2e56b9afc20a7098d003c4d4"
    default: preconditionFailure("no digest of \(byteCount) bytes, version \(version), is written down")
    }
  }

  let base: TransferTests
  init() throws { base = try TransferTests() }

  @Test(
    "the digest is that of an independent program, for whole and for resumed files",
    arguments: ["ok", "drop-5000,ok", "drop-5000,norange", "drop-7000,drop-1,ok"])
  func digest(script: String) throws {
    #expect(try base.fetch(script).file.sha256 == TransferDigestTests.digest(20_000))
  }

  @Test("the digest may be written in capitals")
  func capitals() throws {
    try base.fetch("ok", sha256: TransferDigestTests.digest(20_000).uppercased())
    try base.expectComplete()
  }

  @Test("git's own name of a file is checked")
  func gitName() throws {
    let (address, _) = try base.server.address("drop-5000,ok", byteCount: 20_000)
    let path = base.folder.path("model.bin")
    // By `git hash-object`.
    let right = Download(
      address: address, path: path, expectedByteCount: 20_000,
      digest: .gitBlob("e99743c75d11e67f1f02d5d54bed83306cd41594"))
    _ = try Downloader(settings: base.pauses.settings).fetch([right])
    try base.expectComplete()
    let wrong = Download(
      address: address, path: base.folder.path("x"), expectedByteCount: 20_000,
      digest: .gitBlob(String(repeating: "a", count: 40)))
    let settings = base.pauses.settings
    let error = try #require(throws: TransferError.self) { try Downloader(settings: settings).fetch([wrong]) }
    #expect(
      error.reason
        == .digest("e99743c75d11e67f1f02d5d54bed83306cd41594", expected: String(repeating: "a", count: 40)))
  }

  @Test("a digest that is none is refused before anything is asked for")
  func malformed() throws {
    let (error, count) = try base.failure("ok", sha256: "abc")
    #expect(error.kind == .usage)
    #expect(count == 0)
  }
}
