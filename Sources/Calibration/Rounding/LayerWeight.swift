/// How the weight of a linear layer lies in memory.
public enum WeightOrientation: String, Sendable {
  /// [K, N]: a row for each input, as MatMul has it.
  case inputsFirst = "inputs-first"
  /// [N, K]: a row for each output, as Gemm with transB has it.
  case outputsFirst = "outputs-first"
}

/// The weight of a linear layer with K inputs and N outputs.
public struct LayerWeight: Sendable {
  public let inputCount: Int
  public let outputCount: Int
  public let orientation: WeightOrientation
  /// K · N floats, all finite.
  public let values: [Float]

  public init(_ values: [Float], inputCount: Int, outputCount: Int, orientation: WeightOrientation) {
    precondition(values.count == inputCount * outputCount, "a weight of its extents")
    self.values = values
    (self.inputCount, self.outputCount, self.orientation) = (inputCount, outputCount, orientation)
  }

  /// Index of an element.
  func index(_ input: Int, _ output: Int) -> Int {
    orientation == .inputsFirst ? input * outputCount + output : output * inputCount + input
  }

  /// Some outputs as [rows, outputs], where row r is input `inputs[r]`.
  func panel(_ outputs: Range<Int>, inputs: [Int]) -> [Float] {
    var panel = [Float](repeating: 0, count: inputs.count * outputs.count)
    for (row, input) in inputs.enumerated() {
      for (column, output) in outputs.enumerated() {
        panel[row * outputs.count + column] = values[index(input, output)]
      }
    }
    return panel
  }
}

/// Scales of a symmetric weight.
public enum LayerScales: Sendable, Equatable {
  /// N scales.
  case perOutput([Float])
  /// One for each `blockSize` inputs of each output: [blocks, N], the last block may be shorter.
  case perBlock([Float], blockSize: Int)

  public var values: [Float] {
    switch self {
    case .perOutput(let values), .perBlock(let values, _): values
    }
  }

  /// Where the scales of an input begin.
  func row(_ input: Int, outputCount: Int) -> Int {
    switch self {
    case .perOutput: 0
    case .perBlock(_, let blockSize): input / blockSize * outputCount
    }
  }

  func fits(_ weight: LayerWeight) -> Bool {
    switch self {
    case .perOutput(let values): values.count == weight.outputCount
    case .perBlock(let values, let blockSize):
      blockSize > 0 && values.count == (weight.inputCount + blockSize - 1) / blockSize * weight.outputCount
    }
  }
}

/// A weight as integers.
public struct RoundedWeight: Sendable, Equatable {
  /// In the order of the weight; zero point 0.
  public let integers: [Int8]
  public let scales: LayerScales
  /// ‖X(W − Ŵ)‖² over the rows of calibration, damping included; nil when it was not computed.
  public let squaredError: Double?

  public init(integers: [Int8], scales: LayerScales, squaredError: Double? = nil) {
    (self.integers, self.scales, self.squaredError) = (integers, scales, squaredError)
  }

  /// What an integer stands for.
  public func value(_ weight: LayerWeight, input: Int, output: Int) -> Float {
    Float(integers[weight.index(input, output)])
      * scales.values[scales.row(input, outputCount: weight.outputCount) + output]
  }
}
