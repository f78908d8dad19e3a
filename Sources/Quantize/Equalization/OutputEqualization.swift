import ONNXFile
public import ONNXGraph
public import QuantPlan
import Tensors

/// Lets 8 bits hold the output of a linear layer whose channels differ in size.
///
/// The layer gives z = y / r, a size r for each channel, inside its weight and bias; z is held in 8 bits with one
/// scale; behind it a Mul by r, in 16 bits, gives y back. In float nothing changes. In front of Gelu, half of what lies
/// so far below zero that Gelu makes nothing of it counts for the sizes: none would clip other speech, whose positive
/// values are larger than those of a few clips (on tiny.en 36 dB against 51). Centring the channels as well was
/// measured and gave nothing.
public struct OutputEqualization: Sendable {
  /// Gelu of anything below gives less than 0.001.
  static let geluFloor: Float = -3.5
  /// Levels of the 16-bit factor that the smallest channel keeps.
  static let leastLevel: Float = 64

  /// What was changed, and the ranges of the new values.
  public struct Outcome: Sendable {
    /// By the name of z; what is outside is clipped.
    public var ranges: [String: ClosedRange<Float>] = [:]
    /// The names of the layers' nodes.
    public var layers: [String] = []
  }

  /// Whether a layer can be changed: a matrix of its own, users that are Add or, when wanted, Gelu.
  ///
  /// - Parameter heedsGelu: also layers in front of Gelu.
  public static func canEqualize(_ layer: PlannedLinear, in model: ModelGraph, heedsGelu: Bool = true) -> Bool
  {
    let users = model[layer.output].uses.map { model[$0.node].opType }
    guard !users.isEmpty, LinearSite(layer.node, in: model) != nil else { return false }
    return users.allSatisfy { $0 == "Add" || (heedsGelu && $0 == "Gelu") }
  }

  /// Changes layers whose channels are known; `channels` gives the smallest and the largest number of each channel by
  /// the name of the output.
  public static func equalize(
    _ model: inout ModelGraph, _ layers: [PlannedLinear],
    channels: (String) -> (minima: [Float], maxima: [Float])?
  ) -> Outcome {
    var outcome = Outcome()
    for layer in layers {
      guard let site = LinearSite(layer.node, in: model), let seen = channels(model[layer.output].name),
        seen.minima.count == site.outputCount
      else { continue }
      let isGelu = model[layer.output].uses.allSatisfy { model[$0.node].opType == "Gelu" }
      let condition = Condition(seen, isGelu: isGelu)
      let name = model[layer.output].name
      let graph = model[layer.output].graph
      var values = LinearValues(site, in: model)
      values.scaleOutputs(condition.sizes.map { 1 / $0 })
      // The node may become another one when it gets a bias, so its output is asked for its producer afterwards.
      model.store(values, at: site)
      guard let node = model[layer.output].producer else { continue }
      let equalized = model.makeValue("\(name)_equalized", in: graph)
      model.describe(equalized, like: layer.output)
      model.setOutput(0, of: node, to: equalized)
      let sizes = model.makeInitializer(
        "\(name)_channel_sizes", .floats(condition.sizes, shape: [condition.sizes.count]), in: graph)
      model.insertAfter(
        node, NodeDraft("Mul", name: "\(name)_Mul", inputs: [equalized, sizes], outputs: [layer.output]))
      outcome.ranges[model[equalized].name] = condition.range
      outcome.layers.append(layer.label)
    }
    return outcome
  }

  /// The size of each channel, and the range of all channels when it is taken out.
  package struct Condition {
    /// Whole levels of a 16-bit number with one scale, so that quantizing them changes nothing.
    package let sizes: [Float]
    package let range: ClosedRange<Float>

    package init(_ seen: (minima: [Float], maxima: [Float]), isGelu: Bool) {
      let low = isGelu ? seen.minima.map { max($0, min($0 / 2, OutputEqualization.geluFloor)) } : seen.minima
      // A channel that is all below the floor still has a size.
      let high = zip(seen.maxima, low).map { max($0, $1) }
      let raw = zip(low, high).map { max(abs($0), abs($1)) }
      let largest = raw.max() ?? 0
      if largest > 0, largest.isFinite {
        let step = ScaleAndZeroPoint(holding: 0...largest, as: .u16).scale
        sizes = raw.map { max(($0 / step).rounded(), OutputEqualization.leastLevel) * step }
      } else {
        sizes = raw.map { _ in 1 }
      }
      var (least, most): (Float, Float) = (0, 0)
      for index in sizes.indices {
        least = min(least, low[index] / sizes[index])
        most = max(most, high[index] / sizes[index])
      }
      range = least...most
    }
  }
}

extension ModelGraph {
  /// Gives a new value type and shape of another one.
  fileprivate mutating func describe(_ value: ValueID, like other: ValueID) {
    guard var info = self[other].info else { return }
    info.name = self[value].name
    self[value].info = info
  }
}
