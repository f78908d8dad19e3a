import CPUBackend
import ONNXFile
import ONNXGraph
import Tensors
import TestSupport
import Testing
import Whisper

@Suite("Finding a decoder's constants")
struct StaticExtractionTests {
  private static func message(_ name: String) throws -> ModelProto {
    try ModelReader.read(path: PackageRoot.path("Tests/Resources/layouts/" + name))
  }

  private static func lift(_ message: ModelProto) throws -> ModelGraph {
    try ModelGraph.lift(
      message,
      external: ExternalDataFiles(modelPath: PackageRoot.path("Tests/Resources/layouts/rewritten.onnx")))
  }

  /// The bytes of all constants of the decoder that is built from a model, by name.
  private static func constants(_ model: ModelGraph) throws -> [String: [UInt8]] {
    let built = try StaticSpeech.decoder(from: model)
    return Dictionary(
      uniqueKeysWithValues: built.allInitializers.compactMap { value in
        built[value].initializer?.content.map { (built[value].name, $0.bytes.copied()) }
      })
  }

  /// The error of an extraction that must fail.
  private static func failure(_ body: () throws -> Void) -> StaticSpeechError? {
    do { try body() } catch { return error as? StaticSpeechError }
    return nil
  }

  @Test(
    "All exports of one model have the same constants",
    arguments: [
      "optimum/decoder_with_past_model.onnx", "optimum/decoder_model_merged.onnx",
      "dynamo/decoder_model.onnx",
      "dynamo/decoder_with_past_model.onnx", "genai/whisper-small-form_decoder.onnx",
    ])
  func sameConstants(file: String) throws {
    let expected = try WhisperDecoderParts(
      extractingFrom: LayoutFiles.resource("optimum/decoder_model.onnx"))
    let found = try WhisperDecoderParts(extractingFrom: LayoutFiles.resource(file))
    func weights(_ parts: WhisperDecoderParts) -> [[Float]] {
      let linears = parts.layers.flatMap {
        [
          $0.selfAttention.query, $0.selfAttention.key, $0.selfAttention.value, $0.selfAttention.output,
          $0.crossAttention.query, $0.crossAttention.output, $0.feedForward.up, $0.feedForward.down,
        ].compactMap { $0 }
      }
      let norms = parts.layers.flatMap {
        [$0.selfAttention.norm, $0.crossAttention.norm, $0.feedForward.norm]
      }
      // A tied embedding is transposed for the logits in some and used as it is in others.
      return linears.map { $0.weight.floats ?? [] } + linears.map { $0.bias?.floats ?? [] }
        + norms.map { $0.gamma.floats ?? [] } + norms.map { $0.beta?.floats ?? [] }
        + [parts.tokenTable.floats ?? [], parts.positionTable.floats ?? []]
    }
    #expect(weights(found) == weights(expected))
    #expect(found.layers.count == 2 && found.headCount == 2 && found.vocabularyCount == 320)
    #expect(found.layers.allSatisfy { abs($0.selfAttention.scale - 0.25) < 1e-6 })
    #expect(found.layers.allSatisfy { abs($0.crossAttention.scale - 0.25) < 1e-6 })
    #expect(expected.hasCrossProjections)
    #expect(found.hasCrossProjections == !(file.contains("with_past") || file.contains("genai")))
  }

  @Test("Scales that are computed from shapes are numbers all the same")
  func computedScale() throws {
    let parts = try WhisperDecoderParts(extractingFrom: LayoutFiles.resource("sherpa/small-decoder.onnx"))
    // Heads of eight features: q and k are each multiplied by 8^-0.25.
    #expect(parts.layers.allSatisfy { abs($0.selfAttention.scale - 0.35355339) < 1e-6 })
  }

  @Test(
    "Weights behind a Transpose or in Gemm are found as they lie",
    arguments: [
      WeightForm.transposed, .gemm,
    ])
  func forms(_ form: WeightForm) throws {
    let model = try Self.lift(Self.message("optimum/decoder_model.onnx").rewritten(form))
    let parts = try WhisperDecoderParts(extractingFrom: model)
    #expect(parts.layers.allSatisfy { $0.feedForward.up.orientation == .outputFirst })
    #expect(parts.layers.allSatisfy { $0.feedForward.up.weight.shape.dimensions == [64, 32] })
  }

  @Test("Half-precision weights stay halves behind a Cast and give the same logits")
  func halves() throws {
    var message = try Self.message("optimum/decoder_model_merged.onnx")
    var casts: [NodeProto] = []
    for index in message.graph?.initializer.indices ?? 0..<0 {
      guard let tensor = message.graph?.initializer[index], tensor.dims.count == 2, tensor.dataType == 1,
        let name = tensor.name
      else { continue }
      let content = try TensorContent(tensor, external: ExternalDataFiles(modelPath: ""))
      let half = try #require(content.converted(to: .float16))
      message.graph?.initializer[index] = TensorProto(name: name + ".half", half)
      var cast = NodeProto()
      cast.opType = "Cast"
      cast.input = [name + ".half"]
      cast.output = [name]
      cast.attribute = [.int("to", 1)]
      casts.append(cast)
    }
    #expect(casts.count > 20)
    message.graph?.node.insert(contentsOf: casts, at: 0)
    let model = try Self.lift(message)
    let encoder = try LayoutFiles.resource("optimum/encoder_model.onnx")
    let decoder = try StaticSpeech.decoder(from: model, maximumTokenCount: 8)
    #expect(
      decoder.allInitializers.filter { decoder[$0].initializer?.content?.elementType == .float16 }.count > 10)
    let features = StaticRuns.features(80)
    let tokens = StaticRuns.tokens(8, below: 320)
    let expected = try StaticRuns.rows(StaticRuns.speech([encoder, model]), features, tokens)
    let fixed = try StaticRuns.speech([
      StaticSpeech.encoder(addingCrossCachesOf: model, to: encoder), decoder,
    ])
    let difference = try StaticRuns.difference(expected, StaticRuns.rows(fixed, features, tokens))
    #expect(difference < 1e-4)
  }

  @Test("A fused MultiHeadAttention is the same as the products it stands for")
  func fusedAttention() throws {
    let plain = try Self.message("optimum/decoder_model.onnx")
    var fused = plain
    var count = 0
    for index in fused.graph?.node.indices ?? 0..<0 {
      guard let node = fused.graph?.node[index], let output = node.output.first,
        output.hasSuffix("_attn/Reshape_3_output_0")
      else { continue }
      let place = output.dropLast("Reshape_3_output_0".count)
      var attention = NodeProto()
      attention.opType = "MultiHeadAttention"
      attention.domain = "com.microsoft"
      attention.name = node.name
      attention.input = [
        place + "Mul_output_0", place + "k_proj/MatMul_output_0", place + "v_proj/Add_output_0",
      ]
      attention.output = [output]
      attention.attribute = [.int("num_heads", 2), .float("scale", 1)]
      fused.graph?.node[index] = attention
      count += 1
    }
    #expect(count == 4)
    #expect(try Self.constants(Self.lift(fused)) == Self.constants(Self.lift(plain)))
  }

  // MARK: What does not fit

  @Test("A decoder that takes finished keys cannot give the encoder its projections")
  func absentProjections() throws {
    let error = Self.failure {
      _ = try StaticSpeech.encoder(
        addingCrossCachesOf: LayoutFiles.resource("optimum/decoder_with_past_model.onnx"),
        to: LayoutFiles.resource("optimum/encoder_model.onnx"))
    }
    #expect(error?.reason == .absent)
    #expect(error?.message.contains("decoder_model.onnx") == true)
  }

  @Test("An encoder of another width is refused")
  func otherModel() throws {
    let error = Self.failure {
      _ = try StaticSpeech.encoder(
        addingCrossCachesOf: LayoutFiles.resource("optimum/decoder_model.onnx"),
        to: LayoutFiles.resource("torchscript/encoder_model.onnx"))
    }
    #expect(error?.reason == .pattern)
    #expect(error?.message.contains("different models") == true)
  }

  @Test("More tokens than positions, or none, are refused", arguments: [0, 1, 449])
  func limits(count: Int) throws {
    let source = try LayoutFiles.resource("optimum/decoder_model.onnx")
    let error = Self.failure { _ = try StaticSpeech.decoder(from: source, maximumTokenCount: count) }
    #expect(error?.reason == .request)
    #expect(error?.message.contains("2 to 448") == true)
  }

  @Test("An encoder is no decoder, and says where it stops looking like one")
  func encoder() throws {
    let error = Self.failure {
      _ = try WhisperDecoderParts(extractingFrom: LayoutFiles.resource("optimum/encoder_model.onnx"))
    }
    #expect(error?.reason == .pattern)
    #expect(error?.message.contains("logits") == true)
  }

  @Test(
    "Another activation, a missing half and a strange sum are named with their node",
    arguments: [
      ("Erf", "Tanh", "Gelu or an attention"), ("Softmax", "Hardmax", "Gelu or an attention"),
      ("LayerNormalization", "InstanceNormalization", "layer normalization"),
    ])
  func otherOperators(_ from: String, _ to: String, _ expected: String) throws {
    var message = try Self.message("optimum/decoder_model.onnx")
    for index in message.graph?.node.indices ?? 0..<0 where message.graph?.node[index].opType == from {
      message.graph?.node[index].opType = to
    }
    let error = Self.failure { _ = try WhisperDecoderParts(extractingFrom: Self.lift(message)) }
    #expect(error?.reason == .pattern)
    #expect(error?.message.contains(expected) == true)
    #expect(error?.message.contains("node '/model/decoder") == true)
  }

  @Test("Quantized weights are refused by name")
  func quantized() throws {
    // Only declarations are rewritten, so the data does not fit them.
    let model = try ModelGraph.lift(
      Self.message("optimum/decoder_model.onnx").rewritten(.matMulInteger),
      external: ExternalDataFiles(modelPath: "rewritten.onnx"), tensors: .noted)
    let error = Self.failure { _ = try WhisperDecoderParts(extractingFrom: model) }
    #expect(error?.reason == .weights)
    #expect(error?.message.contains("quantized") == true)
  }
}

@Suite("Caches that are filled in place")
struct StaticCacheTests {
  private static func part(_ values: [Float], _ shape: [Int]) -> TensorContent {
    .floats(values, shape: shape)
  }

  @Test("Keys go to a column, values to a row of every head")
  func slots() throws {
    var keys = CacheMemory(elementType: .float32, shape: try #require(Shape([2, 1, 2, 3])))
    let wrote1 = keys.write(Self.part([1, 2, 3, 4], [2, 1, 2, 1]), slot: 1, axis: 3)
    #expect(wrote1)
    #expect(keys.content.floats == [0, 1, 0, 0, 2, 0, 0, 3, 0, 0, 4, 0])
    var values = CacheMemory(elementType: .float32, shape: try #require(Shape([2, 1, 3, 2])))
    let wrote2 = values.write(Self.part([1, 2, 3, 4], [2, 1, 1, 2]), slot: 2, axis: 2)
    #expect(wrote2)
    #expect(values.content.floats == [0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 3, 4])
  }

  @Test("A tensor that somebody holds does not change")
  func held() throws {
    var memory = CacheMemory(elementType: .float32, shape: try #require(Shape([1, 1, 2, 1])))
    let before = memory.content
    let wrote3 = memory.write(Self.part([7], [1, 1, 1, 1]), slot: 0, axis: 2)
    #expect(wrote3)
    #expect(before.floats == [0, 0])
    #expect(memory.content.floats == [7, 0])
  }

  @Test("A part of another size, type or place is not written")
  func misfits() throws {
    var memory = CacheMemory(elementType: .float32, shape: try #require(Shape([1, 1, 2, 1])))
    let wrote4 = memory.write(Self.part([1, 2], [1, 1, 2, 1]), slot: 0, axis: 2)
    #expect(!wrote4)
    let wrote5 = memory.write(Self.part([1], [1, 1, 1, 1]), slot: 2, axis: 2)
    #expect(!wrote5)
    let wrote6 = memory.write(.int64s([1], shape: [1]), slot: 0, axis: 2)
    #expect(!wrote6)
    #expect(memory.content.floats == [0, 0])
  }
}
