import ByteIO
import CPUBackend
import Calibration
import Kernels
import ModelBackend
import ONNXFile
import ONNXGraph
import QuantPlan
import Quantize
import Tensors

/// Which linear layers of w8a8 keep 16-bit activations.
public struct WidthRequest: Sendable {
  /// Patterns of layers that keep 16 bits.
  public var wide: [String] = []
  /// Patterns of layers that have 8 bits, whatever it costs.
  public var narrow: [String] = []
  /// The part of the linear layers' multiplications that has 8-bit activations at least; 1 widens nothing by itself.
  /// Layers whose results must have 16 bits do not count.
  public var narrowShare = 0.8

  public init() {}
}

/// Chooses the layers whose inputs 8 bits hold worst, by what they do to the model's outputs on one clip: one window
/// of an encoder, a few steps of a decoder.
///
/// Candidates are the layers behind and in front of an elementwise function (fc2 and fc1 around Gelu). Each is
/// measured alone, or, when they are more than sixteen, with neighbours of the same kind, so that a model takes
/// seventeen forward passes at most. The worst by lost energy for each multiplication keep 16 bits, as long as the
/// wanted share of the multiplications has 8; one that does less than a hundredth of all the damage has 8.
struct StaticWidth {
  static let groupLimit = 16
  static let leastShare = 0.01

  let graph: ModelGraph
  let policy: StaticPolicy
  let request: WidthRequest
  let layers: [PlannedLinear]

  init(_ graph: ModelGraph, _ policy: StaticPolicy, _ request: WidthRequest) {
    (self.graph, self.policy, self.request) = (graph, policy, request)
    layers = StaticPlanner.linearLayers(graph, policy: policy)
  }

  /// Layers that the user wants wide, with the reason.
  var given: [String: String] {
    var result: [String: String] = [:]
    for layer in layers {
      if let pattern = request.wide.first(where: { layer.matches($0, in: graph) }) {
        result[layer.label] = "16 bits asked for by '\(pattern)'"
      }
    }
    return result
  }

  /// A pattern that names no linear layer.
  var idlePattern: String? {
    (request.wide + request.narrow).first { pattern in
      !layers.contains { $0.matches(pattern, in: graph) }
    }
  }

  /// A layer that is to have 16 bits and 8 bits.
  var contradiction: String? {
    layers.first { layer in
      [request.wide, request.narrow].allSatisfy { $0.contains { layer.matches($0, in: graph) } }
    }?.label
  }

  private var isWide: (PlannedLinear) -> Bool {
    let given = self.given
    return { $0.type == .u16 || given[$0.label] != nil }
  }

  /// Layers among which the choice is.
  var candidates: [PlannedLinear] {
    let isWide = self.isWide
    return layers.filter { layer in
      (layer.isBehindFunction || layer.isBeforeFunction) && !isWide(layer) && layer.multiplicationCount > 0
        && !request.narrow.contains { layer.matches($0, in: graph) }
    }
  }

  /// Multiplications that may have 16 bits besides those that are asked for.
  ///
  /// Layers that have 16 bits by their nature, such as that of the logits, do not count.
  var allowance: Double {
    let given = self.given
    let free = layers.filter { $0.type != .u16 || given[$0.label] != nil }
    let total = free.reduce(0.0) { $0 + Double($1.multiplicationCount) }
    let used = free.filter { given[$0.label] != nil }.reduce(0.0) { $0 + Double($1.multiplicationCount) }
    return (1 - request.narrowShare) * total - used
  }

  /// Whether anything is to be measured.
  var isMeasured: Bool {
    let least = candidates.map { Double($0.multiplicationCount) }.min() ?? .infinity
    return least <= allowance
  }

  /// The chosen layers with the reason.
  ///
  /// - Parameters:
  ///   - runs: inputs of one run each.
  ///   - ranges: smallest and largest number of a candidate's input, by name.
  ///   - channels: the same of each channel of its output.
  func choose(
    _ runs: [[String: TensorContent]], ranges: (String) -> ClosedRange<Float>?,
    channels: (String) -> (minima: [Float], maxima: [Float])?, threadCount: Int
  ) throws(PipelineError) -> [String: String] {
    let candidates = self.candidates
    let size = (candidates.count + Self.groupLimit - 1) / Self.groupLimit
    let groups = [candidates.filter(\.isBehindFunction), candidates.filter { !$0.isBehindFunction }].flatMap {
      kind in
      stride(from: 0, to: kind.count, by: max(1, size)).map { Array(kind[$0..<min($0 + size, kind.count)]) }
    }
    let reference = try outputs(graph, runs, threadCount)
    var damages: [(group: [PlannedLinear], damage: Double)] = []
    for group in groups {
      let trial = try narrowed(group, ranges, channels)
      let found = try outputs(trial, runs, threadCount)
      damages.append((group, zip(found, reference).reduce(0) { $0 + Self.damage($1.0, $1.1) }))
    }
    let whole = damages.reduce(0) { $0 + $1.damage }
    func density(_ entry: (group: [PlannedLinear], damage: Double)) -> Double {
      entry.damage / Double(entry.group.reduce(0) { $0 + $1.multiplicationCount })
    }
    var left = allowance
    var result: [String: String] = [:]
    // Equal ones in the order of the graph: sorting by offset as well makes the choice the same every time.
    let order = damages.enumerated().sorted {
      let (a, b) = (density($0.element), density($1.element))
      return a != b ? a > b : $0.offset < $1.offset
    }
    for (_, entry) in order where entry.damage >= whole * Self.leastShare && entry.damage > 0 {
      for layer in entry.group where Double(layer.multiplicationCount) <= left {
        left -= Double(layer.multiplicationCount)
        result[layer.label] = reason(entry.damage, whole, groupCount: entry.group.count)
      }
    }
    return result
  }

  private func reason(_ damage: Double, _ whole: Double, groupCount: Int) -> String {
    let percent = Int((100 * damage / whole).rounded())
    let who = groupCount == 1 ? "it does" : "it and its \(groupCount - 1) neighbours do"
    return "with 8 bits \(who) \(percent) % of the damage that the layers around Gelu do to the outputs"
  }

  /// The model with the inputs and outputs of some layers in 8 bits, all else in float.
  private func narrowed(
    _ group: [PlannedLinear], _ ranges: (String) -> ClosedRange<Float>?,
    _ channels: (String) -> (minima: [Float], maxima: [Float])?
  ) throws(PipelineError) -> ModelGraph {
    var trial = graph
    let outcome = OutputEqualization.equalize(&trial, group, channels: channels)
    var plan = StaticPlan(scheme: policy.scheme, target: policy.target.name)
    for layer in group {
      let name = graph[layer.input].name
      guard let range = ranges(name) else { continue }
      plan.conversions.append(
        ConversionEntry(
          node: layer.label, input: 0, tensor: name, type: .u8,
          parameters: ScaleAndZeroPoint(holding: range, as: .u8), reason: ""))
    }
    for (name, range) in outcome.ranges.sorted(by: { $0.key < $1.key }) {
      plan.activations.append(
        ActivationEntry(
          tensor: name, producer: "", type: .u8, parameters: ScaleAndZeroPoint(holding: range, as: .u8),
          minimum: range.lowerBound, maximum: range.upperBound, reason: ""))
    }
    do { return try GraphRewriter.rewrite(trial, plan: plan).graph } catch {
      throw PipelineError(QuantizeError(error.reason, path: graph.path))
    }
  }

  private func outputs(
    _ model: ModelGraph, _ runs: [[String: TensorContent]], _ threadCount: Int
  ) throws(PipelineError) -> [[String: TensorContent]] {
    do {
      let session = try CPUBackend.session(model, options: CPUBackend.Options(threadCount: threadCount))
      return try runs.map { feeds throws(BackendError) in
        try session.run(feeds, outputs: session.outputs.map(\.name))
      }
    } catch { throw PipelineError(error.message, ExitStatus(error.reason)) }
  }

  /// The energy of the difference, over that of the reference, summed over the outputs.
  static func damage(_ found: [String: TensorContent], _ wanted: [String: TensorContent]) -> Double {
    wanted.sorted { $0.key < $1.key }.reduce(0) { sum, entry in
      guard let wanted = entry.value.floats, let found = found[entry.key]?.floats else { return sum }
      var (error, signal) = (0.0, 0.0)
      for index in wanted.indices {
        let difference = Double(found[index]) - Double(wanted[index])
        error += difference * difference
        signal += Double(wanted[index]) * Double(wanted[index])
      }
      return sum + (signal > 0 ? error / signal : 0)
    }
  }
}
