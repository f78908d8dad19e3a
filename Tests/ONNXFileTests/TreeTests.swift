import ByteIO
import Foundation
import ONNXFile
import Tensors
import TestSupport
import Testing

@Suite("Models mean the same to other decoders")
struct TreeTests {
  /// Reads a file, compares it with another decoder's text, and writes and reads it again. Returns the bytes
  /// that were written.
  private func check(
    _ path: String, against theirs: String?, sourceLocation: SourceLocation = #_sourceLocation
  )
    throws -> [UInt8]
  {
    let model = try ModelReader.read(path: path)
    let ours = ModelTree.text(of: model)
    if let theirs {
      let difference = firstDifference(ours, theirs)
      #expect(difference == nil, "\(path): \(difference ?? "")", sourceLocation: sourceLocation)
    }
    let written = model.serialized()
    let again = try ModelReader.read(MappedFile(copying: written, name: path))
    let difference = firstDifference(ModelTree.text(of: again), ours)
    #expect(difference == nil, "\(path), written: \(difference ?? "")", sourceLocation: sourceLocation)
    return written
  }

  private func bytes(_ path: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(filePath: path))) }

  /// All files must read as libprotobuf-c reads them, and must be written byte for byte where Python's onnx
  /// does so.
  private func checkAll(
    _ paths: [String], _ what: String, sourceLocation: SourceLocation = #_sourceLocation
  )
    throws
  {
    try #require(!paths.isEmpty, sourceLocation: sourceLocation)
    let answers = try DecoderOracle.parsable(paths, sourceLocation: sourceLocation)
    let trees = try DecoderOracle.trees(of: paths, sourceLocation: sourceLocation)
    var parsed = 0
    var compared = 0
    var same = 0
    for (index, path) in paths.enumerated() where answers[index] != .no {
      let written = try check(path, against: trees[index], sourceLocation: sourceLocation)
      parsed += 1
      if trees[index] != nil { compared += 1 }
      let isSame = try written == bytes(path)
      if isSame { same += 1 }
      if answers[index] == .same {
        #expect(isSame, "\(path): not written byte for byte", sourceLocation: sourceLocation)
      }
    }
    print(
      "\(what): \(paths.count) files, \(parsed) that Python's onnx reads: all read; \(compared) compared with "
        + "libprotobuf-c; \(same) written byte for byte")
  }

  @Test("a model with every field of every message reads as libprotobuf-c reads it")
  func everyField() throws {
    let folder = try DecoderOracle.everyFieldModels()
    let path = folder.path("every-field.onnx")
    let tree = try #require(try DecoderOracle.trees(of: [path])[0])
    #expect(try check(path, against: tree) == folder.read("every-field.onnx"))
  }

  @Test("a model with groups and unexpected wire types reads as Python's protobuf reads it")
  func oddWire() throws {
    let folder = try DecoderOracle.everyFieldModels()
    let path = folder.path("odd-wire.onnx")
    let tree = try #require(try DecoderOracle.pythonTrees(of: [path])[0])
    #expect(try check(path, against: tree) == folder.read("odd-wire.onnx"))
  }

  @Test("hundreds of small graphs of many exporters read and write as by other decoders")
  func sharedGraphs() throws {
    try checkAll(try SharedData.paths(under: "onnx-graphs", suffix: ".onnx"), "shared graphs")
  }

  @Test("real models read and write as by other decoders")
  func sharedModels() throws {
    let paths =
      try SharedData.paths(under: "whisper-tiny.en", suffix: ".onnx")
      + SharedData.paths(under: "digits", suffix: ".onnx")
    try checkAll(paths, "shared models")
  }

  @Test("all layouts in which Whisper is exported read and write as by other decoders")
  func layouts() throws {
    let root = PackageRoot.path("Tests/Resources/layouts")
    let names = FileManager.default.enumerator(atPath: root)?.compactMap { $0 as? String } ?? []
    try checkAll(names.filter { $0.hasSuffix(".onnx") }.sorted().map { root + "/" + $0 }, "layouts")
  }

  @Test("typed data of every element type has the bytes of raw data")
  func elementTypes() throws {
    let folder = try DecoderOracle.everyFieldModels()
    let path = folder.path("types.onnx")
    let graph = try #require(try ModelReader.read(path: path).graph)
    let files = ExternalDataFiles(modelPath: path)
    var seen: Set<ElementType> = []
    for pair in stride(from: 0, to: graph.initializer.count, by: 2) {
      let raw = graph.initializer[pair]
      let typed = graph.initializer[pair + 1]
      let left = try TensorContent(raw, external: files)
      let right = try TensorContent(typed, external: files)
      #expect(left.elementType == right.elementType)
      #expect(left.shape == right.shape)
      #expect(left.bytes.copied() == right.bytes.copied(), "\(raw.name ?? "") and \(typed.name ?? "")")
      seen.insert(left.elementType)
    }
    #expect(seen == Set(ElementType.allCases).subtracting([.string]))
  }
}
