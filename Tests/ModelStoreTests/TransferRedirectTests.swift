import Foundation
import ModelStore
import TestSupport
import Testing

@Suite("Redirects of downloads")
struct TransferRedirectTests {
  let base: TransferTests
  init() throws { base = try TransferTests() }

  @Test(
    "every kind of redirect is followed, relative ones too",
    arguments: ["away,ok", "away-301,ok", "away-303,ok", "away-307,ok", "away-308,ok", "relative,ok"])
  func followed(script: String) throws {
    let (_, log) = try base.fetch(script)
    #expect(log.map(\.server) == ["first", script.hasPrefix("away") ? "other" : "first"])
    try base.expectComplete()
  }

  @Test("a token goes to its own server, after a redirect within it too")
  func tokenAtHome() throws {
    let (_, log) = try base.fetch("relative,ok", token: "hf_secret")
    #expect(log.map(\.authorization) == ["Bearer hf_secret", "Bearer hf_secret"])
  }

  @Test("a token never goes to another port, nor back home from there")
  func tokenAway() throws {
    let (_, log) = try base.fetch("away,home,ok", token: "hf_secret")
    #expect(log.map(\.server) == ["first", "other", "first"])
    #expect(log.map(\.authorization) == ["Bearer hf_secret", nil, nil])
  }

  @Test("a token never goes to another name of the same machine")
  func tokenToOtherName() throws {
    let (_, log) = try base.fetch("localhost,ok", token: "hf_secret")
    #expect(log.map(\.authorization) == ["Bearer hf_secret", nil])
  }

  @Test("a password in the address goes to its own server only")
  func password() throws {
    let id = UUID().uuidString
    let address = try WebAddress(
      "http://me:pass@127.0.0.1:\(base.server.ports[0])/do/\(id)/relative,away,ok/x?size=9")
    let download = Download(address: address, path: base.folder.path("x"))
    _ = try Downloader(settings: base.pauses.settings).fetch([download])
    let basic = "Basic " + Data("me:pass".utf8).base64EncodedString()
    #expect(try base.server.log(id).map(\.authorization) == [basic, basic, nil])
    #expect(!address.shown.contains("pass"))
  }

  @Test("a redirected download is resumed from its first address, with the token")
  func resumed() throws {
    let (_, log) = try base.fetch("away,drop-5000,away,ok", token: "hf_secret")
    #expect(log.map(\.server) == ["first", "other", "first", "other"])
    #expect(log.map(\.authorization) == ["Bearer hf_secret", nil, "Bearer hf_secret", nil])
    #expect(log[3].range == "bytes=5000-")
    try base.expectComplete()
  }

  @Test("a circle ends after the limit")
  func circle() throws {
    let (error, count) = try base.failure("relative")
    #expect(error.reason == .tooManyRedirects(limit: 10))
    #expect(count == 11)
  }

  @Test("redirects to other schemes, and to nowhere, are refused", arguments: ["ftp", "file", "nowhere"])
  func refused(script: String) throws {
    let (error, count) = try base.failure(script)
    #expect(count == 1)
    switch error.reason {
    case .redirect(_, let why): #expect(why == "is no http or https address")
    case .badResponse: #expect(script == "nowhere")
    default: Issue.record("\(error)")
    }
  }

  @Test(
    "a token is not sent unencrypted to another machine, and no line end hides in it",
    arguments: ["http://example.com/x", "http://10.0.0.1/x", "http://127.0.0.1.example.com/x"])
  func unencrypted(text: String) throws {
    let address = try WebAddress(text)
    let error = #expect(throws: TransferError.self) {
      try Downloader().fetch([
        Download(address: address, path: base.folder.path("x"), bearerToken: "hf_secret")
      ])
    }
    #expect(error?.message.contains("not encrypted") == true)
    #expect(error?.message.contains("hf_secret") == false)
    let broken = #expect(throws: TransferError.self) {
      let home = try WebAddress(base.server.endpoint + "/x")
      _ = try Downloader().fetch([
        Download(address: home, path: base.folder.path("x"), bearerToken: "a\r\nX: b")
      ])
    }
    #expect(broken?.kind == .usage)
  }
}

@Suite("Encrypted downloads")
struct TransferEncryptionTests {
  let server: TransferServer
  let certificate: String
  let folder: TemporaryFolder

  init() throws {
    _ = try TransferServer.running()
    folder = try TemporaryFolder()
    certificate = folder.path("certificate.pem")
    let made = try Spawn.run(
      "/usr/bin/env",
      [
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-days",
        "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout",
        folder.path("key.pem"),
        "-out", certificate,
      ])
    if made.exitCode != 0 { try Test.cancel("needs openssl to make a certificate") }
    server = try TransferServer.start(certificate: [certificate, folder.path("key.pem")])
  }

  func fetch(_ script: String, trusting: String?, token: String? = nil) throws -> (DownloadedFile, String) {
    let id = UUID().uuidString
    var settings = Pauses().settings
    settings.certificateFile = trusting
    let address = try WebAddress("https://127.0.0.1:\(server.ports[2])/do/\(id)/\(script)/x?size=3000")
    let download = Download(address: address, path: folder.path("x"), bearerToken: token)
    return (try #require(try Downloader(settings: settings).fetch([download]).first), id)
  }

  @Test("a certificate that nobody vouches for ends it at once; a trusted one does not")
  func trust() throws {
    let error = #expect(throws: TransferError.self) { try fetch("ok", trusting: nil) }
    #expect(error?.attemptCount == 1)
    #expect(error?.message.lowercased().contains("certificate") == true)
    #expect(try fetch("ok", trusting: certificate).0.byteCount == 3000)
  }

  @Test("a redirect from https to http is refused, and the token stays")
  func downgrade() throws {
    let error = #expect(throws: TransferError.self) {
      try fetch("home", trusting: certificate, token: "hf_secret")
    }
    guard case .redirect(_, let why)? = error?.reason else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(why.contains("not encrypted"))
  }
}
