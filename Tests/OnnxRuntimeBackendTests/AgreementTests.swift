import Foundation
import ModelBackend
import OnnxRuntimeBackend
import Tensors
import TestSupport
import Testing

/// What `Tests/Oracles/run_with_onnxruntime.py` prints.
private struct OracleRun: Decodable {
  struct Tensor: Decodable {
    let name: String
    let type: Int32
    let shape: [Int]
    let file: String
  }
  let inputs: [Tensor]
  let outputs: [Tensor]
}

@Suite("ONNX Runtime on the processor") struct AgreementTests {
  @Test(
    "computes what Python's onnxruntime computes, bit for bit",
    arguments: [
      "aihub/HfWhisperDecoder", "aihub/HfWhisperEncoder", "dynamo/decoder_with_past_model",
      "dynamo-external/encoder_model", "fp16/encoder_model_bf16", "fp16/encoder_model_fp16_io",
      "genai/whisper-small-form_decoder", "genai-fused/whisper-small-form_decoder_fp32",
      "optimum/decoder_model_merged", "optimum/encoder_model", "sherpa/small-encoder", "sherpa/small-decoder",
      "torchscript/decoder_with_past_model",
    ])
  func equalsPython(_ layout: String) throws {
    let runtime = try Runtime.open()
    let model = PackageRoot.path("Tests/Resources/layouts/\(layout).onnx")
    let folder = try TemporaryFolder()
    let text = try PythonOracle.output(script: "run_with_onnxruntime.py", arguments: [model, folder.path])
    let oracle = try JSONDecoder().decode(OracleRun.self, from: Data(text.utf8))
    func read(_ tensor: OracleRun.Tensor) throws -> TensorContent {
      TensorContent(
        elementType: try #require(ElementType(rawValue: tensor.type)),
        shape: try #require(Shape(tensor.shape)), bytes: .owned(try folder.read(tensor.file)))
    }

    let session = try runtime.openSession(model: model, SessionSettings(threadCount: 1))
    #expect(session.inputs.map(\.name) == oracle.inputs.map(\.name))
    #expect(session.outputs.map(\.name) == oracle.outputs.map(\.name))
    var feeds: [String: TensorContent] = [:]
    for input in oracle.inputs { feeds[input.name] = try read(input) }
    let results = try session.run(feeds, outputs: session.outputs.map(\.name))
    for output in oracle.outputs {
      let expected = try read(output)
      let found = try #require(results[output.name])
      #expect(found.elementType == expected.elementType, "\(output.name)")
      #expect(found.shape == expected.shape, "\(output.name)")
      #expect(found.bytes.copied() == expected.bytes.copied(), "\(output.name)")
    }
    #expect(session.placement.isWhole(on: .cpu))
    #expect(session.placement.nodeCount(of: .cpu) > 0)
    #expect(session.placement.leftovers.isEmpty)
  }

  @Test(
    "hands tensors of every element type through unchanged",
    arguments: [
      ElementType.float32, .uint8, .int8, .uint16, .int16, .int32, .int64, .bool, .float16, .float64, .uint32,
      .uint64, .bfloat16, .uint4, .int4,
    ])
  func elementTypes(_ type: ElementType) throws {
    let runtime = try Runtime.open()
    let session = try runtime.openSession(model: try SmallModels.path("identity_\(type.name).onnx"))
    #expect(session.inputs.first?.elementType == type)
    #expect(session.inputs.first?.dimensions == [.fixed(2), .symbol("n")])
    for width in [0, 1, 5] {
      let shape = try #require(Shape([2, width]))
      let count = try #require(type.byteCount(elementCount: shape.elementCount))
      let modulus = type == .bool ? 2 : 251
      let bytes = (0..<count).map { index -> UInt8 in UInt8((index * 37 + 11) % modulus) }
      let feed = TensorContent(elementType: type, shape: shape, bytes: .owned(bytes))
      let result = try #require(try session.run(["x": feed], outputs: ["y"])["y"])
      #expect(result.elementType == type)
      #expect(result.shape == shape)
      #expect(result.bytes.copied() == bytes)
    }
  }

  @Test("feeds the outputs of one run to the next, which keep their values when the session is gone")
  func state() throws {
    let runtime = try Runtime.open()
    var session: OnnxRuntimeSession? = try runtime.openSession(model: try SmallModels.path("add.onnx"))
    let one = try TensorContent(floats: [1, 2, 3, 4, 5, 6], [2, 3])
    var sum = one
    for _ in 0..<5 { sum = try #require(try session?.run(["a": sum, "b": one], outputs: ["y"])["y"]) }
    session = nil
    #expect(sum.floats == [6, 12, 18, 24, 30, 36])
  }

  @Test("takes a feed that begins in the middle of a word")
  func misaligned() throws {
    let runtime = try Runtime.open()
    let session = try runtime.openSession(model: try SmallModels.path("add.onnx"))
    let one = try TensorContent(floats: [1, 2, 3], [1, 3])
    let padded = TensorBuffer(byteCount: 13) { span in
      for (index, byte) in one.bytes.copied().enumerated() { span[index + 1] = byte }
    }
    // Safe: 12 of 13 bytes, kept by their owner.
    let inner = unsafe padded.bytes.withUnsafeBufferPointer { buffer in
      unsafe TensorBuffer(
        borrowing: UnsafeRawPointer(buffer.baseAddress.unsafelyUnwrapped + 1), byteCount: 12, owner: padded)
    }
    #expect(!inner.isAligned(to: 4))
    let feed = TensorContent(elementType: .float32, shape: one.shape, bytes: .buffer(inner))
    #expect(try session.run(["a": feed, "b": one], outputs: ["y"])["y"]?.floats == [2, 4, 6])
  }

  @Test("binds named dimensions and says so in the signature")
  func boundDimensions() throws {
    let runtime = try Runtime.open()
    let session = try runtime.openSession(
      model: try SmallModels.path("add.onnx"), SessionSettings(dimensions: ["n": 2]))
    #expect(session.inputs.map(\.dimensions) == [[.fixed(2), .fixed(3)], [.fixed(2), .fixed(3)]])
  }

  @Test("writes a profile that names the provider of each node")
  func profile() throws {
    let runtime = try Runtime.open()
    let folder = try TemporaryFolder()
    let session = try runtime.openSession(
      model: try SmallModels.path("add.onnx"), SessionSettings(profilePrefix: folder.path("profile")))
    let one = try TensorContent(floats: [1, 2, 3], [1, 3])
    for _ in 0..<3 { _ = try session.run(["a": one, "b": one], outputs: ["y"]) }
    let path = try session.endProfile()
    #expect(path.hasPrefix(folder.path("profile")))
    let nodes = try RuntimeProfile.nodes(inFile: path)
    let node = try #require(nodes.first)
    #expect(nodes.count == 1)
    #expect(node.name == "sum")
    #expect(node.operatorName == "Add")
    #expect(node.provider == "CPUExecutionProvider")
    #expect(node.runCount == 3)
    #expect(node.microseconds > 0)
  }
}
