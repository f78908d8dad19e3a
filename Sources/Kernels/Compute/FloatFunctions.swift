import CKernels

/// A function of one float, computed in vectors; relative errors are a few units in the last place.
public enum UnaryFunction: Sendable, Hashable, CaseIterable {
  case negate, absolute, squareRoot, reciprocal, relu, exponential, sigmoid, tanh, errorFunction
  /// x · Φ(x), with the error function.
  case gelu
  /// The approximation of it with tanh.
  case geluTanh
  /// x · sigmoid(1.702 x).
  case quickGelu

  var code: ck_unary {
    switch self {
    case .negate: CK_NEGATE
    case .absolute: CK_ABSOLUTE
    case .squareRoot: CK_SQUARE_ROOT
    case .reciprocal: CK_RECIPROCAL
    case .relu: CK_RELU
    case .exponential: CK_EXPONENTIAL
    case .sigmoid: CK_SIGMOID
    case .tanh: CK_TANH
    case .errorFunction: CK_ERROR_FUNCTION
    case .gelu: CK_GELU
    case .geluTanh: CK_GELU_TANH
    case .quickGelu: CK_QUICK_GELU
    }
  }
}

/// A function of two floats.
public enum BinaryFunction: Sendable, Hashable, CaseIterable {
  case add, subtract, multiply, divide

  var code: ck_binary {
    switch self {
    case .add: CK_ADD
    case .subtract: CK_SUBTRACT
    case .multiply: CK_MULTIPLY
    case .divide: CK_DIVIDE
    }
  }
}

/// Elementwise functions of floats.
public enum FloatFunctions {
  /// Elements that are worth another thread.
  public static let grain = 1 << 14

  /// `output` becomes f(x), element by element.
  public static func apply(
    _ function: UnaryFunction, _ x: Span<Float>, into output: inout MutableSpan<Float>, threads: Int
  ) {
    precondition(output.count == x.count, "one result per element")
    let count = x.count
    if count == 0 { return }
    // Safe: the counts are equal; ranges do not overlap and lie within them.
    unsafe lending(x, &output) { x, output in
      guard let x = unsafe x, let output = unsafe output else { return }
      WorkSharing.forRanges(count, grain: grain, threads: threads) { range in
        unsafe ck_apply(function.code, x + range.lowerBound, output + range.lowerBound, range.count)
      }
    }
  }

  /// One contiguous run of a broadcast operation; a step of 0 repeats the operand's first element.
  public struct Run: Sendable {
    public var a: Int
    public var b: Int
    public var output: Int

    public init(a: Int, b: Int, output: Int) { (self.a, self.b, self.output) = (a, b, output) }
  }

  /// `output` becomes f(a, b) over runs of `length` elements: run r starts where `run(r)` says, and the steps (0
  /// or 1) are the same for all.
  public static func combine(
    _ function: BinaryFunction, _ a: Span<Float>, stepA: Int, _ b: Span<Float>, stepB: Int, length: Int,
    runCount: Int, into output: inout MutableSpan<Float>, threads: Int, _ run: (Int) -> Run
  ) {
    precondition((stepA == 0 || stepA == 1) && (stepB == 0 || stepB == 1) && length >= 0, "steps of 0 or 1")
    if length == 0 || runCount == 0 { return }
    let (countA, countB, countOutput) = (a.count, b.count, output.count)
    let lengthA = stepA == 0 ? 1 : length
    let lengthB = stepB == 0 ? 1 : length
    // Safe: every run is checked against the three counts before the call.
    unsafe lending(a, b, &output) { a, b, output in
      guard let a = unsafe a, let b = unsafe b, let output = unsafe output else { return }
      func compute(_ run: Run, _ range: Range<Int>) {
        precondition(
          run.a >= 0 && run.a + lengthA <= countA && run.b >= 0 && run.b + lengthB <= countB
            && run.output >= 0 && run.output + length <= countOutput, "runs lie within their memory")
        unsafe ck_combine(
          function.code, a + run.a + range.lowerBound * stepA, stepA, b + run.b + range.lowerBound * stepB,
          stepB,
          output + run.output + range.lowerBound, range.count)
      }
      if runCount == 1 {
        let only = run(0)
        WorkSharing.forRanges(length, grain: grain, threads: threads) { compute(only, $0) }
      } else {
        WorkSharing.forRanges(runCount, grain: max(1, grain / length), threads: threads) { range in
          for index in range { compute(run(index), 0..<length) }
        }
      }
    }
  }
}
