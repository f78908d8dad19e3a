public import ONNXGraph
import Tensors

extension WhisperDecoderParts {
  /// Finds the constants of a decoder by the flow of data, from the logits back to the tokens.
  ///
  /// Takes the exports of Optimum (single, with past, merged), PyTorch (TorchScript and dynamo), ONNX Runtime and
  /// sherpa-onnx, with fused or spelled-out operators. Weights are referred to, never copied.
  ///
  /// - Throws: `StaticSpeechError` naming the node that is not what was expected.
  public init(extractingFrom model: ModelGraph) throws(StaticSpeechError) {
    var failure: StaticSpeechError?
    var partial: WhisperDecoderParts?
    for output in Self.logits(of: model) {
      do throws(StaticSpeechError) {
        let parts = try Self(DecoderWalk(model, logits: output))
        if parts.hasCrossProjections {
          self = parts
          return
        }
        partial = partial ?? parts
      } catch { failure = failure ?? error }
    }
    if let partial {
      self = partial
      return
    }
    throw failure
      ?? StaticSpeechError(
        .pattern, "\(model.path): there is no output of logits, so this is no decoder; name a decoder")
  }

  /// The output `logits`, or in a merged decoder what its branches give for it.
  private static func logits(of model: ModelGraph) -> [ValueID] {
    let outputs = model[model.root].outputs
    guard let output = outputs.first(where: { model[$0].name == "logits" }) ?? outputs.first else {
      return []
    }
    guard let node = model[output].producer, model[node].opType == "If",
      let index = model[node].outputs.firstIndex(of: output)
    else { return [output] }
    return ["else_branch", "then_branch"].compactMap { name in
      guard let branch = model.graph(name, of: node), model[branch].outputs.indices.contains(index) else {
        return nil
      }
      return model[branch].outputs[index]
    }
  }

  private init(_ walk: DecoderWalk) throws(StaticSpeechError) {
    var walk = walk
    let embedding = try walk.run()
    width = walk.width
    headCount = walk.headCount
    tokenTable = embedding.tokens.content
    positionTable = embedding.positions
    finalNorm = walk.finalNorm
    logits = walk.logits.part
    sharesEmbedding = walk.logits.weight == embedding.tokens.value && logits.orientation == .outputFirst
    layers = try walk.layers()
  }
}

/// One walk along the residual stream, from the last normalization to the embedding.
private struct DecoderWalk {
  enum Half {
    case attention(AttentionPart, isCross: Bool)
    case feedForward(FeedForwardPart)

    var title: String {
      switch self {
      case .attention(_, isCross: false): "self-attention"
      case .attention(_, isCross: true): "cross-attention"
      case .feedForward: "feed-forward"
      }
    }
  }

  struct Embedding {
    let tokens: DecoderTrace.Constant
    let positions: TensorContent
  }

  let model: ModelGraph
  let trace: DecoderTrace
  let headCount: Int
  let logits: DecoderTrace.Linear
  let width: Int
  let finalNorm: NormPart
  private var stream: DecoderTrace.Stream
  /// Last first, as the walk meets them.
  private var halves: [Half] = []

  init(_ model: ModelGraph, logits output: ValueID) throws(StaticSpeechError) {
    self.model = model
    let finder = DecoderTrace(model: model, headWidth: 64)
    guard let logits = try finder.linear(output) else {
      throw StaticSpeechError(
        .pattern,
        "\(finder.place(output)): expected a linear layer with constant weight that computes the logits")
    }
    let width = logits.part.inputCount
    let known = WhisperModelDescription.recognise(model).dimensions.headCount
    guard let headCount = known ?? (width % 64 == 0 ? width / 64 : nil), headCount > 0, width % headCount == 0
    else {
      throw StaticSpeechError(
        .pattern, "\(model.path): nothing tells into how many heads the width of \(width) is split")
    }
    self.logits = logits
    self.width = width
    self.headCount = headCount
    trace = DecoderTrace(model: model, headWidth: width / headCount)
    guard let norm = trace.norm(logits.input) else {
      throw StaticSpeechError(
        .pattern, "\(trace.place(logits.input)): expected the layer normalization before the logits")
    }
    finalNorm = norm.part
    stream = norm.stream
  }

  // MARK: Walking

  mutating func run() throws(StaticSpeechError) -> Embedding {
    try expectUnscaled(logits, "logits")
    // Three halves a layer; no Whisper has more than 32 layers.
    while halves.count < 1000 {
      guard let terms = trace.terms(stream) else {
        throw StaticSpeechError(
          .pattern, "\(place(stream)): expected a sum on the residual stream, or one of two embeddings")
      }
      let branches = [try trace.linear(terms.values[0]), try trace.linear(terms.values[1])]
      guard let index = branches.firstIndex(where: { $0?.part.outputCount == width }),
        var branch = branches[index]
      else { return try embedding(terms.values) }
      if let bias = terms.bias {
        guard branch.part.bias == nil else { throw unexpected(branch, "one bias, not two") }
        branch.part.bias = bias
      }
      let rest = trace.stream(terms.values[1 - index])
      halves.append(try half(branch, residual: rest))
      stream = rest
    }
    throw StaticSpeechError(.pattern, "\(model.path): the residual stream has no beginning")
  }

  func layers() throws(StaticSpeechError) -> [DecoderLayerPart] {
    let ordered = Array(halves.reversed())
    var layers: [DecoderLayerPart] = []
    for start in stride(from: 0, to: ordered.count, by: 3) {
      guard start + 2 < ordered.count, case .attention(let own, isCross: false) = ordered[start],
        case .attention(let cross, isCross: true) = ordered[start + 1],
        case .feedForward(let forward) = ordered[start + 2]
      else {
        let found = ordered[start...].prefix(3).map(\.title).joined(separator: ", ")
        throw StaticSpeechError(
          .pattern,
          "\(model.path): layer \(start / 3) is \(found); expected self-attention, cross-attention, feed-forward"
        )
      }
      layers.append(DecoderLayerPart(selfAttention: own, crossAttention: cross, feedForward: forward))
    }
    guard !layers.isEmpty else {
      throw StaticSpeechError(.pattern, "\(model.path): the decoder has no layers")
    }
    return layers
  }

  private func half(
    _ branch: DecoderTrace.Linear, residual: DecoderTrace.Stream
  ) throws(StaticSpeechError) -> Half {
    try expectUnscaled(branch, "output projection")
    if let activation = trace.gelu(branch.input) {
      guard var up = try trace.linear(activation.input) else {
        throw StaticSpeechError(
          .pattern, "\(trace.place(activation.input)): expected the linear layer before Gelu")
      }
      try expectUnscaled(up, "layer before Gelu")
      if let bias = activation.bias { up.part.bias = bias }
      try expect(up, inputs: width, outputs: branch.part.inputCount)
      return .feedForward(
        FeedForwardPart(
          norm: try norm(up, residual), up: up.part, activation: activation.kind, down: branch.part))
    }
    guard let core = try trace.attention(branch.input) else {
      throw StaticSpeechError(
        .pattern,
        "\(trace.place(branch.input)): expected Gelu or an attention before the linear layer "
          + "'\(model.label(of: branch.node))'")
    }
    guard let query = core.query.linear else {
      throw unexpected(branch, "queries that a linear layer computes")
    }
    for linear in [query, core.key.linear, core.value.linear] {
      if let linear { try expect(linear, inputs: width, outputs: width) }
    }
    try expect(branch, inputs: width, outputs: width)
    let isCross = core.key.linear.map { $0.input != query.input } ?? true
    if isCross != (core.value.linear.map { $0.input != query.input } ?? true) {
      throw unexpected(branch, "keys and values of the same origin")
    }
    if isCross, core.key.linear == nil, core.key.caches.isEmpty {
      throw unexpected(branch, "keys from a linear layer or from a cache")
    }
    let scale = core.scale * core.query.scale * core.key.scale
    guard scale.isFinite, scale > 0 else { throw unexpected(branch, "a positive scale, found \(scale)") }
    return .attention(
      AttentionPart(
        norm: try norm(query, residual), query: query.part, key: core.key.linear?.part,
        value: core.value.linear?.part, output: branch.part, scale: scale), isCross: isCross)
  }

  /// The normalization that feeds a layer; it must stand on the same point of the residual stream.
  private func norm(
    _ linear: DecoderTrace.Linear, _ residual: DecoderTrace.Stream
  ) throws(StaticSpeechError) -> NormPart {
    guard let norm = trace.norm(linear.input) else {
      throw StaticSpeechError(
        .pattern,
        "\(trace.place(linear.input)): expected the layer normalization before '\(model.label(of: linear.node))'"
      )
    }
    guard norm.stream == residual else {
      throw unexpected(linear, "a normalization of the value that its result is added to")
    }
    return norm.part
  }

  // MARK: Embedding

  private func embedding(_ terms: [ValueID]) throws(StaticSpeechError) -> Embedding {
    let lookups = terms.map(lookup)
    guard let left = lookups[0], let right = lookups[1] else {
      let index = lookups[0] == nil ? 0 : 1
      throw StaticSpeechError(
        .pattern,
        "\(trace.place(terms[index])): expected a look-up in the token or the position embedding, or a half of a "
          + "layer that ends in a linear layer of width \(width)")
    }
    let (tokens, positions) = left.isToken && !right.isToken ? (left, right) : (right, left)
    guard tokens.isToken, !positions.isToken else {
      throw StaticSpeechError(
        .pattern, "\(place(stream)): expected one look-up by token and one by position")
    }
    guard tokens.table.content.shape.dimensions[0] == logits.part.outputCount else {
      throw StaticSpeechError(
        .pattern,
        "\(trace.place(terms[0])): the token embedding has \(tokens.table.content.shape.dimensions[0]) rows, the "
          + "logits have \(logits.part.outputCount)")
    }
    return Embedding(tokens: tokens.table, positions: positions.table.content)
  }

  /// A look-up in a constant table, and whether a graph input is the index as it is.
  private func lookup(_ value: ValueID) -> (table: DecoderTrace.Constant, isToken: Bool)? {
    let stripped = trace.strip(value)
    guard stripped.scale == 1, let node = trace.producer(of: stripped.value, "Gather", "GatherND", "Slice"),
      let data = trace.input(0, of: node), let table = trace.constant(data), !table.isTransposed,
      table.content.elementType.isFloat, table.content.shape.rank == 2,
      table.content.shape.dimensions[1] == width
    else { return nil }
    guard model[node].opType == "Gather", let index = trace.input(1, of: node) else { return (table, false) }
    let origin = trace.strip(index).value
    return (table, model[origin].isGraphInput && !model[origin].name.contains("position"))
  }

  // MARK: Complaints

  private func expectUnscaled(
    _ linear: DecoderTrace.Linear, _ what: String
  ) throws(StaticSpeechError) {
    guard linear.scale != 1 else { return }
    throw StaticSpeechError(
      .pattern,
      "\(model.path): the result of '\(model.label(of: linear.node))' (\(what)) is scaled by \(linear.scale), "
        + "expected 1")
  }

  private func expect(
    _ linear: DecoderTrace.Linear, inputs: Int, outputs: Int
  ) throws(StaticSpeechError) {
    let part = linear.part
    guard part.inputCount != inputs || part.outputCount != outputs else { return }
    throw StaticSpeechError(
      .pattern,
      "\(model.path): the linear layer '\(model.label(of: linear.node))' is \(part.inputCount) to "
        + "\(part.outputCount), expected \(inputs) to \(outputs)")
  }

  private func unexpected(_ linear: DecoderTrace.Linear, _ expected: String) -> StaticSpeechError {
    StaticSpeechError(
      .pattern, "\(model.path): at the linear layer '\(model.label(of: linear.node))': expected \(expected)")
  }

  private func place(_ stream: DecoderTrace.Stream) -> String {
    switch stream {
    case .value(let value): trace.place(value)
    case .skip(let node): "\(model.path): node '\(model.label(of: node))' (\(model[node].opType))"
    }
  }
}
