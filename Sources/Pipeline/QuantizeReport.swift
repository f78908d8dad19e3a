import ONNXFile
import ONNXGraph
public import QuantPlan
public import Quantize

/// What was done to one model: sizes, counts, losses, time.
public struct QuantizeReport: Sendable {
  public let inputPath: String
  public let outputPath: String
  public let outputDataPath: String?
  /// Model and data files together.
  public let inputByteCount: Int
  public let outputByteCount: Int
  public let plan: QuantPlan
  /// One per executed piece of arithmetic, in plan order.
  public let outcomes: [WeightOutcome]
  /// Sentences that the user should read.
  public let findings: [String]
  public let seconds: Double
  public let threadCount: Int
  /// Instruction set of the kernels.
  public let processorLevel: String
  public let peakMemoryByteCount: Int

  /// Share of the input that is saved, 0 to 1.
  public var reduction: Double {
    inputByteCount == 0 ? 0 : 1 - Double(outputByteCount) / Double(inputByteCount)
  }

  /// Bytes of input per second.
  public var bytesPerSecond: Double { seconds > 0 ? Double(inputByteCount) / seconds : 0 }

  /// Integer weights by increasing SQNR.
  public var worstFirst: [WeightOutcome] {
    outcomes.filter { $0.treatment.form != .half }.sorted { ($0.sqnr, $0.name) < ($1.sqnr, $1.name) }
  }
}

/// Sentences about a whole run.
enum Findings {
  /// Below this a weight is likely to be heard in the output.
  private static let lowSQNR = 10.0

  static func of(_ outcomes: [WeightOutcome], _ plan: QuantPlan, _ graph: ModelGraph) -> [String] {
    var result: [String] = []
    let overflowing = outcomes.filter { $0.overflowCount > 0 }
    if !overflowing.isEmpty {
      let count = overflowing.reduce(0) { $0 + $1.overflowCount }
      result.append(
        "\(count) value\(count == 1 ? "" : "s") beyond ±65504 in \(overflowing.count) "
          + "tensor\(overflowing.count == 1 ? "" : "s") became ±65504: "
          + overflowing.prefix(5).map { "'\($0.name)'" }.joined(separator: ", "))
    }
    let low = outcomes.filter { $0.treatment.form != .half && $0.sqnr < lowSQNR }
    if !low.isEmpty {
      result.append(
        "\(low.count) weight\(low.count == 1 ? " is" : "s are") below \(Int(lowSQNR)) dB: "
          + low.prefix(5).map { "'\($0.name)'" }.joined(separator: ", "))
    }
    // Small ones and those that a pattern leaves have reasons of their own in the list.
    let convolutions = plan.entries.filter {
      $0.role == .convolution && $0.treatment == nil && $0.reason.contains("--conv always")
    }
    if let first = convolutions.first {
      let count = convolutions.count
      result.append("\(count) convolution\(count == 1 ? "" : "s") stay float: \(first.reason)")
    }
    let count = graph.message.functions.count
    if count > 0 {
      result.append(
        count == 1
          ? "1 function is carried as it is; weights inside of it are not seen"
          : "\(count) functions are carried as they are; weights inside of them are not seen")
    }
    return result
  }
}

/// The sentence for a model in which no weight can be quantized.
enum NothingToDo {
  /// What to say of a model that holds integers already; nil for a float one.
  static func alreadyQuantized(_ path: String, _ graph: ModelGraph) -> String? {
    let operators = Set(graph.allNodes.map { graph[$0].opType })
    if operators.contains("EPContext") {
      return "\(path): this is a compiled package (EPContext) without weights to quantize; "
        + "quantize the model it was compiled from"
    }
    let quantized = operators.intersection([
      "MatMulInteger", "ConvInteger", "MatMulNBits", "DequantizeLinear", "DynamicQuantizeMatMul",
      "MatMulIntegerToFloat", "QLinearMatMul", "QLinearConv",
    ]).sorted()
    if quantized.isEmpty { return nil }
    return "\(path): there is nothing left to quantize, the model is quantized already "
      + "(\(quantized.joined(separator: ", "))); start from the float model"
  }

  static func sentence(_ path: String, _ plan: QuantPlan, _ graph: ModelGraph) -> String {
    if let sentence = alreadyQuantized(path, graph) { return sentence }
    guard let first = telling(plan) else {
      return "\(path): there is nothing to quantize, the model has no float weights; "
        + "pass --allow-unchanged to write it all the same"
    }
    var remedy = "choose another scheme, or pass --allow-unchanged"
    if first.reason.contains("--conv always") { remedy = "pass --conv always, or choose weight-int8" }
    if first.reason.hasPrefix("fewer than") { remedy = "lower --minimum-elements for a model of this size" }
    if first.reason.hasPrefix("excluded by") || first.reason.hasPrefix("not among") {
      remedy = "change the patterns of --include and --exclude"
    }
    return "\(path): scheme \(plan.scheme.rawValue) would change no weight; '\(first.weight)' "
      + "(\(first.role.rawValue)) is left because \(first.reason); \(remedy)"
  }

  /// The same for a plan of a static scheme, which `path` names when it was given; nil when anything is quantized.
  static func sentence(_ model: String, _ plan: StaticPlan, path: String?) -> String? {
    guard plan.activations.isEmpty, plan.conversions.isEmpty, plan.weights.isEmpty else { return nil }
    if let path {
      return
        "\(model): the plan \(path) quantizes nothing; make a plan with --dry-run --json, or leave --plan out"
    }
    let scheme = plan.scheme.rawValue
    guard let first = plan.floatNodes.first(where: { $0.operatorName == "MatMul" }) ?? plan.floatNodes.first
    else { return "\(model): there is nothing to quantize, the model computes with no float numbers" }
    let isExcluded = plan.floatNodes.contains { $0.reason.hasPrefix("excluded by") }
    return
      "\(model): scheme \(scheme) would quantize nothing; '\(first.node)' (\(first.operatorName)) stays in floating "
      + "point because \(first.reason.hasPrefix("excluded") ? "it is " : "")\(first.reason); "
      + (isExcluded
        ? "change the patterns of --exclude" : "choose a scheme of processors, such as dynamic-int8")
  }

  /// The largest weight of the kind that matters most: linear layers and tables, then convolutions, then all.
  private static func telling(_ plan: QuantPlan) -> PlanEntry? {
    let linear = plan.entries.filter { $0.role != .other && $0.role != .convolution }
    let convolutions = plan.entries.filter { $0.role == .convolution }
    for group in [linear, convolutions, plan.entries] {
      if let largest = group.max(by: { $0.bytesBefore < $1.bytesBefore }) { return largest }
    }
    return nil
  }
}
