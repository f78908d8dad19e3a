public import ONNXGraph
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// How far the sizes of a normalization's channels move into the layers behind it.
public enum Smoothing: Sendable, Equatable {
  case off
  /// The power of a channel's size that is taken out of it; 0...1.
  case power(Float)
  /// For each normalization the power with the least estimated error.
  case automatic
}

/// Takes large channels out of what LayerNormalization gives, into the weights of the linear layers behind it.
///
/// Source: Xiao et al., "SmoothQuant: Accurate and Efficient Post-Training Quantization for Large Language Models",
/// 2023. The estimate of `automatic` adds the noise of the activations' levels, through the weights, to that of the
/// weights' levels, through activations that are taken to be a quarter of their largest.
public struct NormalizationSmoothing: Sendable {
  /// A normalization, all users of which are linear layers with matrices of their own.
  struct Site {
    let normalization: NodeID
    let output: ValueID
    let factor: ValueID
    let offset: ValueID?
    let layers: [LinearSite]
  }

  static let powers: [Float] = [0, 0.15, 0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1]

  /// The names of the values whose channels `smooth` wants to know.
  public static func observedValues(_ model: ModelGraph) -> [String] {
    sites(model).map { model[$0.output].name }
  }

  /// Smooths what `channels` knows; `levels` are those of the layers' activations by the name of the value.
  ///
  /// - Returns: the power that was taken, by the name of the normalization's output.
  public static func smooth(
    _ model: inout ModelGraph, _ smoothing: Smoothing,
    channels: (String) -> (minima: [Float], maxima: [Float])?,
    levels: (String) -> Int
  ) -> [String: Float] {
    var powers: [String: Float] = [:]
    for site in sites(model) {
      let name = model[site.output].name
      guard let seen = channels(name) else { continue }
      var layers = site.layers.map { LinearValues($0, in: model) }
      let power: Float
      switch smoothing {
      case .off: continue
      case .power(let given): power = given
      case .automatic: power = best(seen, layers, levels(name))
      }
      powers[name] = power
      if power == 0 { continue }
      let sizes = Self.sizes(seen, power)
      let inverse = sizes.map { 1 / $0 }
      for (place, value) in [(site.factor, inverse), site.offset.map { ($0, inverse) }].compactMap({ $0 }) {
        let numbers = LinearValues.floats(model.constantContent(of: place))
        model.replaceConstant(place, with: zip(numbers, value).map { $0 * $1 })
      }
      for index in layers.indices {
        layers[index].scaleInputs(sizes)
        model.store(layers[index], at: site.layers[index])
      }
    }
    return powers
  }

  /// Sizes to a power, with a geometric mean of 1.
  static func sizes(_ seen: (minima: [Float], maxima: [Float]), _ power: Float) -> [Float] {
    let magnitudes = zip(seen.minima, seen.maxima).map { max(-$0, $1, 1e-6) }
    let logarithms = magnitudes.map { log($0) * power }
    let mean = logarithms.reduce(0, +) / Float(max(1, logarithms.count))
    return logarithms.map { exp($0 - mean) }
  }

  private static func best(
    _ seen: (minima: [Float], maxima: [Float]), _ layers: [LinearValues], _ levels: Int
  ) -> Float {
    var result: (error: Double, power: Float) = (.infinity, 0)
    for power in powers {
      let sizes = Self.sizes(seen, power)
      let low = zip(seen.minima, sizes).map { $0 / $1 }.min() ?? 0
      let high = zip(seen.maxima, sizes).map { $0 / $1 }.max() ?? 0
      let step = Double(max(high, 0) - min(low, 0)) / Double(max(1, levels - 1))
      let energies = zip(zip(seen.minima, seen.maxima), sizes).map { range, size in
        let typical = Double(max(-range.0, range.1) / size) / 4
        return typical * typical
      }
      let whole = energies.reduce(0, +)
      var error = 0.0
      for layer in layers {
        let (columns, signal) = Self.columns(layer, sizes, energies)
        var noise = 0.0
        for column in columns {
          let weightStep = column.largest / 127
          noise += step * step / 12 * column.energy + whole * weightStep * weightStep / 12
        }
        error += noise / max(signal, .leastNormalMagnitude)
      }
      if error < result.error { result = (error, power) }
    }
    return result.power
  }

  /// Of each output channel the largest weight and the sum of squares, with `sizes` in the rows; and the energy of all
  /// outputs.
  private static func columns(
    _ layer: LinearValues, _ sizes: [Float], _ energies: [Double]
  ) -> (columns: [(largest: Double, energy: Double)], signal: Double) {
    var columns = [(largest: Double, energy: Double)](repeating: (0, 0), count: layer.outputCount)
    var signal = 0.0
    for input in 0..<layer.inputCount {
      for output in 0..<layer.outputCount {
        let weight = Double(layer.weight[input * layer.outputCount + output] * sizes[input])
        columns[output].largest = max(columns[output].largest, abs(weight))
        columns[output].energy += weight * weight
        signal += weight * weight * energies[input]
      }
    }
    return (columns, signal)
  }

  static func sites(_ model: ModelGraph) -> [Site] {
    model[model.root].nodes.compactMap { node in
      let record = model[node]
      guard record.opType == "LayerNormalization", let output = record.outputs.first ?? nil,
        model[output].graphOutputCount == 0, !model[output].uses.isEmpty, record.inputs.count > 1,
        let factor = record.inputs[1], isOwn(factor, model)
      else { return nil }
      let offset = record.inputs.count > 2 ? record.inputs[2] : nil
      if let offset, !isOwn(offset, model) { return nil }
      let layers = model[output].uses.compactMap { use -> LinearSite? in
        use.inputIndex == 0 ? LinearSite(use.node, in: model) : nil
      }
      guard layers.count == model[output].uses.count else { return nil }
      return Site(normalization: node, output: output, factor: factor, offset: offset, layers: layers)
    }
  }

  private static func isOwn(_ value: ValueID, _ model: ModelGraph) -> Bool {
    guard let content = model.constantContent(of: value) else { return false }
    return model[value].uses.count == 1 && model[value].initializer != nil && content.elementType == .float32
      && content.shape.rank == 1
  }
}
