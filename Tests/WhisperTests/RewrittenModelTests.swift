import ONNXFile
import ONNXGraph
import TestSupport
import Testing
import Whisper

/// A form in which weights of linear layers can be stored; the declarations are rewritten, not the numbers.
enum WeightForm: String, CaseIterable, Sendable {
  case matMulInteger, dynamicQuantizeMatMul, dequantizeLinear, qLinear, nBits, castFromHalf, transposed, gemm
}

extension ModelProto {
  /// The model with every MatMul and 1x1 Conv that takes an initializer in another form.
  func rewritten(_ form: WeightForm) -> ModelProto {
    var result = self
    guard var graph = result.graph else { return self }
    var weights: [String: TensorProto] = [:]
    for tensor in graph.initializer where tensor.dims.count >= 2 { weights[tensor.name ?? ""] = tensor }
    var replaced: [String: TensorProto] = [:]
    graph.node = graph.node.flatMap { node -> [NodeProto] in
      guard node.input.count >= 2, let weight = weights[node.input[1]],
        ["MatMul", "Conv"].contains(node.opType)
      else { return [node] }
      let (nodes, tensor) = node.rewritten(form, weight)
      replaced[node.input[1]] = tensor
      return nodes
    }
    graph.initializer = graph.initializer.map { replaced[$0.name ?? ""] ?? $0 }
    result.graph = graph
    return result
  }
}

extension NodeProto {
  fileprivate func rewritten(_ form: WeightForm, _ weight: TensorProto) -> ([NodeProto], TensorProto) {
    var node = self
    var tensor = weight
    let isMatrix = opType == "MatMul"
    var conversion = NodeProto()
    conversion.input = [input[1]]
    conversion.output = [input[1] + "_" + output[0]]
    tensor.dataType = 3
    switch form {
    case .matMulInteger: node.opType = isMatrix ? "MatMulInteger" : "ConvInteger"
    case .dynamicQuantizeMatMul:
      guard isMatrix else { return ([self], weight) }
      (node.opType, node.domain) = ("DynamicQuantizeMatMul", "com.microsoft")
    case .dequantizeLinear, .castFromHalf:
      conversion.opType = form == .dequantizeLinear ? "DequantizeLinear" : "Cast"
      if form == .castFromHalf { tensor.dataType = 10 }
      node.input[1] = conversion.output[0]
      return ([conversion, node], tensor)
    case .qLinear:
      node.opType = isMatrix ? "QLinearMatMul" : "QLinearConv"
      node.input = [input[0], "", "", input[1]]
    case .nBits:
      guard isMatrix else { return ([self], weight) }
      (node.opType, node.domain) = ("MatMulNBits", "com.microsoft")
      node.attribute = [.int("K", weight.dims[0]), .int("N", weight.dims[1]), .int("bits", 4)]
      tensor.dims = [weight.dims[1], 1, weight.dims[0] / 2]
    case .transposed, .gemm:
      guard isMatrix else { return ([self], weight) }
      tensor = weight
      tensor.dims = weight.dims.reversed()
      if form == .gemm {
        node.opType = "Gemm"
        node.attribute = [.int("transB", 1)]
        return ([node], tensor)
      }
      conversion.opType = "Transpose"
      node.input[1] = conversion.output[0]
      return ([conversion, node], tensor)
    }
    return ([node], tensor)
  }
}

@Suite("Recognition of rewritten models")
struct RewrittenModelTests {
  static let files = [
    "optimum/encoder_model.onnx", "optimum/decoder_model.onnx", "dynamo/encoder_model.onnx",
    "genai/whisper-small-form_encoder.onnx", "sherpa/small-decoder.onnx", "aihub/HfWhisperEncoder.onnx",
    "aihub/HfWhisperDecoder.onnx",
  ]

  @Test("Quantized and transposed weights read like the original", arguments: files, WeightForm.allCases)
  func sameDescription(file: String, form: WeightForm) throws {
    let path = PackageRoot.path("Tests/Resources/layouts/" + file)
    let original = try ModelReader.read(path: path)
    let rewritten = original.rewritten(form)
    let files = ExternalDataFiles(modelPath: path)
    let expected = WhisperModelDescription.recognise(
      try ModelGraph.lift(original, external: files, tensors: .noted))
    let graph = try ModelGraph.lift(rewritten, external: files, tensors: .noted)
    #expect(WhisperModelDescription.recognise(graph) == expected)
    let layers = graph.allNodes.compactMap(graph.linearLayer)
    let quantizedCount = layers.filter(\.isQuantized).count
    switch form {
    case .castFromHalf, .transposed, .gemm: #expect(quantizedCount == 0)
    case .dynamicQuantizeMatMul, .nBits: break
    default: #expect(quantizedCount == layers.count && quantizedCount > 0)
    }
  }

  @Test("A compiled package is known by its operator and its inputs")
  func compiled() throws {
    var model = try ModelReader.read(
      path: PackageRoot.path("Tests/Resources/layouts/aihub/HfWhisperDecoder.onnx"))
    var context = NodeProto()
    context.opType = "EPContext"
    context.domain = "com.microsoft"
    context.input = model.graph?.input.map { $0.name ?? "" } ?? []
    context.output = model.graph?.output.map { $0.name ?? "" } ?? []
    model.graph?.node = [context]
    model.graph?.initializer = []
    let description = WhisperModelDescription.recognise(
      try ModelGraph.lift(model, external: ExternalDataFiles(modelPath: "decoder.onnx")))
    #expect(
      description.line
        == "ep-context, decoder-with-past, mels -, d 32, layers -/2, 2x16, V 320, cache 199, static, custom"
    )
    #expect(description.interface == .qualcommAIHub)
  }

  @Test("Another model with Optimum's names is not taken for Whisper")
  func lookalike() throws {
    var model = try ModelReader.read(
      path: PackageRoot.path("Tests/Resources/layouts/optimum/decoder_model.onnx"))
    // BART has the same inputs and outputs; its position table has another length.
    for index in model.graph?.initializer.indices ?? 0..<0
    where model.graph?.initializer[index].dims == [448, 32] {
      model.graph?.initializer[index].dims = [1026, 32]
    }
    let description = WhisperModelDescription.recognise(
      try ModelGraph.lift(model, external: ExternalDataFiles(modelPath: "decoder.onnx"), tensors: .noted))
    #expect(!description.isWhisper)
    #expect(description.size == nil)
    #expect(description.part == .decoder)
  }

  @Test("Names of its own do not hide an encoder or a decoder")
  func foreignNames() throws {
    for (file, part) in [
      ("optimum/encoder_model.onnx", WhisperPart.encoder), ("sherpa/small-encoder.onnx", .encoder),
    ] {
      var model = try ModelReader.read(path: PackageRoot.path("Tests/Resources/layouts/" + file))
      let input = model.graph?.input[0].name ?? ""
      model.graph?.input[0].name = "x"
      for index in model.graph?.node.indices ?? 0..<0 {
        model.graph?.node[index].input.replace([input], with: ["x"])
      }
      model.graph?.output = []
      model.metadataProps = []
      let description = WhisperModelDescription.recognise(
        try ModelGraph.lift(model, external: ExternalDataFiles(modelPath: file)))
      #expect(description.part == part)
      #expect(description.layout == .unknown)
      #expect(description.isWhisper)
      #expect(description.dimensions.encoderLayerCount == 2)
    }
  }

  @Test("A graph without anything is nothing")
  func empty() throws {
    let description = WhisperModelDescription.recognise(
      try ModelGraph.lift(ModelProto(), external: ExternalDataFiles(modelPath: "empty.onnx")))
    #expect(
      description.line
        == "unknown, unknown, mels -, d -, layers -/-, -x-, V -, cache -, static, no Whisper")
  }
}
