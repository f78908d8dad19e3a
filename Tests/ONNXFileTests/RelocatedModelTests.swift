import ByteIO
import Foundation
import ONNXFile
import TestSupport
import Testing

@Suite("Relocated models")
struct RelocatedModelTests {
  /// What `layout_relocation.py compare` found.
  private struct Comparison: Decodable {
    var isSameMessage: Bool
    var isCanonical: Bool
    var hasSameBytes: Bool

    private enum CodingKeys: String, CodingKey {
      case isSameMessage = "same_message"
      case isCanonical = "is_canonical"
      case hasSameBytes = "same_bytes"
    }
  }

  private func compare(
    _ original: String, _ relocated: String, _ names: [String: String]
  ) throws -> Comparison {
    let text = try PythonOracle.output(
      script: "layout_relocation.py",
      arguments: ["compare", original, relocated] + names.map { "\($0.key)=\($0.value)" }.sorted())
    return try JSONDecoder().decode(Comparison.self, from: Data(text.utf8))
  }

  @Test("Names of data files change wherever they stand, and no other byte, as the onnx package sees it")
  func everywhere() throws {
    let folder = try TemporaryFolder()
    _ = try PythonOracle.output(script: "layout_relocation.py", arguments: ["make", folder.path])
    let names = [
      "w.data": "whisper_encoder.bin", "deep/other.bin": "o", "p.bin": String(repeating: "long", count: 60),
    ]
    let model = try RelocatedModel(try MappedFile(path: folder.path("everywhere.onnx")), renaming: names)
    #expect(model.renamed == Set(names.keys))
    let target = folder.path("new.onnx")
    try model.write(to: target)
    #expect(try folder.read("new.onnx").count == model.byteCount)
    let found = try compare(folder.path("everywhere.onnx"), target, names)
    #expect(found.isSameMessage)
    #expect(found.isCanonical)
    #expect(found.hasSameBytes)
  }

  @Test("A real export keeps every byte but the names; renaming back gives the old file")
  func realExport() throws {
    let folder = try TemporaryFolder()
    let path = PackageRoot.path("Tests/Resources/layouts/dynamo-external/encoder_model.onnx")
    let original = try MappedFile(path: path)
    let names = ["encoder_model.onnx.data": "whisper_encoder.bin"]
    let target = folder.path("new.onnx")
    let model = try RelocatedModel(original, renaming: names)
    try model.write(to: target)
    #expect(!model.isEqual(to: original))
    #expect(model.isEqual(to: try MappedFile(path: target)))
    let back = try RelocatedModel(
      try MappedFile(path: target), renaming: ["whisper_encoder.bin": "encoder_model.onnx.data"])
    #expect(back.isEqual(to: original))
    let found = try compare(path, target, names)
    #expect(found.isSameMessage)
    #expect(found.hasSameBytes == found.isCanonical)
  }

  @Test("A model that names none of the files stays as it is, byte for byte")
  func untouched() throws {
    let file = try MappedFile(
      path: PackageRoot.path("Tests/Resources/layouts/dynamo-external/encoder_model.onnx"))
    let model = try RelocatedModel(file, renaming: ["other.data": "whisper_encoder.bin"])
    #expect(model.renamed.isEmpty)
    #expect(model.isEqual(to: file))
  }

  /// A length-delimited field.
  private func field(_ number: UInt8, _ content: [UInt8]) -> [UInt8] {
    [number << 3 | 2, UInt8(content.count)] + content
  }

  private func tensor(isExternal: Bool, location: String) -> [UInt8] {
    let entry = field(1, Array("location".utf8)) + field(2, Array(location.utf8))
    return field(13, entry) + (isExternal ? [14 << 3, 1] : [])
  }

  private func relocated(_ model: [UInt8], _ names: [String: String]) throws -> [UInt8] {
    let folder = try TemporaryFolder()
    try RelocatedModel(MappedFile(copying: model, name: "m"), renaming: names).write(
      to: folder.path("m.onnx"))
    return try folder.read("m.onnx")
  }

  @Test("A tensor that only keeps old notes on a file, its data being inside, is left alone")
  func leftover() throws {
    let model = field(7, field(5, tensor(isExternal: false, location: "a")))
    #expect(try relocated(model, ["a": "b"]) == model)
    let external = field(7, field(5, tensor(isExternal: true, location: "a")))
    #expect(
      try relocated(external, ["a": "b"]) == field(7, field(5, tensor(isExternal: true, location: "b"))))
  }

  @Test("Lengths that are written longer than they must be, and unknown fields, stay elsewhere in the file")
  func oddEncoding() throws {
    // Length 1 in two bytes; field 99 is unknown.
    let odd: [UInt8] = [1 << 3 | 2, 0x81, 0x00, 0x41, 0x9A, 0x06, 1, 7]
    let model = odd + field(7, field(5, tensor(isExternal: true, location: "a"))) + odd
    let expected = odd + field(7, field(5, tensor(isExternal: true, location: "bcd"))) + odd
    #expect(try relocated(model, ["a": "bcd"]) == expected)
  }

  @Test("A damaged model is an error that names its byte")
  func damaged() throws {
    let model = field(7, field(5, [13 << 3 | 2, 40, 1]))
    let error = #expect(throws: ONNXFileError.self) {
      _ = try RelocatedModel(MappedFile(copying: model, name: "broken.onnx"), renaming: ["a": "b"])
    }
    #expect(error?.message.contains("broken.onnx: not a readable ONNX model: byte ") == true)
  }

  @Test("Messages nested beyond the limit are an error, not an overflow of the stack")
  func deep() throws {
    // A graph in an attribute of a node in a graph in an attribute, ...
    var inner: [UInt8] = []
    func wrap(_ number: UInt8) {
      var length = inner.count
      var bytes: [UInt8] = []
      while length >= 0x80 {
        bytes.append(UInt8(length & 0x7F) | 0x80)
        length >>= 7
      }
      inner = [number << 3 | 2] + bytes + [UInt8(length)] + inner
    }
    for _ in 0..<200 {
      wrap(6)
      wrap(5)
      wrap(1)
    }
    wrap(7)
    #expect(throws: ONNXFileError.self) {
      _ = try RelocatedModel(MappedFile(copying: inner, name: "deep"), renaming: ["a": "b"])
    }
  }
}
