import ByteIO
import Foundation
import ModelStore
import TestSupport
import Testing

@Suite("Sources of layouts")
struct LayoutSourceTests {
  @Test("Words are told apart: repository, address, folder, archive, file")
  func kinds() throws {
    let folder = try TemporaryFolder()
    try folder.write([0x50, 0x4B, 3, 4, 0], to: "named_otherwise.bin")
    try folder.write([1, 2, 3, 4], to: "model.onnx")
    guard case .huggingFace(let place) = try LayoutSource("hf:owner/repo@v1/onnx") else {
      Issue.record("no repository")
      return
    }
    #expect(place.repository == "owner/repo")
    guard case .web = try LayoutSource("HTTPS://host/a.zip"),
      case .web = try LayoutSource("http://host/a.zip"),
      case .folder = try LayoutSource(folder.path),
      case .archive = try LayoutSource(folder.path("named_otherwise.bin")),
      case .file = try LayoutSource(folder.path("model.onnx"))
    else {
      Issue.record("a word was taken for something else")
      return
    }
  }

  @Test(
    "Words that are no source say why",
    arguments: [
      ("no/such/path", "there is no such file"), ("ftp://host/a.zip", "http or https"),
      ("hf:justone", "hf:OWNER/REPO"),
      ("/dev/null", "a device or pipe"),
    ])
  func refused(word: String, part: String) {
    let error = #expect(throws: LayoutError.self) { _ = try LayoutSource(word) }
    #expect(error?.message.contains(part) == true, "\(error?.message ?? "")")
  }

  @Test("What belongs to a model is told by name")
  func sidecars() {
    for name in ["tokenizer.json", "tiny-tokens.txt", "LICENSE", "license.md", "LICENCE.txt", "merges.txt"] {
      #expect(SidecarNames.contains(name), "\(name)")
    }
    for name in ["genai_config.json", "README.md", "tokenizer.json.bak", "licenses", "model.onnx", ""] {
      #expect(!SidecarNames.contains(name), "\(name)")
    }
  }

  private func archive(_ folder: TemporaryFolder) throws -> String {
    let script = """
      import sys, zipfile
      with zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_DEFLATED) as archive:
          for name in ("w/a.onnx", "w/config.json", "__MACOSX/w/._a.onnx", ".hidden/b.onnx"):
              archive.writestr(name, name * 100)
      """
    let path = folder.path("a.zip")
    let result = try Spawn.run("/usr/bin/env", ["python3", "-c", script, path])
    if result.exitCode != 0 { try Test.cancel("needs Python 3 to make an archive") }
    return path
  }

  @Test("Files of an archive are listed without hidden ones, brought once, and gone in the end")
  func collected() throws {
    let folder = try TemporaryFolder()
    let models = folder.path("models")
    let source = try LayoutSource(archive(folder))
    let collector = SourceCollector(
      [source], modelsFolder: models, settings: CollectorSettings(), observer: StoreObserver())
    let listing = try collector.list(.bring)
    #expect(listing[0].files.map(\.path) == ["w/a.onnx", "w/config.json"])
    #expect(!FileManager.default.fileExists(atPath: models))
    try collector.bring([listing[0].files[0]])
    let path = try collector.path(of: listing[0].files[0])
    #expect(
      FileManager.default.contents(atPath: path) == Data(String(repeating: "w/a.onnx", count: 100).utf8))
    #expect(try !FileManager.default.fileExists(atPath: collector.path(of: listing[0].files[1])))
    let before = try FileManager.default.attributesOfItem(atPath: path)[.systemFileNumber] as? Int
    try collector.bring(listing[0].files)
    #expect(try FileManager.default.attributesOfItem(atPath: path)[.systemFileNumber] as? Int == before)
    try collector.finish()
    #expect(try FileManager.default.contentsOfDirectory(atPath: models).isEmpty)
  }

  @Test("Links in a folder are passed over with a note, and taken when they are trusted")
  func links() throws {
    let folder = try TemporaryFolder()
    try folder.write([1], to: "real/model.onnx")
    try folder.write([1], to: "source/other.onnx")
    try folder.write([1], to: "source/.hidden.onnx")
    try FileManager.default.createSymbolicLink(
      atPath: folder.path("source/linked.onnx"), withDestinationPath: folder.path("real/model.onnx"))
    try FileManager.default.createSymbolicLink(
      atPath: folder.path("source/up"), withDestinationPath: folder.path("real"))
    try FileManager.default.createSymbolicLink(
      atPath: folder.path("source/circle"), withDestinationPath: folder.path("source"))
    func list(_ settings: CollectorSettings) throws -> SourceListing {
      try SourceCollector(
        [LayoutSource(folder.path("source"))], modelsFolder: folder.path("models"), settings: settings,
        observer: StoreObserver()
      ).list(.look)[0]
    }
    let careful = try list(CollectorSettings())
    #expect(careful.files.map(\.path) == ["other.onnx"])
    #expect(careful.notes.count == 2 && careful.notes.allSatisfy { $0.contains("--follow-links") })
    var trusting = CollectorSettings()
    trusting.links = .follow
    #expect(try list(trusting).files.map(\.path) == ["linked.onnx", "other.onnx", "up/model.onnx"])
  }
}
