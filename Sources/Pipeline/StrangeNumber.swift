import Tensors

/// A number among the inputs of a model that no computation can use.
struct StrangeNumber {
  /// NaN, inf or -inf.
  let text: String
  /// Its place, an index for each axis.
  let place: [Int]

  /// The first NaN or, where infinities are none of the mask's, the first of both; nil when there is none.
  init?(in tensor: TensorContent, allowsInfinity: Bool) {
    guard [.float32, .float16, .bfloat16, .float64].contains(tensor.elementType),
      let numbers = tensor.numbers,
      let index = numbers.firstIndex(where: { $0.isNaN || ($0.isInfinite && !allowsInfinity) })
    else { return nil }
    text = numbers[index].isNaN ? "NaN" : numbers[index] > 0 ? "inf" : "-inf"
    var rest = index
    var place: [Int] = []
    for extent in tensor.shape.dimensions.reversed() {
      place.append(rest % max(1, extent))
      rest /= max(1, extent)
    }
    self.place = place.reversed()
  }

  /// `NaN at [0, 3]`.
  var sentence: String { "\(text) at [\(place.map(String.init).joined(separator: ", "))]" }
}
