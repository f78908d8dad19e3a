import Foundation
import ModelStore
import TestSupport
import Testing

@Suite("Repositories of a model hub")
struct TransferHubTests {
  let server: TransferServer
  let folder: TemporaryFolder
  let settings = Pauses().settings

  init() throws {
    server = try TransferServer.running()
    folder = try TemporaryFolder()
  }

  func repository(_ text: String, token: String? = nil) throws -> HuggingFaceRepository {
    HuggingFaceRepository(try HuggingFaceSource(text), endpoint: server.endpoint + "/", token: token)
  }

  @Test("all files are listed, over several pages, with length and digest")
  func list() throws {
    let listing = try repository("hf:someone/whisper").list(with: Downloader(settings: settings))
    #expect(listing.commit == "0123456789abcdef0123456789abcdef01234567")
    #expect(
      listing.files.map(\.path) == [
        "config.json", "onnx/decoder model.onnx", "onnx/encoder_model.onnx", "onnx/nested/a.bin",
        "tokenizer.json",
      ])
    #expect(listing.files.map(\.byteCount) == [300, 5000, 7000, 0, 900])
    for file in listing.files {
      switch file.digest {
      case .sha256: #expect(file.byteCount >= 5000)
      case .gitBlob: #expect(file.byteCount < 5000)
      case nil: Issue.record("\(file.path) has no digest")
      }
    }
  }

  @Test("a folder of a revision is listed alone")
  func subfolder() throws {
    for text in [
      "hf:someone/whisper@v1/onnx", "hf:someone/whisper@refs/pr/1/onnx/", "hf:someone/whisper/onnx",
    ] {
      let listing = try repository(text).list(with: Downloader(settings: settings))
      #expect(listing.files.count == 3, "\(text)")
    }
  }

  @Test("files arrive with their digests checked, from the other server that large ones are kept on")
  func download() throws {
    let repository = try repository("hf:closed/whisper", token: "hf_test")
    let downloader = try Downloader(settings: settings)
    let listing = try repository.list(with: downloader)
    let downloads = try listing.files.map { file in
      try repository.download(file, of: listing, to: folder.path(file.path))
    }
    let files = try downloader.fetch(downloads)
    for (file, listed) in zip(files, listing.files) {
      #expect(file.byteCount == listed.byteCount)
      #expect(try folder.read(listed.path) == TransferServer.content(listed.byteCount))
    }
    for request in try server.log("hub") where request.server == "other" {
      #expect(request.authorization == nil)
    }
    let again = try downloader.fetch(downloads)
    #expect(again.allSatisfy { $0.origin == .alreadyThere })
  }

  @Test(
    "what may not be read or is not there is an error with advice",
    arguments: [
      ("hf:closed/whisper", nil, 401, "HF_TOKEN"),
      ("hf:closed/whisper", "hf_wrong", 401, "token in HF_TOKEN"),
      ("hf:gated/whisper", "hf_test", 403, "terms"), ("hf:nobody/whisper", nil, 404, "check owner"),
      ("hf:someone/whisper@v9", nil, 404, "revision"),
    ] as [(String, String?, Int, String)])
  func refused(text: String, token: String?, status: Int, advice: String) throws {
    let error = #expect(throws: TransferError.self) {
      try repository(text, token: token).list(with: Downloader(settings: settings))
    }
    #expect(error?.message.contains("answered \(status)") == true)
    #expect(error?.message.contains(advice) == true)
    #expect(error?.message.contains("hf_wrong") == false)
  }

  @Test("a listed path that climbs out is refused")
  func evil() throws {
    let error = #expect(throws: TransferError.self) {
      try repository("hf:evil/whisper").list(with: Downloader(settings: settings))
    }
    #expect(error?.message.contains("climbs out") == true)
  }

  @Test(
    "sources are read, and written as they are read",
    arguments: [
      ("hf:a/b", "main", "", "hf:a/b"), ("hf:a/b@v1.0", "v1.0", "", "hf:a/b@v1.0"),
      ("hf:a/b/onnx/fp16", "main", "onnx/fp16", "hf:a/b/onnx/fp16"), ("hf:a/b@x/y/", "x", "y", "hf:a/b@x/y"),
      ("hf:a/b@refs/pr/7/y", "refs/pr/7", "y", "hf:a/b@refs/pr/7/y"),
      ("hf:a/b@feature%2Fx/y", "feature/x", "y", "hf:a/b@feature/x/y"),
    ])
  func source(text: String, revision: String, folder: String, written: String) throws {
    let source = try HuggingFaceSource(text)
    #expect(source.repository == "a/b")
    #expect(source.revision == revision)
    #expect(source.folder == folder)
    #expect(source.description == written)
  }

  @Test(
    "what names no repository is refused",
    arguments: [
      "a/b", "hf:", "hf:a", "hf:a/", "hf:/b", "hf:../b", "hf:a/..", "hf:a/b@", "hf:a/b@/x", "hf:a/b/../c",
      "hf:a/b//c", "hf:a b/c", "hf:a/b?x=1",
    ])
  func badSource(text: String) {
    let error = #expect(throws: TransferError.self) { try HuggingFaceSource(text) }
    #expect(error?.kind == .usage)
  }
}

@Suite("Addresses of downloads")
struct TransferAddressTests {
  @Test(
    "an address is taken apart",
    arguments: [
      ("https://Example.COM/a/b.zip?x=1#top", "example.com", 443, "https://example.com/a/b.zip", "b.zip"),
      ("http://example.com:8080", "example.com", 8080, "http://example.com:8080/", nil),
      ("HTTPS://me:secret@example.com:443/a%20b", "example.com", 443, "https://example.com/a%20b", "a b"),
      ("http://[::1]:9/x/", "[::1]", 9, "http://[::1]:9/x/", nil),
      (
        "https://example.com/modèle.onnx", "example.com", 443, "https://example.com/mod%C3%A8le.onnx",
        "modèle.onnx"
      ),
      ("https://example.com/%2e%2e", "example.com", 443, "https://example.com/%2e%2e", nil),
      ("https://example.com/a%2Fb", "example.com", 443, "https://example.com/a%2Fb", nil),
      ("https://a@b@example.com?q=@", "example.com", 443, "https://example.com/", nil),
    ] as [(String, String, Int, String, String?)])
  func parts(text: String, host: String, port: Int, shown: String, name: String?) throws {
    let address = try WebAddress(text)
    #expect(address.host == host)
    #expect(address.port == port)
    #expect(address.shown == shown)
    #expect(address.fileName == name)
  }

  @Test(
    "what parsers may disagree about is refused, and its secrets are not shown",
    arguments: [
      "ftp://example.com/x", "file:///etc/passwd", "example.com/x", "https://", "https:///x",
      "https://exa mple.com/",
      "https://example.com\\@evil.com/", "https://example.com:99999/", "https://example.com:/",
      "https://[::1/",
      "https://example.com:8x/", "https://пример.example/", "https://me:secret@exa%6dple.com/",
      "https://a.com/\r\nX: y",
    ])
  func refused(text: String) {
    let error = #expect(throws: TransferError.self) { try WebAddress(text) }
    #expect(error?.kind == .usage)
    #expect(error?.message.contains("secret") == false)
  }
}
