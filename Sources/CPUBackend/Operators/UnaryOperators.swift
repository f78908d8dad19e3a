import Kernels
import ModelBackend
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A function of one real number, computed in double precision.
private struct RealFunction: UnaryOperation {
  let function: (Double) -> Double
  func apply<N: Number>(_ x: N) -> N { N(double: function(x.double)) }
}

private struct Absolute: UnaryOperation {
  func apply<N: Number>(_ x: N) -> N {
    // Comparison keeps a NaN, and the sign of a zero is lost as it should be.
    x < N.zero ? N.difference(N.zero, x) : N.sum(x, N.zero)
  }
}

private struct Negation: UnaryOperation {
  func apply<N: Number>(_ x: N) -> N { N.difference(N.zero, x) }
}

private struct Sign: UnaryOperation {
  func apply<N: Number>(_ x: N) -> N {
    x > N.zero ? N.one : x < N.zero ? N.difference(N.zero, N.one) : x
  }
}

private struct Rectifier: UnaryOperation {
  func apply<N: Number>(_ x: N) -> N { x < N.zero ? N.zero : x }
}

private struct IsNaN: UnaryOperation {
  static var givesBool: Bool { true }
  func apply<N: Number>(_ x: N) -> N { x.isNotANumber ? N.one : N.zero }
}

private struct IsInfinite: UnaryOperation {
  let positive: Bool
  let negative: Bool
  static var givesBool: Bool { true }
  func apply<N: Number>(_ x: N) -> N {
    let value = x.double
    return value.isInfinite && (value > 0 ? positive : negative) ? N.one : N.zero
  }
}

private struct Inversion: UnaryOperation {
  static var givesBool: Bool { true }
  func apply<N: Number>(_ x: N) -> N { x == N.zero ? N.one : N.zero }
}

private struct BitInversion: UnaryOperation {
  func apply<N: Number>(_ x: N) -> N {
    N.difference(N.difference(N.zero, x), N.one)
  }
}

extension Call {
  /// The vector kernel for float32, or the function in double precision for other types.
  func real(
    _ x: RunTensor, _ function: UnaryFunction?, _ other: @escaping (Double) -> Double
  ) throws(BackendError) -> RunTensor {
    guard x.elementType == .float32, let function else { return try mapped(x, RealFunction(function: other)) }
    return try floats(x.shape) { (out) throws(BackendError) in
      FloatFunctions.apply(function, x.floats, into: &out, threads: threads)
    }
  }
}

/// An operator that is a function of each element.
private func elementwise(
  _ name: String, _ function: UnaryFunction? = nil, domain: String = "",
  _ other: @escaping @Sendable (Double) -> Double
) -> OperatorEntry {
  OperatorEntry(name, domain: domain, half: .widened) { _ in
    .tensors { (call) throws(BackendError) in [try call.real(try call.tensor(0), function, other)] }
  }
}

private func exact<Op: UnaryOperation & Sendable>(
  _ name: String, _ operation: Op, half: HalfPolicy = .widened
)
  -> OperatorEntry
{
  OperatorEntry(name, half: half) { _ in
    .tensors { (call) throws(BackendError) in [try call.mapped(try call.tensor(0), operation)] }
  }
}

/// Φ-weighted x, exact and with tanh.
func gelu(_ x: Double) -> Double { 0.5 * x * (1 + erf(x * 0.5.squareRoot())) }
func geluTanh(_ x: Double) -> Double {
  0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
}

extension OperatorTable {
  static var unaryEntries: [OperatorEntry] {
    [
      elementwise("Sqrt", .squareRoot) { $0.squareRoot() },
      elementwise("Reciprocal", .reciprocal) { 1 / $0 },
      elementwise("Exp", .exponential) { exp($0) },
      elementwise("Log") { log($0) },
      elementwise("Sigmoid", .sigmoid) { 1 / (1 + exp(-$0)) },
      elementwise("Tanh", .tanh) { tanh($0) },
      elementwise("Erf", .errorFunction) { erf($0) },
      elementwise("Sin") { sin($0) },
      elementwise("Cos") { cos($0) },
      elementwise("Softplus") { max($0, 0) + log1p(exp(-abs($0))) },
      elementwise("Softsign") { $0 / (1 + abs($0)) },
      elementwise("Floor") { $0.rounded(.down) },
      elementwise("Ceil") { $0.rounded(.up) },
      elementwise("Round") { $0.rounded(.toNearestOrEven) },
      elementwise("HardSwish") { $0 * max(0, min(1, $0 / 6 + 0.5)) },
      elementwise("Mish") { $0 * tanh(max($0, 0) + log1p(exp(-abs($0)))) },
      exact("Sign", Sign()),
      exact("IsNaN", IsNaN()),
      exact("Not", Inversion()),
      exact("BitwiseNot", BitInversion()),
      OperatorEntry("Abs", half: .widened) { _ in
        .tensors { (call) throws(BackendError) in
          let x = try call.tensor(0)
          return [
            x.elementType == .float32
              ? try call.real(x, .absolute) { abs($0) } : try call.mapped(x, Absolute())
          ]
        }
      },
      OperatorEntry("Neg", half: .widened) { _ in
        .tensors { (call) throws(BackendError) in
          let x = try call.tensor(0)
          return [
            x.elementType == .float32 ? try call.real(x, .negate) { -$0 } : try call.mapped(x, Negation())
          ]
        }
      },
      OperatorEntry("Relu", half: .widened) { _ in
        .tensors { (call) throws(BackendError) in
          let x = try call.tensor(0)
          return [
            x.elementType == .float32
              ? try call.real(x, .relu) { max($0, 0) } : try call.mapped(x, Rectifier())
          ]
        }
      },
      OperatorEntry("IsInf", half: .widened) { (node) throws(BackendError) in
        let operation = IsInfinite(
          positive: node.integer("detect_positive", default: 1) != 0,
          negative: node.integer("detect_negative", default: 1) != 0)
        return .tensors { (call) throws(BackendError) in [try call.mapped(try call.tensor(0), operation)] }
      },
      OperatorEntry("Gelu", versions: 20...newestVersion, half: .widened) { (node) throws(BackendError) in
        let usesTanh = node.text("approximate", default: "none") == "tanh"
        return .tensors { (call) throws(BackendError) in
          let x = try call.tensor(0)
          return [usesTanh ? try call.real(x, .geluTanh, geluTanh) : try call.real(x, .gelu, gelu)]
        }
      },
      parametric("LeakyRelu", "alpha", 0.01) { x, alpha, _ in x < 0 ? alpha * x : x },
      parametric("Elu", "alpha", 1) { x, alpha, _ in x < 0 ? alpha * expm1(x) : x },
      parametric("Celu", "alpha", 1) { x, alpha, _ in max(0, x) + min(0, alpha * expm1(x / alpha)) },
      parametric("ThresholdedRelu", "alpha", 1) { x, alpha, _ in x > alpha ? x : 0 },
      parametric("Swish", "alpha", 1) { x, alpha, _ in x / (1 + exp(-alpha * x)) },
      parametric("HardSigmoid", "alpha", 0.2, "beta", 0.5) { x, a, b in max(0, min(1, a * x + b)) },
      parametric("Selu", "alpha", 1.67326319217681884765625, "gamma", 1.05070102214813232421875) { x, a, g in
        x <= 0 ? g * (a * expm1(x)) : g * x
      },
    ]
  }

  private static func parametric(
    _ name: String, _ first: String, _ firstDefault: Float, _ second: String = "", _ secondDefault: Float = 0,
    _ function: @escaping @Sendable (Double, Double, Double) -> Double
  ) -> OperatorEntry {
    OperatorEntry(name, half: .widened) { (node) throws(BackendError) in
      let a = Double(node.float(first, default: firstDefault))
      let b = Double(node.float(second, default: secondDefault))
      return .tensors { (call) throws(BackendError) in
        [try call.real(try call.tensor(0), nil) { function($0, a, b) }]
      }
    }
  }
}
