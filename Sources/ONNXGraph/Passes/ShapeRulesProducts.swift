import Tensors

/// Rules of matrix products and convolutions.
extension ShapeRules {
  func productResults(_ name: String) throws(PassError) -> [[Int]?]? {
    switch name {
    case "MatMul", "MatMulInteger", "com.microsoft.FusedMatMul":
      return [try product(try matrix(0, "transA"), try matrix(1, "transB"))]
    case "Gemm":
      return [try product(try matrix(0, "transA"), try matrix(1, "transB"))]
    case "Conv", "ConvInteger": return [try convolved()]
    case "Einsum": return [try einsum()]
    case "MaxPool", "AveragePool", "GlobalAveragePool": return nil
    default: return nil
    }
  }

  private func matrix(_ index: Int, _ flag: String) throws(PassError) -> [Int] {
    var dimensions = try input(index)
    if attribute(flag) == 1, dimensions.count >= 2 {
      dimensions.swapAt(dimensions.count - 1, dimensions.count - 2)
    }
    return dimensions
  }

  private func product(_ left: [Int], _ right: [Int]) throws(PassError) -> [Int] {
    guard !left.isEmpty, !right.isEmpty else { throw fail("multiplies a scalar") }
    let a = left.count == 1 ? [1] + left : left
    let b = right.count == 1 ? right + [1] : right
    guard a[a.count - 1] == b[b.count - 2], let batch = Self.broadcast(a.dropLast(2), b.dropLast(2)) else {
      throw fail("cannot multiply the shapes \(left) and \(right); check --dim")
    }
    return batch + (left.count == 1 ? [] : [a[a.count - 2]]) + (right.count == 1 ? [] : [b[b.count - 1]])
  }

  private static func broadcast(_ left: ArraySlice<Int>, _ right: ArraySlice<Int>) -> [Int]? {
    broadcast(Array(left), Array(right))
  }

  private func convolved() throws(PassError) -> [Int] {
    let data = try input(0)
    let weight = try input(1)
    let spatial = data.count - 2
    guard spatial >= 1, weight.count == data.count else {
      throw fail("has data of shape \(data) and weights of shape \(weight)")
    }
    func numbers(_ name: String, _ count: Int, _ usual: Int) -> [Int] {
      model.integers(name, of: node).map { $0.map { Int(clamping: $0) } }
        ?? [Int](repeating: usual, count: count)
    }
    let strides = numbers("strides", spatial, 1)
    let dilations = numbers("dilations", spatial, 1)
    let pads = numbers("pads", 2 * spatial, 0)
    let mode = model.text("auto_pad", of: node) ?? "NOTSET"
    guard strides.count == spatial, dilations.count == spatial, pads.count == 2 * spatial,
      strides.allSatisfy({ $0 > 0 })
    else { throw fail("has strides, dilations or pads of the wrong number") }
    let extents = (0..<spatial).map { index -> Int in
      let reach = (weight[index + 2] - 1) &* dilations[index] &+ 1
      let extent = data[index + 2]
      switch mode {
      case "SAME_UPPER", "SAME_LOWER": return (extent &+ strides[index] &- 1) / strides[index]
      case "VALID": return (extent &- reach) / strides[index] + 1
      default: return (extent &+ pads[index] &+ pads[index + spatial] &- reach) / strides[index] + 1
      }
    }
    return [data[0], weight[0]] + extents
  }

  private func einsum() throws(PassError) -> [Int] {
    let equation = (model.text("equation", of: node) ?? "").filter { $0 != " " }
    let sides = equation.split(separator: ">", maxSplits: 1).map { $0.filter { $0 != "-" } }
    guard sides.count == 2, !equation.contains(".") else {
      throw fail("has the equation '\(equation)', which is not in the form 'ij,jk->ik'")
    }
    var extents: [Character: Int] = [:]
    for (index, term) in sides[0].split(separator: ",", omittingEmptySubsequences: false).enumerated() {
      let dimensions = try input(index)
      guard term.count == dimensions.count else { throw fail("takes \(term) of shape \(dimensions)") }
      for (letter, extent) in zip(term, dimensions) { extents[letter] = extent }
    }
    return sides[1].compactMap { extents[$0] }
  }
}
