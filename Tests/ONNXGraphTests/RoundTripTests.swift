import ByteIO
import Foundation
import ONNXFile
import ONNXGraph
import Tensors
import TestSupport
import Testing

@Suite("Lifting and lowering change nothing")
struct RoundTripTests {
  /// What lowering gives for a model whose external initializers become raw data, as `lower` documents.
  private func expected(_ model: ModelProto, _ files: ExternalDataFiles) throws -> [UInt8] {
    var model = model
    try model.graph?.resolveInitializers(files)
    return model.serialized()
  }

  private func models(under root: String) -> [String] {
    let names = FileManager.default.enumerator(atPath: root)?.compactMap { $0 as? String } ?? []
    return names.filter { $0.hasSuffix(".onnx") }.sorted().map { root + "/" + $0 }
  }

  @Test("every layout in which Whisper is exported comes back byte for byte")
  func layouts() throws {
    let paths = models(under: PackageRoot.path("Tests/Resources/layouts"))
    try #require(paths.count > 20)
    for path in paths {
      let model = try ModelReader.read(path: path)
      let files = ExternalDataFiles(modelPath: path)
      let lowered = try ModelGraph.lift(model, external: files).lower()
      #expect(try lowered.serialized() == expected(model, files), "\(path)")
    }
  }

  @Test("ONNX Runtime's test graphs come back byte for byte, or the reason is a fault of the model")
  func foreignGraphs() throws {
    let paths = try SharedData.paths(under: "onnx-graphs", suffix: ".onnx")
    var readCount = 0
    var equalCount = 0
    for path in paths {
      guard let model = try? ModelReader.read(path: path) else { continue }
      readCount += 1
      let files = ExternalDataFiles(modelPath: path)
      do {
        let lowered = try ModelGraph.lift(model, external: files).lower()
        #expect(try lowered.serialized() == expected(model, files), "\(path)")
        equalCount += 1
      } catch let error as LiftError {
        print("  refused: \(error.message.replacingOccurrences(of: SharedData.folder, with: "…"))")
        try confirm(error, of: model, files)
      }
    }
    print(
      "ONNX Runtime's test graphs: \(readCount) of \(paths.count) read, \(equalCount) lift and lower byte-equal"
    )
    #expect(readCount == paths.count)
    #expect(equalCount * 100 >= readCount * 98)
  }

  /// Looks in the messages themselves whether the model has the fault that it was refused for.
  private func confirm(_ error: LiftError, of model: ModelProto, _ files: ExternalDataFiles) throws {
    switch error {
    case .graph(let error):
      guard case .duplicateValue(let name, _) = error.reason else {
        Issue.record("\(error.message)")
        return
      }
      let produced = model.graph?.node.flatMap(\.output) ?? []
      let stored = model.graph?.initializer.compactMap(\.name) ?? []
      #expect((produced + stored).count { $0 == name } > 1, "\(error.message)")
    case .file(let error):
      guard case .externalFile(_, let cause) = error.reason else {
        Issue.record("\(error.message)")
        return
      }
      #expect(!FileManager.default.fileExists(atPath: cause.path), "\(error.message)")
      let noted = try ModelGraph.lift(model, external: files, tensors: .noted)
      #expect(!noted.problems.isEmpty)
      #expect(noted.lower().serialized() == model.serialized(), "\(error.path)")
    }
  }
}

extension GraphProto {
  /// Puts external initializers inside, in this graph and those in its nodes.
  fileprivate mutating func resolveInitializers(_ files: ExternalDataFiles) throws {
    initializer = try initializer.map { tensor in
      guard tensor.dataLocation == 1 else { return tensor }
      var inside = tensor
      inside.rawData = try TensorContent(tensor, external: files).bytes
      inside.dataLocation = nil
      inside.externalData = []
      return inside
    }
    for (place, message) in node.enumerated() {
      for (index, attribute) in message.attribute.enumerated() {
        if var inner = attribute.g?.value {
          try inner.resolveInitializers(files)
          node[place].attribute[index].g = Boxed(inner)
        }
        for (number, inner) in attribute.graphs.enumerated() {
          var inner = inner
          try inner.resolveInitializers(files)
          node[place].attribute[index].graphs[number] = inner
        }
      }
    }
  }
}
