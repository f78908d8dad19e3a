import ONNXGraph
import QuantPlan
import Tensors

/// One line of a plan with the weights it means.
struct PlannedWeight {
  let treatment: Treatment
  let weight: Weight
  let twin: Weight?
}

/// Refuses a plan for another model, and what a weight or its users cannot have. A plan may be edited by hand, so
/// nothing in it is taken for granted.
extension GraphRewriter {
  /// The weights to work on, in the order of the plan.
  func resolve(_ plan: QuantPlan) throws(QuantizeError) -> [PlannedWeight] {
    let catalog = Dictionary(grouping: WeightCatalog.weights(of: model), by: \.name)
    func find(_ name: String, _ graph: String) throws(QuantizeError) -> Weight {
      guard let weight = catalog[name]?.first(where: { $0.graphLabel == graph }) else {
        throw QuantizeError(.unknownWeight(name, graph: graph), path: model.path)
      }
      return weight
    }
    var result: [PlannedWeight] = []
    var seen: Set<ValueID> = []
    for entry in plan.entries {
      guard let treatment = entry.treatment else { continue }
      let weight = try find(entry.weight, entry.graph)
      var twin: Weight?
      if let name = entry.twin { twin = try find(name, entry.graph) }
      for old in [weight, twin].compactMap({ $0 }) where !seen.insert(old.value).inserted {
        throw impossible(old.name, "the plan treats it twice")
      }
      try requireSameModel(entry, weight)
      if plan.scheme == .fp16 {
        guard treatment.form == .half, twin == nil else {
          throw impossible(entry.weight, "the scheme fp16 knows the form 'half' only")
        }
      } else {
        try requireNumbers(entry, treatment)
        try requireUses(entry, treatment, weight)
        if let twin { try requireTwin(treatment, weight, twin) }
      }
      result.append(PlannedWeight(treatment: treatment, weight: weight, twin: twin))
    }
    return result
  }

  func impossible(_ weight: String, _ why: String) -> QuantizeError {
    QuantizeError(.impossible(weight: weight, why: why), path: model.path)
  }

  private func requireSameModel(_ entry: PlanEntry, _ weight: Weight) throws(QuantizeError) {
    let found = weight.content.shape.dimensions
    if found != entry.shape || weight.content.elementType.name != entry.elementType {
      throw QuantizeError(
        .otherWeight(
          entry.weight, planned: "\(entry.elementType) \(entry.shape)",
          found: "\(weight.content.elementType.name) \(found)"), path: model.path)
    }
  }

  /// Bits, granularity and block size that the form can hold.
  private func requireNumbers(_ entry: PlanEntry, _ treatment: Treatment) throws(QuantizeError) {
    guard [4, 8].contains(treatment.bits) || treatment.form == .half else {
      throw impossible(entry.weight, "\(treatment.bits) bits are not possible, 4 and 8 are")
    }
    if treatment.granularity == .block {
      guard let size = treatment.blockSize, QuantPolicy.isBlockSize(size) else {
        throw impossible(entry.weight, "block granularity needs a block_size of 16, 32, 64, 128 or 256")
      }
    } else if !treatment.symmetric {
      throw impossible(entry.weight, "zero points are for block granularity only")
    }
    switch treatment.form {
    case .dynamicMatMul, .dynamicConvolution:
      if treatment.bits != 8 || treatment.granularity == .block {
        throw impossible(entry.weight, "run-time activations need 8 bits per channel or tensor")
      }
    case .matMulNBits:
      if treatment.granularity != .block {
        throw impossible(entry.weight, "MatMulNBits needs block granularity")
      }
    case .gatherRows:
      if treatment.bits != 8 || treatment.granularity != .channel {
        throw impossible(entry.weight, "gathered rows need 8 bits per channel")
      }
    case .dequantize: break
    case .half: throw impossible(entry.weight, "binary16 is for whole models, use --scheme fp16")
    }
  }

  /// Users that the form is for, all of which see the channels on one axis.
  private func requireUses(_ entry: PlanEntry, _ treatment: Treatment, _ weight: Weight) throws(QuantizeError)
  {
    for case .other(_, let why) in weight.uses { throw impossible(entry.weight, why) }
    let census = UseCensus(weight.uses)
    if weight.uses.isEmpty || weight.content.shape.elementCount == 0 {
      throw impossible(entry.weight, "no node takes it, or it has no elements")
    }
    if census.hasMixedAxes, treatment.granularity != .tensor {
      throw impossible(
        entry.weight, "it is used both as it is and transposed, so its channels differ by user")
    }
    let fits: Bool
    switch treatment.form {
    case .dynamicMatMul: fits = census.gathers == 0 && census.convolutions == 0
    case .dynamicConvolution: fits = census.gathers == 0 && census.linears == 0
    case .matMulNBits: fits = census.convolutions == 0
    case .gatherRows: fits = census.gathers > 0 && census.convolutions == 0
    case .dequantize, .half: fits = true
    }
    if !fits {
      throw impossible(entry.weight, "the form '\(treatment.form.rawValue)' is not for all of its users")
    }
    guard let size = treatment.blockSize, treatment.granularity == .block else { return }
    if treatment.form == .matMulNBits, census.gathers > 0 {
      let width = weight.content.shape.dimensions.last ?? 0
      if treatment.bits != 8 || !treatment.symmetric || width % size != 0 {
        throw impossible(
          entry.weight, "a gathered table needs 8 bits without zero points, in rows of whole blocks")
      }
    }
    if census.convolutions > census.pointwise {
      throw impossible(entry.weight, "only the weight of a 1x1 Conv has blocks")
    }
  }

  /// The twin is the table's transpose as far as a few elements show, and only MatMuls take it.
  private func requireTwin(_ treatment: Treatment, _ weight: Weight, _ twin: Weight) throws(QuantizeError) {
    guard treatment.form == .gatherRows || treatment.form == .matMulNBits else {
      throw impossible(weight.name, "the form '\(treatment.form.rawValue)' has no place for a twin")
    }
    guard TwinSearch.mayBeTwins(weight, twin) else {
      throw impossible(twin.name, "it is not the transpose of '\(weight.name)', or not for a MatMul alone")
    }
  }
}

/// How often a weight is used in each way.
private struct UseCensus {
  var linears = 0
  var gathers = 0
  var convolutions = 0
  var pointwise = 0
  /// Uses that see [K, N], and those that see [N, K].
  var lastAxis = 0
  var firstAxis = 0

  var hasMixedAxes: Bool { lastAxis > 0 && firstAxis > 0 }

  init(_ uses: [WeightUse]) {
    for use in uses {
      switch use {
      case .matMul, .gemm(_, false):
        linears += 1
        lastAxis += 1
      case .transposedMatMul, .gemm(_, true):
        linears += 1
        firstAxis += 1
      case .gather:
        gathers += 1
        firstAxis += 1
      case .convolution(_, let isPointwise):
        convolutions += 1
        pointwise += isPointwise ? 1 : 0
        firstAxis += 1
      case .other: break
      }
    }
  }
}
