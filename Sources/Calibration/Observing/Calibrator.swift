import Kernels
public import ModelBackend
public import Tensors

/// Observes the tensors of runs as they come and keeps none of them.
public final class Calibrator {
  public let wishes: ObservationWishes
  /// Statistics of the runs since the last `take`, by tensor.
  public private(set) var statistics: [String: TensorStatistics] = [:]
  /// Gram matrices of all runs so far, by tensor.
  public private(set) var grams: [String: GramMatrix] = [:]
  /// Called with the bytes of each tensor that a run has shown, wished for or not.
  public var passed: (_ byteCount: Int) -> Void = { _ in }
  private let threads: Int
  /// What an observer found, which its session hands on as an error of a backend.
  private var failure: CalibrationError?
  /// What is in work, for errors.
  private var clip = ""

  /// Exporters write masks as −inf or the least float; nothing below this is a value.
  public static let leastValue: Float = -3e38

  /// - Parameter threads: that work on one tensor, the caller's among them; nil is one per processor.
  public init(_ wishes: ObservationWishes, threads: Int? = nil) {
    self.wishes = wishes
    self.threads = max(1, threads ?? WorkSharing.processorCount)
  }

  /// Runs a model and observes it.
  ///
  /// - Parameters:
  ///   - clip: the name of the data, for errors.
  ///   - outputs: to compute; nil is all that the model has.
  @discardableResult
  public func run(
    _ session: any InspectableSession, _ feeds: [String: TensorContent], clip: String,
    outputs: [String]? = nil
  ) throws(CalibrationError) -> [String: TensorContent] {
    do throws(BackendError) {
      return try observedRun(session, feeds, clip: clip, outputs: outputs ?? session.outputs.map(\.name))
    } catch {
      if let failure { throw failure }
      throw CalibrationError(.backend(error.reason), "\(clip): \(error.message)")
    }
  }

  func observedRun(
    _ session: any InspectableSession, _ feeds: [String: TensorContent], clip: String, outputs: [String]
  ) throws(BackendError) -> [String: TensorContent] {
    self.clip = clip
    return try session.run(feeds, outputs: outputs) { (name, content) throws(BackendError) in
      try observe(name, content)
    }
  }

  /// Hands out the statistics and begins anew; Gram matrices go on.
  public func take() -> [String: TensorStatistics] {
    defer { statistics = [:] }
    return statistics
  }

  /// Says which tensor was wished for and never shown.
  public func checkComplete(_ seen: [String: TensorStatistics]) throws(CalibrationError) {
    let missing = wishes.tensors.filter { name, wish in
      (wish != .gram && seen[name] == nil) || (wish.contains(.gram) && grams[name] == nil)
    }
    guard let first = missing.keys.min() else { return }
    throw CalibrationError(
      .missing,
      "\(missing.count == 1 ? "the tensor '\(first)' was" : "'\(first)' and \(missing.count - 1) more tensors were") "
        + "to be observed, but no run computed such float values; are the ranges wanted for another model?")
  }

  /// Looks at one tensor, if it is wished for and holds floats.
  public func observe(_ name: String, _ content: TensorContent) throws(BackendError) {
    passed(content.bytes.byteCount)
    let wish = wishes[name]
    if wish.isEmpty || content.shape.elementCount == 0 { return }
    do throws(CalibrationError) {
      try FloatContent.withFloats(content) { (values: Span<Float>) throws(CalibrationError) in
        try observe(name, values, content.shape.dimensions, wish)
      }
    } catch {
      failure = error
      throw BackendError(.badModel, error.message)
    }
  }

  private func observe(
    _ name: String, _ values: Span<Float>, _ dimensions: [Int], _ wish: Observation
  ) throws(CalibrationError) {
    let range = SignedRanges.range(of: values, threads: threads)
    guard range.isFinite, range.lowest > Self.leastValue else { throw objection(name, values, range) }
    if wish.contains(.range) || wish.contains(.channels) {
      let seen = TensorStatistics(
        values, range: range, dimensions: dimensions, channels: wish.contains(.channels) ? .wanted : .none,
        threads: threads)
      if statistics[name]?.merge(seen) == nil { statistics[name] = seen }
    }
    if wish.contains(.gram), let width = dimensions.last {
      let matrix = grams[name] ?? GramMatrix(width: width)
      guard matrix.width == width else {
        throw CalibrationError(
          .values,
          "\(clip): the last axis of '\(name)' has \(width) channels here and \(matrix.width) elsewhere; "
            + "only fixed shapes have Gram matrices, so prepare the model first")
      }
      matrix.add(values, threads: threads)
      grams[name] = matrix
    }
  }

  private func objection(_ name: String, _ values: Span<Float>, _ range: SignedRange) -> CalibrationError {
    var (nanCount, infiniteCount, maskCount) = (0, 0, 0)
    for index in values.indices {
      let value = values[index]
      if value.isNaN {
        nanCount += 1
      } else if value <= Self.leastValue {
        maskCount += 1
      } else if value.isInfinite {
        infiniteCount += 1
      }
    }
    if nanCount == 0, infiniteCount == 0 {
      return CalibrationError(
        .values,
        "\(clip): \(maskCount) of \(values.count) values of '\(name)' are \(range.lowest), the mark of a "
          + "mask, which no range can hold; prepare the model first, so that masks are −100")
    }
    return CalibrationError(
      .values,
      "\(clip): '\(name)' has \(nanCount) NaN and \(infiniteCount + maskCount) infinite values of \(values.count); "
        + "the model cannot compute this input in float, so try it with validate, or leave the clip out")
  }
}
