import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Cuts logits [1, t, V], [t, V] or AI Hub's [1, V, 1, 1] into rows.
///
/// - Parameter position: how many tokens the decoder had read before these.
/// - Throws: `DecodingError` for another shape, and for logits that are NaN or infinite, of which no token is the
///   likeliest; minus infinity is a token that cannot follow.
func logitRows(
  _ logits: TensorContent, count: Int, after position: Int, of part: SpeechPart
) throws(DecodingError) -> [[Float]] {
  let values = logits.floatValues
  // A decoder with a cache may rate the last token only.
  let dimensions = logits.shape.dimensions
  let rowCount = dimensions.count == 4 ? 1 : max(1, dimensions.dropLast().reduce(1, *))
  guard !values.isEmpty, values.count % rowCount == 0, rowCount <= count else {
    throw DecodingError(
      .mismatch, "\(part.name): the output 'logits' has the shape \(logits.shape) for \(count) tokens")
  }
  let width = values.count / rowCount
  // False for NaN, too.
  if let odd = values.firstIndex(where: { !($0 < .infinity) }) {
    let token = position + count - rowCount + odd / width + 1
    let found = values[odd].isNaN ? "NaN" : "infinity"
    throw DecodingError(
      .mismatch,
      "\(part.name): after token \(token) of prompt and text, the output 'logits' holds \(found) for the token with "
        + "the id \(odd % width), so none can be chosen; the model is damaged, or its numbers grow beyond their "
        + "type, as may be in fp16")
  }
  if rowCount == 1 { return [values] }
  return (0..<rowCount).map { Array(values[($0 * width)..<(($0 + 1) * width)]) }
}

/// The logits of all tokens at one place of a text; no `logitRows` gives NaN.
extension [Float] {
  /// The likeliest token, the first of several.
  var likeliestToken: Int {
    var best = 0
    for token in indices where self[token] > self[best] { best = token }
    return best
  }

  /// Σ exp(x − highest): the probability of a token is exp(x − highest) divided by it.
  func exponentialSum(below highest: Float) -> Double { reduce(0.0) { $0 + Double(exp($1 - highest)) } }
}
