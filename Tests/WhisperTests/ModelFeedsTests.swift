import ByteIO
import Foundation
import ONNXFile
import ONNXGraph
import Tensors
import TestSupport
import Testing
import Whisper

@Suite("Made-up inputs")
struct ModelFeedsTests {
  private static func model(_ name: String) throws -> ModelGraph {
    let path = PackageRoot.path("Tests/Resources/layouts/" + name)
    return try ModelGraph.lift(
      ModelReader.read(MappedFile(path: path)), external: ExternalDataFiles(modelPath: path))
  }

  static let models: [String] = {
    let folder = PackageRoot.path("Tests/Resources/layouts")
    return ((try? FileManager.default.subpathsOfDirectory(atPath: folder)) ?? []).filter {
      $0.hasSuffix(".onnx")
    }.sorted()
  }()

  @Test("Every layout gets all of its inputs, in the types and shapes that it declares", arguments: models)
  func everyLayout(_ name: String) throws {
    let model = try Self.model(name)
    let feeds = try ModelFeeds(for: model)
    #expect(feeds.names == model.requiredInputs.map { model[$0].name })
    var symbols: [String: Int] = [:]
    for value in model.requiredInputs {
      let tensor = try #require(feeds.tensors[model[value].name])
      let declared = try #require(model.declaredShape(of: value))
      #expect(tensor.elementType == model[value].declaredElementType)
      #expect(tensor.bytes.byteCount == tensor.elementType.byteCount(elementCount: tensor.shape.elementCount))
      try #require(tensor.shape.rank == declared.count)
      for (dimension, extent) in zip(declared, tensor.shape.dimensions) {
        switch dimension {
        case .extent(let fixed): #expect(extent == fixed)
        case .symbol(let symbol): #expect(symbols.updateValue(extent, forKey: symbol) ?? extent == extent)
        case .unknown: break
        }
      }
      #expect(tensor.shape.elementCount > 0, "\(model[value].name) is empty")
    }
    for (symbol, extent) in symbols { #expect(feeds.dimensions[symbol] == extent) }
    let ids = (feeds.tensors["input_ids"] ?? feeds.tensors["tokens"])?.integers ?? []
    #expect(ids.allSatisfy { (0..<320).contains($0) }, "the small vocabulary has 320 tokens")
  }

  @Test("The same seed gives the same bytes, another seed others")
  func seeds() throws {
    let model = try Self.model("optimum/decoder_with_past_model.onnx")
    var request = FeedRequest()
    let first = try ModelFeeds(for: model, request)
    let second = try ModelFeeds(for: model, request)
    request.seed = 2
    let other = try ModelFeeds(for: model, request)
    for name in first.names {
      #expect(first.tensors[name]?.bytes.copied() == second.tensors[name]?.bytes.copied())
    }
    let cache = "past_key_values.0.decoder.key"
    #expect(first.tensors[cache]?.bytes.copied() != other.tensors[cache]?.bytes.copied())
  }

  @Test("Features look like Whisper's own: two units from floor to loudest, neither constant nor noise")
  func features() throws {
    let feeds = try ModelFeeds(for: try Self.model("optimum/encoder_model.onnx"))
    let values = try #require(feeds.tensors["input_features"]?.floats)
    #expect(values.count == 80 * 3000)
    #expect(
      values.min() ?? 0 >= -0.8 && values.max() ?? 9 <= 1.2 && (values.max() ?? 0) - (values.min() ?? 0) > 1.2
    )
    let steps = zip(values.dropFirst(), values).map { abs($0 - $1) }
    #expect(steps.reduce(0, +) / Float(steps.count) < 0.25, "neighbouring frames are alike")
    #expect(feeds.audioSeconds == 30 && feeds.tokenCount == nil)
  }

  @Test("A decoder with a past gets one token after it; a first step gets the four that begin a text")
  func decoders() throws {
    let past = try ModelFeeds(for: try Self.model("genai/whisper-small-form_decoder.onnx"))
    #expect(past.tokenCount == 1 && past.tensors["input_ids"]?.shape.dimensions == [1, 1])
    #expect(past.tensors["past_key_self_0"]?.shape.dimensions == [1, 2, 4, 16])
    #expect(past.tensors["past_key_cross_0"]?.shape.dimensions == [1, 2, 1500, 16])
    let first = try ModelFeeds(for: try Self.model("optimum/decoder_model.onnx"))
    #expect(first.tokenCount == 4 && first.audioSeconds == nil)
    #expect(first.tensors["encoder_hidden_states"]?.shape.dimensions == [1, 1500, 32])
    let merged = try ModelFeeds(for: try Self.model("optimum/decoder_model_merged.onnx"))
    #expect(merged.tensors["use_cache_branch"]?.integers == [1])
  }

  @Test("A merged decoder's first step takes no caches; without earlier tokens it is the only one")
  func branches() throws {
    let model = try Self.model("optimum/decoder_model_merged.onnx")
    var request = FeedRequest()
    let next = try ModelFeeds(for: model, request)
    #expect(next.branch == .withPast && next.tokenCount == 1 && next.caches.count == 8)
    request.branch = .noPast
    let first = try ModelFeeds(for: model, request)
    #expect(first.branch == .noPast && first.tokenCount == 4 && first.caches.isEmpty)
    #expect(first.tensors["use_cache_branch"]?.integers == [0])
    request.branch = nil
    request.pastCount = 0
    #expect(try ModelFeeds(for: model, request).branch == .noPast)
    request.given = ["use_cache_branch": try #require(first.tensors["use_cache_branch"])]
    #expect(try ModelFeeds(for: model, request).branch == nil)
  }

  @Test(
    "Every layout's caches lead to the outputs that hand them on",
    arguments: [
      ("optimum/decoder_with_past_model", 4, 2), ("genai/whisper-small-form_decoder", 4, 2),
      ("aihub/HfWhisperDecoder", 4, 3), ("sherpa/small-decoder", 2, 2),
    ])
  func caches(_ name: String, _ count: Int, _ axis: Int) throws {
    let feeds = try ModelFeeds(for: try Self.model(name + ".onnx"))
    #expect(feeds.caches.count == count && feeds.caches.first?.axis == axis, "\(feeds.caches)")
    #expect(feeds.caches.allSatisfy { $0.input != $0.output })
  }

  @Test("More tokens than a text has positions, and words outside the vocabulary, are refused")
  func limits() throws {
    var request = FeedRequest()
    request.pastCount = 448
    for (name, words) in [
      ("optimum/decoder_with_past_model.onnx", "--past takes at most 447"),
      ("sherpa/small-decoder.onnx", "448"), ("aihub/HfWhisperDecoder.onnx", "--past takes at most 198"),
    ] {
      let model = try Self.model(name)
      let error = #expect(throws: FeedError.self) { try ModelFeeds(for: model, request) }
      #expect(error?.message.contains(words) == true, "\(name): \(error?.message ?? "")")
    }
    request = FeedRequest()
    let shape = try #require(Shape([1, 2]))
    for (values, word) in [([1, 320], "320"), ([-1, 2], "-1")] as [([Float], String)] {
      let floats = TensorContent(floats: values, shape: shape)
      request.given = ["input_ids": try #require(floats.converted(to: .int64))]
      let model = try Self.model("optimum/decoder_model.onnx")
      let error = #expect(throws: FeedError.self) { try ModelFeeds(for: model, request) }
      #expect(error?.message.contains("the token \(word), but the vocabulary has 320") == true)
    }
  }

  @Test("AI Hub's mask, position and caches tell of the same past, newest at the right end")
  func aiHub() throws {
    var request = FeedRequest()
    request.pastCount = 7
    let feeds = try ModelFeeds(for: try Self.model("aihub/HfWhisperDecoder.onnx"), request)
    #expect(feeds.tensors["position_ids"]?.integers == [7])
    let mask = try #require(feeds.tensors["attention_mask"]?.floats)
    #expect(mask == [Float](repeating: -100, count: 192) + [Float](repeating: 0, count: 8))
    let values = try #require(feeds.tensors["v_cache_self_0_in"]?.floats)
    // [2, 1, 199, 16]: the first 192 positions of each head are empty.
    #expect(
      values[..<(192 * 16)].allSatisfy { $0 == 0 } && values[(192 * 16)..<(199 * 16)].contains { $0 != 0 })
  }

  @Test("sherpa-onnx's offset is the past, and its cache is filled from the left")
  func sherpa() throws {
    let feeds = try ModelFeeds(for: try Self.model("sherpa/small-decoder.onnx"))
    #expect(feeds.tensors["offset"]?.integers == [4])
    let cache = try #require(feeds.tensors["in_n_layer_self_k_cache"]?.floats)
    #expect(cache[..<(4 * 16)].contains { $0 != 0 } && cache[(4 * 16)..<(448 * 16)].allSatisfy { $0 == 0 })
  }

  @Test("Dimensions and shapes from outside win, and inputs that share them follow")
  func overrides() throws {
    let model = try Self.model("optimum/decoder_with_past_model.onnx")
    var request = FeedRequest()
    request.dimensions = ["past_decoder_sequence_length": 9, "batch_size": 2]
    let feeds = try ModelFeeds(for: model, request)
    #expect(feeds.tensors["past_key_values.1.decoder.value"]?.shape.dimensions == [2, 2, 9, 16])
    #expect(feeds.tensors["input_ids"]?.shape.dimensions == [2, 1])
    request = FeedRequest()
    request.shapes = ["past_key_values.0.decoder.key": [3, 2, 5, 16]]
    let shaped = try ModelFeeds(for: model, request)
    #expect(shaped.tensors["past_key_values.1.decoder.key"]?.shape.dimensions == [3, 2, 5, 16])
    #expect(shaped.dimensions["batch_size"] == 3)
  }

  @Test("A given input is taken as it is, in the type of the model, and the others follow it")
  func given() throws {
    let model = try Self.model("fp16/encoder_model_fp16_io.onnx")
    let shape = try #require(Shape([2, 80, 3000]))
    var request = FeedRequest()
    request.given = [
      "input_features": TensorContent(
        floats: [Float](repeating: 0.5, count: shape.elementCount), shape: shape)
    ]
    let feeds = try ModelFeeds(for: model, request)
    let tensor = try #require(feeds.tensors["input_features"])
    #expect(tensor.elementType == .float16 && tensor.shape == shape && tensor.bytes.copied()[1] == 0x38)
    #expect(feeds.dimensions["batch_size"] == 2)
  }

  @Test(
    "A shape that does not fit says what was given, what is expected, and what sets it",
    arguments: [
      ([1, 80, 2999], "fixed in the model"), ([1, 80], "give 3 extents"), ([-1, 80, 3000], "is no extent"),
    ])
  func misfits(_ shape: [Int], _ words: String) throws {
    let model = try Self.model("optimum/encoder_model.onnx")
    var request = FeedRequest()
    request.shapes = ["input_features": shape]
    let error = #expect(throws: FeedError.self) { try ModelFeeds(for: model, request) }
    let message = try #require(error).message
    #expect(message.contains(words) && message.contains("[batch_size, 80, 3000]"), "\(message)")
    #expect(message.contains("input_features"))
  }

  @Test("Names that the model does not have are refused with those that it has")
  func names() throws {
    let model = try Self.model("optimum/encoder_model.onnx")
    for change in [
      { $0.dimensions = ["batch": 1] }, { $0.shapes = ["mel": [1]] }, { $0.dimensions = ["batch_size": -1] },
      { $0.dimensions = ["batch_size": 0] },
    ] as [(inout FeedRequest) -> Void] {
      var request = FeedRequest()
      change(&request)
      let error = #expect(throws: FeedError.self) { try ModelFeeds(for: model, request) }
      let message = try #require(error).message
      #expect(message.contains("batch_size") || message.contains("input_features"), "\(message)")
    }
  }
}
