import Foundation
import JSONDocuments
import ModelStore
import TestSupport
import Testing

@Suite("Manifest: reading entries")
struct ManifestReadingTests {
  static let guide = """
    {
      "whisper_large_encoder": {
        "path": "models/whisper_large_onnx/encoder/whisper_encoder.onnx",
        "ep": ["QNN", "CPU"],
        "input": "audio_16k_mono",
        "quant": "fp32",
        "description": "Encoder Whisper Large original (não quantizado)",
        "version": "3.0",
        "size_mb": 1500,
        "latency_target_ms": 500
      }
    }
    """

  private func manifest(_ text: String) throws -> Manifest {
    try Manifest(Array(text.utf8), path: "m.json")
  }

  @Test("The guide's entry is read in full")
  func guideEntry() throws {
    let entry = try manifest(Self.guide).entry("whisper_large_encoder")
    #expect(entry.path == "models/whisper_large_onnx/encoder/whisper_encoder.onnx")
    #expect(entry.providers == ["QNN", "CPU"] && entry.input == "audio_16k_mono" && entry.quant == "fp32")
    #expect(entry.description == "Encoder Whisper Large original (não quantizado)" && entry.version == "3.0")
    #expect(entry.sizeMB == 1500 && entry.latencyTargetMS == 500)
    #expect(entry.sha256 == nil && entry.files.isEmpty && entry.layout == nil && entry.scheme == nil)
    #expect(entry.members.count == 8)
    #expect(try manifest(Self.guide).fieldProblems(of: "whisper_large_encoder").isEmpty)
  }

  @Test("What is no entry is left alone: marked keys, plain values")
  func strangers() throws {
    let text =
      #"{"$schema": "s.json", "_note": {"path": 1}, "a": {"path": "x"}, "version": 2, "b": {"path": "y"}}"#
    let read = try manifest(text)
    #expect(read.keys == ["a", "b"])
    #expect(read.strangers.map(\.key) == ["version"])
    #expect(try read.entry("b").path == "y")
  }

  @Test(
    "A field that is not what it should be is named with its place",
    arguments: [
      (#""path": 3"#, "a number", "path of a model"), (#""path": """#, "empty", "path"),
      (#""ep": "QNN""#, "a string", "list of provider names"), (#""ep": []"#, "an empty list", "list"),
      (#""ep": ["QNN", 1]"#, "a number in it", "list"), (#""size_mb": "1500""#, "a string", "a number"),
      (#""size_mb": -1"#, "-1", "0 or more"), (#""latency_target_ms": null"#, "null", "a number"),
      (#""latency_target_ms": 1e999"#, "1e999", "a number"), (#""quant": true"#, "true or false", "a string"),
      (#""sha256": "abc""#, "\"abc\"", "64 hexadecimal digits"),
      (#""files": [{"bytes": 1}]"#, "bytes", "list of"),
      (#""files": {"path": "x"}"#, "an object", "list of"), (#""version": 3.0"#, "a number", "a string"),
    ])
  func badField(field: String, found: String, expected: String) throws {
    let text = "{\n  \"a\": {\n    \"path\": \"x\",\n    \"note\": 1\n  },\n  \"b\": {\n    \(field)\n  }\n}"
    let read = try manifest(text)
    #expect(try read.entry("a").path == "x")
    let error = try #require(throws: ManifestError.self) { try read.entry("b") }
    #expect(error.message.hasPrefix("m.json: line 7, column "), "\(error.message)")
    for word in [found, expected, "of \"b\""] { #expect(error.message.contains(word), "\(error.message)") }
    #expect(read.fieldProblems(of: "b").contains(error))
  }

  @Test("A missing path, an entry that is no object and an unknown key each have their sentence")
  func otherErrors() throws {
    let read = try manifest(#"{"whisper_encoder": {"ep": ["CPU"]}, "n": 3}"#)
    #expect(throws: ManifestError.self) { try read.entry("whisper_encoder") }
    let plain = try #require(throws: ManifestError.self) { try read.entry("n") }
    #expect(plain.message.contains("is a number; expected an object"))
    let near = try #require(throws: ManifestError.self) { try read.entry("whisper_encodr") }
    #expect(near.message.contains("did you mean \"whisper_encoder\"?"))
    let far = try #require(throws: ManifestError.self) { try read.entry("zzz") }
    #expect(far.message.contains("whisperq manifest list"))
    for (text, word) in [("[]", "a list"), ("3", "a number"), ("\"x\"", "a string"), ("{", "ends inside")] {
      let error = try #require(throws: ManifestError.self) { try manifest(text) }
      #expect(error.message.hasPrefix("m.json: ") && error.message.contains(word), "\(error.message)")
    }
  }

  @Test(
    "Values from a command line are typed",
    arguments: [
      (ManifestField.ep, "QNN, CPU", "[\"QNN\", \"CPU\"]"), (.ep, #"["CPU"]"#, "[\"CPU\"]"),
      (.sizeMB, "1.50", "1.50"), (.latencyTarget, "200", "200"), (.quant, "int8", "\"int8\""),
      (.version, "3.0", "\"3.0\""), (.description, "", "\"\""),
      (.sha256, String(repeating: "AB", count: 32), "\"" + String(repeating: "ab", count: 32) + "\""),
    ])
  func typedValue(field: ManifestField, text: String, expected: String) throws {
    #expect(try field.value(from: text).text() == expected)
  }

  @Test(
    "Values that do not fit are refused with what was expected",
    arguments: [
      (ManifestField.ep, ""), (.ep, "[1]"), (.sizeMB, "big"), (.sizeMB, "-3"), (.sizeMB, "1,5"),
      (.sha256, "12"),
      (.latencyTarget, "NaN"), (.files, "x"), (.path, ""), (.quant, ""),
    ])
  func badValue(field: ManifestField, text: String) throws {
    let error = try #require(throws: ManifestError.self) { try field.value(from: text) }
    #expect(error.message.contains("\(field.rawValue)=\(text) does not fit; expected "), "\(error.message)")
  }

  @Test("Providers have one short and one full name, however they are written")
  func providers() {
    #expect(ProviderNames.full("QNN") == "QNNExecutionProvider")
    #expect(ProviderNames.full("qnnexecutionprovider") == "QNNExecutionProvider")
    #expect(ProviderNames.full("DirectML") == "DmlExecutionProvider")
    #expect(ProviderNames.full("TensorRT") == "TensorrtExecutionProvider")
    #expect(ProviderNames.full("GPU") == nil && ProviderNames.short("") == nil)
    #expect(ProviderNames.known.allSatisfy { ProviderNames.short($0) == $0 })
  }
}

@Suite("Manifest: the file")
struct ManifestFileTests {
  private let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  private func add(_ key: String, to path: String) throws {
    try ManifestFile(path: path).edit(absence: .isCreated) { manifest throws(ManifestError) in
      try manifest.add(key, [JSONMember("path", .string("x.onnx"))])
    }
  }

  @Test("A missing file and missing folders are made by an addition, and by nothing else")
  func creation() throws {
    let path = folder.path("a/b/manifest.json")
    let error = try #require(throws: ManifestError.self) {
      try ManifestFile(path: path).edit { manifest throws(ManifestError) in try manifest.remove("x") }
    }
    #expect(error.message.contains("there is no such file"))
    #expect(try folder.names() == [])
    try add("k", to: path)
    #expect(
      try folder.read("a/b/manifest.json") == Array("{\n  \"k\": {\n    \"path\": \"x.onnx\"\n  }\n}\n".utf8))
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path("a/b")) == ["manifest.json"])
  }

  @Test("A symbolic link stays one, and the file behind it changes; a link to nothing makes the file")
  func links() throws {
    for (number, isThere) in [true, false].enumerated() {
      let real = "real\(number)/m.json"
      try FileManager.default.createDirectory(
        atPath: folder.path("real\(number)"), withIntermediateDirectories: false)
      if isThere { try folder.write(Array("{\"a\": {}}".utf8), to: real) }
      let link = folder.path("link\(number)")
      try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: real)
      try add("k", to: link)
      #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link) == real)
      #expect(try Manifest(folder.read(real), path: "m").contains("k"))
    }
    try FileManager.default.createSymbolicLink(atPath: folder.path("loop"), withDestinationPath: "loop")
    #expect(throws: ManifestError.self) { try add("k", to: folder.path("loop")) }
  }

  @Test("Permissions of the file stay")
  func permissions() throws {
    let path = try folder.write(Array("{}".utf8), to: "m.json")
    try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: path)
    try add("k", to: path)
    let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    #expect(mode == 0o640)
  }

  @Test("A folder in the place of the file, and folders that take no file, are refused with the reason")
  func impossiblePlaces() throws {
    let inFolder = try #require(throws: ManifestError.self) { try add("k", to: folder.path) }
    #expect(inFolder.message.contains("expected a regular file"))
    #if os(Linux)
      let error = try #require(throws: ManifestError.self) { try add("k", to: "/proc/manifest.json") }
      #expect(error.message.hasPrefix("/proc/manifest.json: "), "\(error.message)")
    #endif
  }

  @Test("A file or folder that may not be written to is refused with the reason, and stays")
  func readOnly() throws {
    let path = try folder.write(Array("{}".utf8), to: "sub/m.json")
    try FileManager.default.setAttributes([.posixPermissions: 0o444], ofItemAtPath: path)
    if FileManager.default.isWritableFile(atPath: path) {
      try Test.cancel("needs a user whom permissions bind, not the superuser")
    }
    let file = try #require(throws: ManifestError.self) { try add("k", to: path) }
    #expect(file.message.contains("read-only"), "\(file.message)")
    try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
    try FileManager.default.setAttributes([.posixPermissions: 0o555], ofItemAtPath: folder.path("sub"))
    defer {
      try? FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder.path("sub"))
    }
    let inFolder = try #require(throws: ManifestError.self) { try add("k", to: path) }
    #expect(inFolder.message.contains("cannot create it"), "\(inFolder.message)")
    #expect(try folder.read("sub/m.json") == Array("{}".utf8))
  }

  @Test("An edit that fails or changes nothing writes nothing")
  func nothingToWrite() throws {
    let text = Array("{ \"a\" : {\"path\":\"x\"} }".utf8)
    let path = try folder.write(text, to: "m.json")
    let before = try FileManager.default.attributesOfItem(atPath: path)[.systemFileNumber] as? Int
    #expect(throws: ManifestError.self) { try add("a", to: path) }
    try ManifestFile(path: path).edit { manifest throws(ManifestError) in
      try manifest.set([JSONMember("path", .string("x"))], of: "a")
    }
    #expect(try folder.read("m.json") == text)
    #expect(try FileManager.default.attributesOfItem(atPath: path)[.systemFileNumber] as? Int == before)
  }

  @Test("A temporary file that a killed program left behind is replaced by the next edit")
  func leftover() throws {
    try folder.write(Array("{\"half".utf8), to: ".m.json.partial")
    try add("k", to: folder.path("m.json"))
    #expect(try folder.names() == ["m.json"])
  }

  @Test("Many threads that add at the same time lose nothing")
  func threads() async throws {
    let path = folder.path("m.json")
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<40 { group.addTask { try self.add("k\(number)", to: path) } }
      try await group.waitForAll()
    }
    #expect(try Set(ManifestFile(path: path).read().keys) == Set((0..<40).map { "k\($0)" }))
    #expect(try folder.names() == ["m.json"])
  }

  @Test(
    "Keys that no command line or file system would like are refused",
    arguments: ["", "$x", "_x", "-x", "a/b", "a\nb", String(repeating: "k", count: 201)])
  func badKeys(key: String) throws {
    #expect(throws: ManifestError.self) { try add(key, to: folder.path("m.json")) }
    #expect(try folder.names() == [])
  }
}

@Suite("Manifest: what paths are relative to")
struct ManifestPathsTests {
  private let folder: TemporaryFolder
  init() throws {
    folder = try TemporaryFolder()
    for name in ["models/w/e.onnx", "models/only.onnx", "w2/d.onnx", "both.onnx", "models/both.onnx"] {
      try folder.write([1], to: name)
    }
  }

  @Test("A path counts from the folder above the manifest's, as in the guide, or from the manifest's own")
  func resolving() {
    let paths = ManifestPaths(manifestPath: folder.path("models/manifest.json"))
    #expect(paths.resolve("models/w/e.onnx") == folder.path("models/w/e.onnx"))
    #expect(paths.resolve("w2/d.onnx") == folder.path("w2/d.onnx"))
    #expect(paths.resolve("only.onnx") == folder.path("models/only.onnx"))
    #expect(paths.resolve("both.onnx") == folder.path("both.onnx"))
    #expect(paths.resolve("none.onnx") == folder.path("none.onnx"))
    #expect(paths.resolve("/none.onnx") == "/none.onnx")
  }

  @Test("The path that is written for a file leads back to it")
  func writing() {
    let usual = ManifestPaths(manifestPath: folder.path("models/manifest.json"))
    #expect(usual.path(for: folder.path("models/w/e.onnx")) == "models/w/e.onnx")
    #expect(usual.path(for: folder.path("models/w/../w/e.onnx")) == "models/w/e.onnx")
    // Relative to the project this name is another file.
    #expect(usual.path(for: folder.path("models/both.onnx")) == "models/both.onnx")
    let beside = ManifestPaths(manifestPath: folder.path("manifest.json"))
    #expect(beside.path(for: folder.path("w2/d.onnx")) == "w2/d.onnx")
    let elsewhere = ManifestPaths(manifestPath: folder.path("a/b/c/manifest.json"))
    let absolute = elsewhere.path(for: folder.path("w2/d.onnx"))
    #expect(absolute.hasPrefix("/") && absolute.hasSuffix("/w2/d.onnx"))
  }
}
