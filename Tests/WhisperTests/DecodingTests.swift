import ModelBackend
import ONNXGraph
import Tensors
import TestSupport
import Testing
import Whisper

/// A session that answers with given tensors, whatever it is fed.
private final class ScriptedSession: ModelSession {
  let inputs: [TensorSignature]
  let outputs: [TensorSignature]
  let placement = Placement(shares: [], leftovers: [])
  private let answer: ([String: TensorContent]) -> [String: TensorContent]

  init(
    _ inputs: [String], _ outputs: [String],
    _ answer: @escaping ([String: TensorContent]) -> [String: TensorContent]
  ) {
    func signature(_ name: String) -> TensorSignature {
      TensorSignature(name: name, elementType: nil, dimensions: nil)
    }
    self.inputs = inputs.map(signature)
    self.outputs = outputs.map(signature)
    self.answer = answer
  }

  func run(
    _ feeds: [String: TensorContent], outputs: [String]
  ) throws(BackendError) -> [String: TensorContent] { answer(feeds) }
}

@Suite("Logits that no token can be chosen by")
struct LogitTests {
  private static let width = 5

  /// A decoder without caches that rates each token it reads by `row`, which is told the token's place.
  private static func model(_ row: @escaping (Int) -> [Float]) throws -> SpeechModel {
    let files = try ["optimum/encoder_model.onnx", "optimum/decoder_model.onnx"].map { name in
      let graph = try LayoutFiles.resource(name)
      return SpeechFile(
        name: name, description: .recognise(graph), outputs: graph[graph.root].outputs.map { graph[$0].name })
    }
    return try SpeechModel(try SpeechPlan(files)) { file in
      if file.name.contains("encoder") {
        let states = ScriptedSession(["input_features"], ["last_hidden_state"]) { _ in
          ["last_hidden_state": .floats([0], shape: [1, 1, 1])]
        }
        return SpeechPart(name: file.name, description: file.description, session: states)
      }
      let session = ScriptedSession(["input_ids"], ["logits"]) { feeds in
        let count = feeds["input_ids"]?.shape.elementCount ?? 0
        return ["logits": .floats((0..<count).flatMap(row), shape: [1, count, width])]
      }
      return SpeechPart(name: file.name, description: file.description, session: session)
    }
  }

  /// What the decoder says to three tokens and then one more, of which the fourth is rated by `values`.
  private static func decode(_ values: [Float]) throws -> [[Float]] {
    let model = try model { $0 == 3 ? values : [0, 1, 2, 3, -.infinity] }
    try model.decoder.begin(EncodedAudio(features: .floats([0], shape: [1]), tensors: [:]))
    #expect(try model.decoder.step([1, 2, 3]).count == 3)
    return try model.decoder.step([1])
  }

  @Test("NaN and infinity are an error with file, token and id; a token that cannot follow is none")
  func notFinite() throws {
    for (odd, word) in [(Float.nan, "NaN"), (-Float.nan, "NaN"), (.infinity, "infinity")] {
      let error = try #require(throws: DecodingError.self) { try Self.decode([0, 1, odd, 3, 4]) }
      #expect(error.message.hasPrefix("optimum/decoder_model.onnx: after token 4 "), "\(error.message)")
      #expect(error.message.contains("holds \(word) for the token with the id 2"), "\(error.message)")
    }
    #expect(try Self.decode([0, 1, -.infinity, 3, 4]) == [[0, 1, -.infinity, 3, 4]])
  }
}

@Suite("Windows are cut at pairs of timestamps")
struct WindowCutTests {
  private func part(_ tokens: Range<Int>, _ start: Double, _ end: Double) -> [Double] {
    [Double(tokens.lowerBound), Double(tokens.upperBound), start, end]
  }

  private func parts(_ cut: WindowCut) -> [[Double]] { cut.parts.map { part($0.tokens, $0.start, $0.end) } }

  @Test("The next window begins where the last pair stands; without one, or with an end, behind this one")
  func usual() {
    let pair = WindowCut(times: [0, nil, 2, 2, nil], frameCount: 3000)
    #expect(parts(pair) == [part(0..<3, 0, 2)] && pair.frameAdvance == 200)
    let end = WindowCut(times: [0, nil, 2, 2, nil, 4], frameCount: 3000)
    #expect(parts(end) == [part(0..<3, 0, 2), part(3..<6, 2, 4)] && end.frameAdvance == 3000)
    let one = WindowCut(times: [0, nil, nil, 2.5], frameCount: 3000)
    #expect(parts(one) == [part(0..<4, 0, 2.5)] && one.frameAdvance == 3000)
    let none = WindowCut(times: [nil, nil], frameCount: 400)
    #expect(parts(none) == [part(0..<2, 0, 4)] && none.frameAdvance == 400)
    #expect(WindowCut(times: [], frameCount: 400).frameAdvance == 400)
    #expect(WindowCut(times: [0, nil, 9, 9, nil], frameCount: 400).frameAdvance == 400)
  }

  @Test("A pair at the window's beginning does not have the window heard again, and what follows it is kept")
  func noAdvance() {
    let stuck = WindowCut(times: [0, 0, nil, nil], frameCount: 3000)
    #expect(stuck.frameAdvance == 3000)
    #expect(parts(stuck) == [part(0..<1, 0, 0), part(1..<4, 0, 30)])
    #expect(WindowCut(times: [0, 0], frameCount: 3000).frameAdvance == 3000)
    // Less than half a step is none.
    #expect(WindowCut(times: [0, nil, 0.004, 0.004, nil], frameCount: 3000).frameAdvance == 3000)
  }

  @Test("Whatever the timestamps are, the next window is later, and no later than this one ends")
  func always() {
    var random = SplitMix64.forThisRun()
    for _ in 0..<2000 {
      let frameCount = Int.random(in: 1...3000, using: &random)
      let times = (0..<Int.random(in: 0...8, using: &random)).map { _ -> Double? in
        Bool.random(using: &random) ? Double(Int.random(in: 0...3, using: &random)) * 0.02 : nil
      }
      let advance = WindowCut(times: times, frameCount: frameCount).frameAdvance
      #expect((1...frameCount).contains(advance), "seed \(random.seed): \(times) of \(frameCount)")
    }
  }
}
