import ByteIO
import Foundation
import ONNXFile
import Tensors
import TestSupport
import Testing

@Suite("What is written, other programs accept")
struct ModelOutputTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// Reads a model and puts its external initializers inside, as the writer expects them.
  private func resolved(_ path: String) throws -> ModelProto {
    var model = try ModelReader.read(path: path)
    let files = ExternalDataFiles(modelPath: path)
    var problem: (any Error)?
    model.graph?.moveInitializers { tensor in
      guard tensor.dataLocation == 1 else { return }
      do {
        tensor.rawData = try TensorContent(tensor, external: files).bytes
        tensor.dataLocation = nil
        tensor.externalData = []
      } catch {
        problem = error
      }
    }
    if let problem { throw problem }
    return model
  }

  private func write(_ model: ModelProto, to path: String, _ policy: ExternalDataPolicy) throws {
    let output = try ModelOutput(model, path: path, policy: policy)
    for job in output.copyJobs { try output.run(job) }
    try output.commit()
  }

  /// All tensors of a model as text: name, type, shape and bytes.
  private func contents(_ path: String) throws -> [String: [UInt8]] {
    let files = ExternalDataFiles(modelPath: path)
    var result: [String: [UInt8]] = [:]
    try ModelReader.read(path: path).forEachTensor { tensor in
      guard let content = try? TensorContent(tensor, external: files) else { return }
      result["\(tensor.name ?? "") \(content.elementType) \(content.shape)"] = content.bytes.copied()
    }
    return result
  }

  /// Writes each model in both ways and lets onnx.checker and ONNX Runtime compare it with the original.
  private func checkAll(_ paths: [String], _ what: String) throws {
    var pairs: [String] = []
    for (index, path) in paths.enumerated() {
      let model = try resolved(path)
      for policy in [ExternalDataPolicy.never, .always] {
        let written = folder.path("\(policy.rawValue)-\(index)/\(fileName(of: path))")
        try write(model, to: written, policy)
        #expect(try contents(written) == contents(path), "\(path), \(policy.rawValue)")
        pairs += [path, written]
      }
    }
    let output = try PythonOracle.output(script: "check_model.py", arguments: pairs)
    let lines = output.split(separator: "\n").map {
      $0.split(separator: "\t", omittingEmptySubsequences: false)
    }
    try #require(lines.count == pairs.count / 2)
    var counts: [Substring: Int] = [:]
    for line in lines {
      #expect(line[0] == "ok", "\(line.joined(separator: "  "))")
      for step in line[1].split(separator: " ") { counts[step, default: 0] += 1 }
    }
    print(
      "\(what): \(lines.count) written models; onnx.checker passes \(counts["checker"] ?? 0), ONNX Runtime loads "
        + "\(counts["session"] ?? 0) and computes the same in \(counts["outputs"] ?? 0)")
    #expect(counts["session"] ?? 0 > 0)
  }

  @Test("every layout in which Whisper is exported, inside one file and with external data")
  func layouts() throws {
    let root = PackageRoot.path("Tests/Resources/layouts")
    let names = FileManager.default.enumerator(atPath: root)?.compactMap { $0 as? String } ?? []
    try checkAll(names.filter { $0.hasSuffix(".onnx") }.sorted().map { root + "/" + $0 }, "layouts")
  }

  @Test("real models, inside one file and with external data")
  func sharedModels() throws {
    try checkAll(SharedData.paths(under: "whisper-tiny.en", suffix: ".onnx"), "shared models")
  }

  @Test("external data is aligned, named after the model, and has the bytes of the source")
  func externalData() throws {
    let sizes = [1023, 1024, 1025, 70_000, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 2048]
    var random = SplitMix64(seed: 11)
    var model = ModelProto()
    model.irVersion = 8
    var graph = GraphProto()
    graph.initializer = sizes.map { byteTensor("w\($0)", .owned(random.bytes($0))) }
    model.graph = graph
    let path = folder.path("encoder.onnx")
    try write(model, to: path, .always)
    #expect(try folder.names() == ["encoder.onnx", "encoder.onnx.data"])
    let written = try #require(try ModelReader.read(path: path).graph).initializer
    var end = 0
    for (tensor, original) in zip(written, graph.initializer) {
      let size = try #require(original.rawData).byteCount
      guard size >= 1024 else {
        #expect(
          tensor.dataLocation == nil && tensor.externalData.isEmpty && tensor.rawData?.byteCount == size)
        continue
      }
      #expect(tensor.rawData == nil)
      #expect(tensor.externalData.map(\.key) == ["location", "offset", "length"])
      #expect(tensor.externalData[0].value == "encoder.onnx.data")
      #expect(tensor.externalData[2].value == String(size))
      let offset = try #require(tensor.externalData[1].value.flatMap { Int($0) })
      #expect(offset % (size >= 1 << 20 ? 65_536 : 64) == 0)
      #expect(offset >= end)
      end = offset + size
    }
    #expect(try folder.read("encoder.onnx.data").count == end)
    let files = ExternalDataFiles(modelPath: path)
    for (tensor, original) in zip(written, graph.initializer) {
      #expect(try TensorContent(tensor, external: files).bytes.copied() == original.rawData?.copied())
    }
    try files.checkOverlaps()
    #expect(files.opened.map(\.location) == ["encoder.onnx.data"])
  }

  @Test(
    "writing twice gives the same bytes, and the names of the source do not appear",
    arguments: [
      ExternalDataPolicy.never, .always,
    ])
  func deterministic(policy: ExternalDataPolicy) throws {
    let source = PackageRoot.path("Tests/Resources/layouts/dynamo-external/encoder_model.onnx")
    let model = try resolved(source)
    for name in ["a", "b"] { try write(model, to: folder.path("\(name)/m.onnx"), policy) }
    let names = try ByteIO.names(inFolder: folder.path("a"))
    #expect(names == (policy == .always ? ["m.onnx", "m.onnx.data"] : ["m.onnx"]))
    #expect(try ByteIO.names(inFolder: folder.path("b")) == names)
    for name in names { #expect(try folder.read("a/" + name) == folder.read("b/" + name)) }
    let text = try folder.read("a/m.onnx")
    #expect(!text.contains("encoder_model.onnx.data".utf8))
    #expect(text.contains("m.onnx.data".utf8) == (policy == .always))
  }

  @Test("a model is written over its own source, with its external data")
  func overItself() throws {
    let original = PackageRoot.path("Tests/Resources/layouts/dynamo-external/encoder_model.onnx")
    let path = folder.path("encoder_model.onnx")
    for suffix in ["", ".data"] {
      try FileManager.default.copyItem(atPath: original + suffix, toPath: path + suffix)
    }
    try write(resolved(path), to: path, .always)
    #expect(try contents(path) == contents(original))
    #expect(try folder.names() == ["encoder_model.onnx", "encoder_model.onnx.data"])
  }

  @Test("discard keeps the old model and its data")
  func discard() throws {
    let path = try folder.write([1], to: "m.onnx")
    try folder.write([2], to: "m.onnx.data")
    var model = ModelProto()
    model.graph = GraphProto()
    model.graph?.initializer = [byteTensor("w", .owned([UInt8](repeating: 0, count: 5000)))]
    let output = try ModelOutput(model, path: path, policy: .always)
    for job in output.copyJobs { try output.run(job) }
    output.discard()
    #expect(try folder.read("m.onnx") == [1])
    #expect(try folder.read("m.onnx.data") == [2])
    #expect(try folder.names() == ["m.onnx", "m.onnx.data"])
  }

  @Test("promised bytes are written in parts, in any order", arguments: [ExternalDataPolicy.never, .always])
  func promised(policy: ExternalDataPolicy) throws {
    var random = SplitMix64(seed: 12)
    let bytes = random.bytes(200_000)
    var model = ModelProto()
    model.irVersion = 8
    model.graph = GraphProto()
    model.graph?.initializer = [
      byteTensor("a", .owned(random.bytes(100_000))),
      byteTensor("p", .promised(PayloadID(5), byteCount: bytes.count)),
      byteTensor("z", .owned(random.bytes(10))),
    ]
    let path = folder.path("m.onnx")
    let output = try ModelOutput(model, path: path, policy: policy)
    #expect(output.copyJobs.count == 1)
    for job in output.copyJobs { try output.run(job) }
    for start in stride(from: 0, to: bytes.count, by: 30_000).reversed() {
      let part = Array(bytes[start..<min(start + 30_000, bytes.count)])
      // Bytes have no padding, so reading them raw is sound.
      try output.write(PayloadID(5), unsafe part.span.bytes, at: start)
    }
    try output.commit()
    let found = try contents(path)
    #expect(found["p uint8 [200000]"] == bytes)
    #expect(found["a uint8 [100000]"] == model.graph?.initializer[0].rawData?.copied())
    #expect(found["z uint8 [10]"] == model.graph?.initializer[2].rawData?.copied())
  }
}

/// A tensor of bytes.
func byteTensor(_ name: String, _ bytes: TensorBytes) -> TensorProto {
  var tensor = TensorProto()
  tensor.name = name
  tensor.dataType = ElementType.uint8.rawValue
  tensor.dims = [Int64(bytes.byteCount)]
  tensor.rawData = bytes
  return tensor
}
