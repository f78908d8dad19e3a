import Kernels

/// In which order the inputs of a layer are rounded.
public enum RoundingOrder: String, CaseIterable, Sendable {
  /// As they lie in the weight.
  case natural
  /// Those with the largest activations first, while there are many left that make up for their errors.
  case byActivation = "by-activation"
}

/// R with RᵀR = XᵀX + damping, in the order of rounding: what the rounding of every weight needs that has X as its
/// input.
///
/// The first input to be rounded is the last row of R, so that rounding is a substitution from the last row up. In
/// exact arithmetic this gives the integers of GPTQ (Frantar et al., "GPTQ: Accurate post-training quantization for
/// generative pre-trained transformers", 2022), which works with the factor of the inverse instead; that both are one
/// is shown by Chen et al., "The geometry of LLM quantization: GPTQ as Babai's nearest plane algorithm", 2025.
public final class GramFactor: Sendable {
  /// Inputs of the layer, K.
  public let width: Int
  /// The part of the mean of the diagonal that was added to it: what was asked for, or more where rounding errors
  /// of the matrix wanted it.
  public let damping: Double
  /// Row of R by input.
  let rowOfInput: [Int]
  /// Input by row of R.
  let inputOfRow: [Int]
  /// [K, K], upper triangle; what lies below means nothing.
  let values: [Float]

  /// Rows that are worked on together.
  static let blockHeight = 128
  /// Beyond this much damping nothing of the matrix is left.
  private static let dampingLimit = 10.0

  /// Factors a Gram matrix; damping is raised tenfold until it can be.
  ///
  /// - Parameters:
  ///   - damping: added to the diagonal, as a part of its mean.
  ///   - threads: that work on it; the result does not depend on their number.
  public init(
    _ gram: GramMatrix, damping: Double = 0.01, order: RoundingOrder = .natural, threads: Int
  ) throws(CalibrationError) {
    width = gram.width
    let diagonal = gram.diagonal
    guard diagonal.allSatisfy({ $0.isFinite && $0 >= 0 }) else {
      throw CalibrationError(
        .numbers,
        "a Gram matrix of \(gram.width) inputs is not finite; leave out the clip with the largest values")
    }
    var inputs = Array(0..<gram.width)
    if order == .byActivation {
      inputs.sort { diagonal[$0] == diagonal[$1] ? $0 < $1 : diagonal[$0] > diagonal[$1] }
    }
    inputOfRow = inputs.reversed()
    var rows = [Int](repeating: 0, count: gram.width)
    for (row, input) in inputOfRow.enumerated() { rows[input] = row }
    rowOfInput = rows
    let mean = diagonal.reduce(0) { $0 + Double($1) } / Double(max(1, width))
    var damping = max(damping, 1e-7)
    while true {
      let added = mean > 0 ? damping * mean : 1
      if let found = Self.factor(gram, inputOfRow, added: Float(added), threads: threads) {
        values = found
        self.damping = damping
        return
      }
      damping *= 10
      guard damping <= Self.dampingLimit else {
        throw CalibrationError(
          .numbers, "a Gram matrix of \(gram.width) inputs has no Cholesky factor; calibrate with more clips")
      }
    }
  }

  /// Upper Cholesky factor by blocks of rows; nil when a pivot is not above zero.
  private static func factor(
    _ gram: GramMatrix, _ inputs: [Int], added: Float, threads: Int
  ) -> [Float]? {
    let count = inputs.count
    var matrix = [Float](repeating: 0, count: count * count)
    for row in 0..<count {
      for column in row..<count { matrix[row * count + column] = gram[inputs[row], inputs[column]] }
      matrix[row * count + row] += added
    }
    for first in stride(from: 0, to: count, by: blockHeight) {
      let end = min(count, first + blockHeight)
      if first > 0 { subtractEarlier(&matrix, count, first..<end, threads) }
      guard factorRows(&matrix, count, first..<end) else { return nil }
    }
    return matrix
  }

  /// Takes what the finished rows explain off a block of rows.
  private static func subtractEarlier(
    _ matrix: inout [Float], _ count: Int, _ rows: Range<Int>, _ threads: Int
  ) {
    let (first, length) = (rows.lowerBound, count - rows.lowerBound)
    var product = [Float](repeating: 0, count: rows.count * length)
    var span = product.mutableSpan
    let place = MatrixPlace(offset: first, rowStride: count)
    MatrixProduct.panel(
      ProductShape(m: rows.count, n: length, k: first, isATransposed: true), matrix.span, at: place,
      matrix.span,
      at: place, into: &span, threads: threads)
    var target = matrix.mutableSpan
    for row in rows {
      let start = (row - first) * length
      FloatRows.add(
        product.span.extracting(start..<start + length), times: -1, to: &target, at: row * count + first)
    }
  }

  private static func factorRows(_ matrix: inout [Float], _ count: Int, _ rows: Range<Int>) -> Bool {
    for row in rows {
      let pivot = matrix[row * count + row]
      guard pivot > 0, pivot.isFinite else { return false }
      let factor = 1 / pivot.squareRoot()
      var done = [Float](repeating: 0, count: count - row)
      for column in row..<count { done[column - row] = matrix[row * count + column] * factor }
      done[0] = pivot.squareRoot()
      var target = matrix.mutableSpan
      for column in row..<count { target[row * count + column] = done[column - row] }
      for below in row + 1..<max(row + 1, rows.upperBound) {
        FloatRows.add(
          done.span.extracting((below - row)...), times: -done[below - row], to: &target,
          at: below * count + below)
      }
    }
    return true
  }
}
