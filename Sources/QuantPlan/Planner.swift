public import ONNXGraph
import Tensors

/// Makes a plan from a model and a policy; changes nothing.
public enum Planner {
  /// Decides for every float constant of the model.
  public static func plan(_ model: ModelGraph, policy: QuantPolicy) -> QuantPlan {
    let weights = WeightCatalog.weights(of: model)
    var twins = policy.scheme == .fp16 || !policy.embeddings ? [:] : TwinSearch.twins(in: weights)
    // A table that the user excludes keeps its own bytes, and the logits' weight is planned by itself.
    for place in twins.keys {
      let table = Subject(weights[place], twin: nil, in: model)
      if policy.exclude.contains(where: table.matches) { twins[place] = nil }
    }
    let superfluous = Set(twins.values)
    var entries: [PlanEntry] = []
    for (place, weight) in weights.enumerated() where !superfluous.contains(place) {
      let subject = Subject(weight, twin: twins[place].map { weights[$0] }, in: model)
      entries.append(entry(for: subject, policy: policy, in: model))
    }
    return QuantPlan(
      scheme: policy.scheme, format: policy.format, borderTypes: policy.borderTypes, entries: entries)
  }

  /// Patterns of the policy that match no weight of the model; most often they are misspelt.
  public static func idlePatterns(_ model: ModelGraph, policy: QuantPolicy) -> [String] {
    let patterns = policy.include + policy.exclude + policy.exceptions.map(\.match)
    if patterns.isEmpty { return [] }
    let subjects = WeightCatalog.weights(of: model).map { Subject($0, twin: nil, in: model) }
    return patterns.filter { pattern in !subjects.contains { $0.matches(pattern) } }
  }

  /// What to say about one of them.
  public static func idleSentence(_ pattern: String) -> String {
    "the pattern '\(pattern)' matches no weight, node or operator of this model"
  }

  private static func entry(for subject: Subject, policy: QuantPolicy, in model: ModelGraph) -> PlanEntry {
    var decision = Decision.pass
    for rule in rules {
      decision = rule.decide(subject, policy)
      if case .pass = decision { continue }
      break
    }
    var treatment: Treatment?
    let reason: String
    switch decision {
    case .quantize(let chosen, let why):
      treatment = chosen
      reason = why
    case .leave(let why): reason = why
    case .pass: reason = "no rule is for it"
    }
    let before = subject.weight.byteCount + (subject.twin?.byteCount ?? 0)
    return PlanEntry(
      weight: subject.weight.name, graph: subject.weight.graphLabel, role: subject.role,
      elementType: subject.weight.content.elementType.name, shape: subject.weight.content.shape.dimensions,
      consumers: subject.consumers, twin: subject.twin?.name, treatment: treatment, bytesBefore: before,
      bytesAfter: treatment.map { storedByteCount(of: subject, $0, policy.scheme) } ?? before, reason: reason)
  }

  /// The rules in the order in which they are asked; the first that does not pass decides.
  private static let rules: [any PlanRule] = [
    HalfPrecisionRule(), EmptyRule(), PatternRule(), SizeRule(), EmbeddingRule(), LinearRule(),
    ConvolutionRule(), OtherUsesRule(),
  ]

  /// Bytes of all constants that stand for the weight: integers, scales and zero points.
  static func storedByteCount(of subject: Subject, _ treatment: Treatment, _ scheme: Scheme) -> Int {
    let count = subject.weight.content.shape.elementCount
    let channels = subject.channelCount
    let bits = treatment.bits
    func bytes(_ values: Int) -> Int { (values * bits + 7) / 8 }
    switch treatment.form {
    case .half: return count * 2
    case .dynamicMatMul: return count + 5 * (treatment.granularity == .tensor ? 1 : channels)
    case .dynamicConvolution: return count + 4 * (treatment.granularity == .tensor ? 1 : channels)
    case .gatherRows:
      if subject.role == .embedding { return count + 4 * channels }
      // The scales stand as a column for Gather and as a row for the logits, which may have zero points too.
      return count + (scheme == .dynamicInt8 ? 9 : 8) * channels
    case .matMulNBits:
      let size = max(1, treatment.blockSize ?? 1)
      let blocks = (subject.reductionCount + size - 1) / size
      let zeroPoints = treatment.symmetric ? 0 : channels * bytes(blocks)
      return channels * blocks * size * bits / 8 + 4 * channels * blocks + zeroPoints
    case .dequantize:
      let size = max(1, treatment.blockSize ?? 1)
      let scales =
        switch treatment.granularity {
        case .tensor: 1
        case .channel: channels
        case .block: channels * ((subject.reductionCount + size - 1) / size)
        }
      return bytes(count) + 4 * scales + (treatment.symmetric ? 0 : bytes(scales))
    }
  }
}

/// A weight under decision, with what rules ask of it.
struct Subject: Sendable {
  let weight: Weight
  let twin: Weight?
  let role: WeightRole
  let consumers: [String]
  let operators: [String]

  /// Whether a pattern of the user means this weight, under its own name or its twin's.
  func matches(_ pattern: String) -> Bool {
    Pattern(pattern).matches(
      weights: [weight.name, twin?.name].compactMap { $0 }, nodes: consumers, operators: operators)
  }

  init(_ weight: Weight, twin: Weight?, in model: ModelGraph) {
    self.weight = weight
    self.twin = twin
    let nodes = (weight.uses + (twin?.uses ?? [])).compactMap(\.node)
    consumers = nodes.map { model.label(of: $0) }
    operators = nodes.map { model[$0].opType }
    role = Self.role(of: weight.uses, hasTwin: twin != nil)
  }

  private static func role(of uses: [WeightUse], hasTwin: Bool) -> WeightRole {
    var kinds: Set<WeightRole> = []
    for use in uses {
      switch use {
      case .matMul, .transposedMatMul: kinds.insert(.matMul)
      case .gemm: kinds.insert(.gemm)
      case .convolution: kinds.insert(.convolution)
      case .gather: kinds.insert(.embedding)
      case .other: return .other
      }
    }
    if hasTwin || kinds == [.embedding, .matMul] || kinds == [.embedding, .gemm] { return .tiedEmbedding }
    if kinds == [.matMul, .gemm] { return .matMul }
    return kinds.count == 1 ? kinds.first ?? .other : .other
  }

  /// Output channels: the scale count of per-channel quantization.
  var channelCount: Int {
    let dimensions = weight.content.shape.dimensions
    return (hasChannelsFirst ? dimensions.first : dimensions.last) ?? 1
  }

  /// Elements along the reduction axis, per output channel.
  var reductionCount: Int {
    channelCount == 0 ? 0 : weight.content.shape.elementCount / channelCount
  }

  /// Whether the output channels are the first axis ([N, K], tables, convolutions) or the last ([K, N]).
  var hasChannelsFirst: Bool {
    weight.uses.contains { use in
      switch use {
      case .matMul: return false
      case .gemm(_, let isTransposed): return isTransposed
      case .transposedMatMul, .convolution, .gather: return true
      case .other: return false
      }
    }
  }

  /// Whether some uses want [K, N] and others [N, K], so that one set of scales cannot serve both.
  var hasMixedAxes: Bool {
    var first = false
    var last = false
    for use in weight.uses {
      switch use {
      case .matMul: last = true
      case .gemm(_, let isTransposed): if isTransposed { first = true } else { last = true }
      case .transposedMatMul, .convolution, .gather: first = true
      case .other: break
      }
    }
    return first && last
  }
}

/// What a rule says about a weight.
enum Decision: Sendable {
  case quantize(Treatment, why: String)
  case leave(why: String)
  /// The rule is not for this weight.
  case pass
}

/// One reason to quantize or to leave a weight.
protocol PlanRule: Sendable {
  func decide(_ subject: Subject, _ policy: QuantPolicy) -> Decision
}
