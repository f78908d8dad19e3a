public import ONNXGraph
public import Tensors

/// One of the two graphs inside a merged decoder.
public enum CacheBranch: String, Sendable, CaseIterable {
  /// Goes on from caches: one token after others.
  case withPast = "with-past"
  /// The first step, which has no caches yet.
  case noPast = "no-past"
}

/// How inputs for trying a model are made.
public struct FeedRequest: Sendable {
  /// The same seed gives the same inputs on every machine.
  public var seed: UInt64 = 1
  /// Extents for open dimensions, by the names that the model gives them.
  public var dimensions: [String: Int] = [:]
  /// Whole shapes by input.
  public var shapes: [String: [Int]] = [:]
  /// Inputs that are taken as they are; the others are made to fit.
  public var given: [String: TensorContent] = [:]
  /// Tokens that a decoder with a cache has seen before.
  public var pastCount = 4
  /// New tokens; nil for one when there is a cache, else for the four that begin a text.
  public var tokenCount: Int?
  /// Of a merged decoder; nil is the one with a past, unless there are no earlier tokens.
  public var branch: CacheBranch?

  public init() {}
}

/// A cache that is fed, and the output that it comes back as.
public struct FedCache: Sendable, Equatable {
  public let input: String
  public let output: String
  /// The axis of the positions.
  public let axis: Int

  public init(input: String, output: String, axis: Int) {
    self.input = input
    self.output = output
    self.axis = axis
  }
}

/// Why inputs cannot be made: one sentence.
public struct FeedError: Error, Sendable, Equatable {
  public let message: String
}

/// Inputs for one run of a model, all of them, consistent with each other.
///
/// What Whisper's inputs mean is known by their names in every layout: log-mel-like features, token ids inside the
/// vocabulary, caches of a short past, masks and positions that go with it. An open dimension gets the extent that
/// its meaning asks for: batch 1, 3,000 frames, 1,500 audio positions, one token after `pastCount` others.
public struct ModelFeeds: Sendable {
  /// By input name.
  public let tensors: [String: TensorContent]
  /// Inputs in the model's order.
  public let names: [String]
  /// Extents that open dimensions with names got.
  public let dimensions: [String: Int]
  /// New tokens of one run; nil for models that take none.
  public let tokenCount: Int?
  /// Seconds of audio that one run takes; nil for models that take tokens.
  public let audioSeconds: Double?
  /// What was chosen of a merged decoder; nil for other models, and where the caller gave the choice as an input.
  public let branch: CacheBranch?
  /// Caches among the inputs whose contents a run hands on.
  public let caches: [FedCache]

  public init(for graph: ModelGraph, _ request: FeedRequest = FeedRequest()) throws(FeedError) {
    let description = WhisperModelDescription.recognise(graph)
    var ports: [FeedPort] = []
    for value in graph.requiredInputs {
      let name = graph[value].name
      guard let type = graph[value].declaredElementType, type != .string else {
        throw FeedError(message: "input '\(name)' is no tensor of numbers, so no input can be made for it")
      }
      let known = request.given[name]?.shape.dimensions ?? request.shapes[name]
      guard let shape = graph.declaredShape(of: value) ?? known?.map({ .extent($0) }) else {
        throw FeedError(
          message:
            "the model does not say how many dimensions input '\(name)' has; --shape \(name)=1,80,3000 "
            + "(with its own extents) says it")
      }
      ports.append(FeedPort(name: name, elementType: type, shape: shape))
    }
    let choice = Self.branch(ports, request)
    let extents = try FeedExtents(ports, request, description, choice?.branch)
    var tensors: [String: TensorContent] = [:]
    for port in ports {
      if let given = request.given[port.name] {
        tensors[port.name] = try Self.fitting(given, port, extents, description.dimensions)
      } else {
        tensors[port.name] = try FeedValues(port, extents, description.dimensions, request).content()
      }
    }
    self.tensors = tensors
    names = ports.map(\.name)
    dimensions = extents.symbols
    tokenCount = ports.contains { $0.role == .tokens } ? extents[.tokens] : nil
    // A hundred frames a second: 16 kHz in steps of 160.
    let hasAudio = ports.contains { $0.role == .melSpectrum }
    audioSeconds = hasAudio ? Double(extents[.frames]) / 100 : nil
    branch = choice.flatMap { $0.isGiven ? nil : $0.branch }
    let outputs = Set(graph[graph.root].outputs.map { graph[$0].name })
    caches = choice?.branch == .noPast ? [] : ports.compactMap { $0.cache(among: outputs) }
  }

  /// The branch of a merged decoder, and whether the caller gave it as an input; nil for other models.
  private static func branch(
    _ ports: [FeedPort], _ request: FeedRequest
  ) -> (branch: CacheBranch, isGiven: Bool)? {
    guard let port = ports.first(where: { $0.role == .cacheBranch }) else { return nil }
    if let given = request.given[port.name] {
      return (given.integers?.first == 0 ? .noPast : .withPast, true)
    }
    return (request.branch ?? (request.pastCount == 0 ? .noPast : .withPast), false)
  }

  /// A given tensor as the input takes it: another float or integer type is converted.
  private static func fitting(
    _ tensor: TensorContent, _ port: FeedPort, _ extents: FeedExtents, _ dimensions: WhisperDimensions
  ) throws(FeedError) -> TensorContent {
    let expected = try extents.shape(of: port)
    guard tensor.shape.dimensions == expected else {
      throw FeedError(
        message: "input '\(port.name)' is given as \(shown(tensor.shape.dimensions)), but the model takes "
          + "\(shown(port.shape.map(\.description)))"
          + (expected == port.shape.map { $0.extent ?? -1 } ? "" : ", here \(shown(expected))"))
    }
    guard let converted = tensor.converted(to: port.elementType) else {
      throw FeedError(
        message: "input '\(port.name)' is given as \(tensor.elementType.name), but the model takes "
          + "\(port.elementType.name)")
    }
    try requireWhole(tensor, converted, port)
    if port.role == .tokens, let count = dimensions.vocabularyCount,
      let strange = tensor.integers?.first(where: { $0 < 0 || $0 >= count })
    {
      throw FeedError(
        message: "input '\(port.name)' is given the token \(strange), but the vocabulary has \(count) "
          + "(0 to \(count - 1))")
    }
    return converted
  }

  /// Refuses numbers that an input of integers or truth values would round or cut off.
  private static func requireWhole(
    _ tensor: TensorContent, _ converted: TensorContent, _ port: FeedPort
  ) throws(FeedError) {
    guard tensor.elementType != port.elementType, converted.integers != nil, let before = tensor.numbers,
      let after = converted.numbers, let place = before.indices.first(where: { before[$0] != after[$0] })
    else { return }
    throw FeedError(
      message: "input '\(port.name)' is given \(before[place]) at place \(place), but the model takes "
        + "\(port.elementType.name)")
  }
}

func shown(_ extents: [some CustomStringConvertible]) -> String {
  "[" + extents.map { "\($0)" }.joined(separator: ", ") + "]"
}

/// The extents of one run: what each open dimension becomes.
struct FeedExtents {
  private var values: [FeedAxis: Int]
  private(set) var symbols: [String: Int] = [:]
  private let shapes: [String: [Int]]
  private static let limit = 1 << 31
  /// Positions of a text that every Whisper knows.
  private static let textLimit = 448
  /// Whether the caches that are fed count as a past.
  private let usesPast: Bool
  /// What a merged decoder is told.
  let takesCaches: Bool

  init(
    _ ports: [FeedPort], _ request: FeedRequest, _ description: WhisperModelDescription,
    _ branch: CacheBranch? = nil
  ) throws(FeedError) {
    let known = description.dimensions
    let hasPast = ports.contains { $0.role == .selfCache }
    takesCaches = branch != .noPast
    usesPast = hasPast && takesCaches
    values = [
      .batch: 1, .mels: known.melCount ?? 80, .frames: 3000,
      .tokens: request.tokenCount ?? (usesPast ? 1 : 4), .past: hasPast ? request.pastCount : 0, .audio: 1500,
      .one: 1, .pairs: 6,
    ]
    values[.width] = known.width
    values[.heads] = known.headCount
    values[.headWidth] = known.headWidth
    values[.layers] = known.decoderLayerCount
    var given = request.shapes
    for (name, tensor) in request.given { given[name] = tensor.shape.dimensions }
    shapes = given
    try refuseUnknownNames(ports, request)
    // What the file fixes and what the caller says counts for every input with the same meaning or name.
    for port in ports {
      for (index, dimension) in port.shape.enumerated() {
        let axis = port.axes[index]
        switch dimension {
        case .extent(let extent): if let axis { values[axis] = extent }
        case .symbol(let name):
          guard let extent = request.dimensions[name] else { continue }
          guard extent > 0 || axis == .past || axis == .total else {
            throw FeedError(
              message: "0 is no extent for the dimension '\(name)': there would be nothing to compute")
          }
          symbols[name] = extent
          if let axis { values[axis] = extent }
        case .unknown: break
        }
      }
    }
    for port in ports {
      guard let shape = given[port.name] else { continue }
      try adopt(shape, port, isArray: request.given[port.name] != nil)
    }
    values[.total] = seenCount + (values[.tokens] ?? 1)
    try checkText(ports, request, description)
    for port in ports {
      for (index, dimension) in port.shape.enumerated() {
        guard case .symbol(let name) = dimension, symbols[name] == nil else { continue }
        symbols[name] = port.axes[index].flatMap { values[$0] } ?? 1
      }
    }
  }

  subscript(axis: FeedAxis) -> Int { values[axis] ?? 1 }

  /// Tokens before the new ones, as the extents of caches say it.
  var seenCount: Int { usesPast ? values[.past] ?? 0 : 0 }

  /// A text has no more positions than the model knows.
  private func checkText(
    _ ports: [FeedPort], _ request: FeedRequest, _ description: WhisperModelDescription
  ) throws(FeedError) {
    guard description.isWhisper, ports.contains(where: { $0.role == .tokens }) else { return }
    let new = values[.tokens] ?? 1
    let capacity = description.dimensions.selfCacheLength
    let seen = capacity != nil && usesPast ? request.pastCount : seenCount
    let room = min(Self.textLimit, capacity ?? Self.textLimit) - new
    guard seen > room else { return }
    let words = "\(new) token\(new == 1 ? "" : "s")" + (seen > 0 ? " after \(seen) others" : "")
    if let capacity, capacity < Self.textLimit, new <= capacity {
      throw FeedError(
        message: "\(words) do not fit into caches of \(capacity) positions; --past takes at most \(room)")
    }
    throw FeedError(
      message: "\(words) are more than the \(Self.textLimit) positions of a text that Whisper knows"
        + (usesPast && room >= 0 ? "; --past takes at most \(room)" : ""))
  }

  /// Compares a shape from outside with the declared one, and learns from it.
  private mutating func adopt(_ shape: [Int], _ port: FeedPort, isArray: Bool) throws(FeedError) {
    func refuse(_ why: String) -> FeedError {
      FeedError(
        message: "input '\(port.name)' is given as \(Whisper.shown(shape)), but the model takes "
          + "\(Whisper.shown(port.shape.map(\.description))); \(why)")
    }
    guard shape.count == port.shape.count else {
      throw refuse(
        isArray
          ? "it needs \(port.shape.count) dimensions"
          : "give \(port.shape.count) extents, as in --shape \(port.name)=1,80,3000")
    }
    for (index, extent) in shape.enumerated() {
      let least = port.axes[index] == .past || port.axes[index] == .total ? 0 : 1
      guard extent >= least, extent < Self.limit else { throw refuse("\(extent) is no extent") }
      switch port.shape[index] {
      case .extent(let fixed) where fixed != extent:
        throw refuse("extent \(index) is fixed in the model, export it again for another one")
      case .symbol(let name):
        if let other = symbols[name], other != extent {
          throw refuse("'\(name)' is \(other) by --dim or another input; give both the same")
        }
        symbols[name] = extent
      default: break
      }
      if let axis = port.axes[index] { values[axis] = extent }
    }
  }

  private func refuseUnknownNames(_ ports: [FeedPort], _ request: FeedRequest) throws(FeedError) {
    let inputs = ports.map(\.name)
    for name in (Array(request.shapes.keys) + Array(request.given.keys)).sorted() where !inputs.contains(name)
    {
      throw FeedError(
        message:
          "the model has no input '\(name)'; it has \(inputs.map { "'\($0)'" }.joined(separator: ", "))")
    }
    var open: [String] = []
    for case .symbol(let name) in ports.flatMap(\.shape) where !open.contains(name) { open.append(name) }
    for (name, extent) in request.dimensions.sorted(by: { $0.key < $1.key }) {
      guard open.contains(name) else {
        let names = open.map { "'\($0)'" }.joined(separator: ", ")
        throw FeedError(
          message: "the model has no open dimension '\(name)'; "
            + (open.isEmpty ? "all of its inputs have fixed shapes" : "it has \(names)"))
      }
      guard extent >= 0, extent < Self.limit else {
        throw FeedError(message: "\(extent) is no extent for the dimension '\(name)'")
      }
    }
  }

  /// The extents of an input in this run.
  func shape(of port: FeedPort) throws(FeedError) -> [Int] {
    if let shape = shapes[port.name] { return shape }
    return port.shape.enumerated().map { index, dimension in
      switch dimension {
      case .extent(let extent): return extent
      case .symbol(let name): return symbols[name] ?? 1
      case .unknown: return port.axes[index].flatMap { values[$0] } ?? 1
      }
    }
  }
}
