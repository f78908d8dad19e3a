import Tensors

/// Rules of operators that move, join and cut elements.
extension ShapeRules {
  func moveResults(_ name: String) throws(PassError) -> [[Int]?]? {
    switch name {
    case "Reshape": return [try reshaped()]
    case "Flatten":
      let dimensions = try input(0)
      let place = attribute("axis") ?? 1
      let cut = place < 0 ? place + dimensions.count : place
      guard cut >= 0, cut <= dimensions.count else { throw fail("has axis \(place)") }
      return [[dimensions[..<cut].reduce(1, &*), dimensions[cut...].reduce(1, &*)]]
    case "Transpose":
      let dimensions = try input(0)
      let order =
        model.integers("perm", of: node)?.map { Int(clamping: $0) }
        ?? Array(dimensions.indices.reversed())
      guard order.sorted() == Array(dimensions.indices) else {
        throw fail("permutes by \(order) where the rank is \(dimensions.count)")
      }
      return [order.map { dimensions[$0] }]
    case "Unsqueeze":
      let dimensions = try input(0)
      guard let axes = try list("axes", orInput: 1) else { throw fail("has no axes") }
      let rank = dimensions.count + axes.count
      let places = Set(axes.map { $0 < 0 ? $0 + rank : $0 })
      guard places.count == axes.count, places.allSatisfy({ $0 >= 0 && $0 < rank }) else {
        throw fail("has the axes \(axes) where the rank is \(dimensions.count)")
      }
      var rest = dimensions[...]
      return [(0..<rank).map { places.contains($0) ? 1 : rest.removeFirst() }]
    case "Squeeze":
      let dimensions = try input(0)
      guard let axes = try list("axes", orInput: 1) else { return [dimensions.filter { $0 != 1 }] }
      var gone: Set<Int> = []
      for one in axes { gone.insert(try axis(one, rank: dimensions.count)) }
      guard gone.allSatisfy({ dimensions[$0] == 1 }) else {
        throw fail("takes away \(axes) of \(dimensions)")
      }
      return [dimensions.indices.filter { !gone.contains($0) }.map { dimensions[$0] }]
    case "Concat":
      var result = try input(0)
      let place = try axis(attribute("axis") ?? 0, rank: result.count)
      for index in record.inputs.indices.dropFirst() {
        let next = try input(index)
        guard next.count == result.count,
          result.indices.allSatisfy({ $0 == place || result[$0] == next[$0] })
        else { throw fail("cannot join the shapes \(result) and \(next) on axis \(place)") }
        result[place] &+= next[place]
      }
      return [result]
    case "Split": return try split()
    case "Slice": return [try sliced()]
    case "Gather":
      let data = try input(0)
      let place = try axis(attribute("axis") ?? 0, rank: data.count)
      return [Array(data[..<place]) + (try input(1)) + Array(data[(place + 1)...])]
    case "GatherElements": return [try input(1)]
    case "GatherND":
      let data = try input(0)
      let indices = try input(1)
      guard let depth = indices.last, let batch = attribute("batch_dims") ?? 0 as Int?, batch >= 0,
        depth >= 0, batch <= data.count - depth
      else { throw fail("has indices of shape \(indices) for data of shape \(data)") }
      return [Array(indices.dropLast()) + Array(data[(batch + depth)...])]
    case "Expand":
      guard let target = try integers(1) else { throw fail("has no shape") }
      let dimensions = try input(0)
      guard let joined = Self.broadcast(dimensions, target) else {
        throw fail("cannot stretch \(dimensions) to \(target)")
      }
      return [joined]
    case "Tile":
      let dimensions = try input(0)
      guard let counts = try integers(1), counts.count == dimensions.count else {
        throw fail("has no repeat count for each dimension")
      }
      return [zip(dimensions, counts).map { $0 &* $1 }]
    case "ConstantOfShape":
      guard let target = try integers(0) else { throw fail("has no shape") }
      return [target]
    case "Range":
      guard let start = try number(0), let limit = try number(1), let step = try number(2), step != 0 else {
        throw fail("has no start, limit and step")
      }
      let count = ((limit - start) / step).rounded(.up)
      guard count.isFinite, count < 1e12 else { throw fail("counts from \(start) to \(limit) by \(step)") }
      return [[Int(max(0, count))]]
    case "Pad":
      let dimensions = try input(0)
      guard let pads = try list("pads", orInput: 1) else { throw fail("has no pads") }
      let axes = try integers(3) ?? Array(dimensions.indices)
      guard pads.count == 2 * axes.count else { throw fail("has \(pads.count) pads") }
      var result = dimensions
      for (index, one) in axes.enumerated() {
        result[try axis(one, rank: dimensions.count)] &+= pads[index] &+ pads[index + axes.count]
      }
      return [result]
    case "OneHot":
      var result = try input(0)
      guard let depth = try integers(1)?.first else { throw fail("has no depth") }
      let place = attribute("axis") ?? -1
      result.insert(depth, at: min(max(place < 0 ? place + result.count + 1 : place, 0), result.count))
      return [result]
    default: return nil
    }
  }

  private func number(_ index: Int) throws(PassError) -> Double? {
    guard let value = value(index) else { return nil }
    guard let number = model.constantContent(of: value)?.numbers?.first else {
      throw fail(
        "counts to '\(model[value].name)', which is computed from data; an NPU needs shapes that are fixed before "
          + "the run")
    }
    return number
  }

  private func reshaped() throws(PassError) -> [Int] {
    let dimensions = try input(0)
    guard let wanted = try integers(1) else { throw fail("has no shape") }
    let copiesZero = attribute("allowzero") ?? 0 == 0
    var result: [Int] = []
    for (index, extent) in wanted.enumerated() {
      if extent == 0, copiesZero {
        guard index < dimensions.count else { throw fail("copies dimension \(index) of \(dimensions)") }
        result.append(dimensions[index])
      } else {
        result.append(extent)
      }
    }
    let count = dimensions.reduce(1, &*)
    if let open = result.firstIndex(of: -1) {
      let rest = result.enumerated().reduce(1) { $1.offset == open ? $0 : $0 &* $1.element }
      guard rest > 0, count % rest == 0 else { throw fail("cannot make \(wanted) of \(dimensions)") }
      result[open] = count / rest
    }
    guard result.allSatisfy({ $0 >= 0 }), result.reduce(1, &*) == count else {
      throw fail("cannot make \(wanted) of \(dimensions); check --dim")
    }
    return result
  }

  private func split() throws(PassError) -> [[Int]?] {
    let dimensions = try input(0)
    let place = try axis(attribute("axis") ?? 0, rank: dimensions.count)
    let outputCount = record.outputs.count
    var parts: [Int]
    if let given = try list("split", orInput: 1) {
      parts = given
    } else {
      let size = (dimensions[place] + outputCount - 1) / max(outputCount, 1)
      parts = (0..<outputCount).map { min(size, max(0, dimensions[place] - $0 * size)) }
    }
    guard parts.count == outputCount, parts.reduce(0, &+) == dimensions[place] else {
      throw fail("cannot cut \(dimensions) into \(parts) on axis \(place)")
    }
    return parts.map { part in
      var result = dimensions
      result[place] = part
      return result
    }
  }

  private func sliced() throws(PassError) -> [Int] {
    var result = try input(0)
    guard let starts = try list("starts", orInput: 1), let ends = try list("ends", orInput: 2) else {
      throw fail("has no starts and ends")
    }
    let axes = try list("axes", orInput: 3) ?? Array(starts.indices)
    let steps = try integers(4) ?? [Int](repeating: 1, count: starts.count)
    guard starts.count == ends.count, axes.count == starts.count, steps.count == starts.count else {
      throw fail("has \(starts.count) starts, \(ends.count) ends, \(axes.count) axes, \(steps.count) steps")
    }
    for index in starts.indices {
      let place = try axis(axes[index], rank: result.count)
      let extent = result[place]
      let step = min(max(steps[index], -extent - 1), extent + 1)
      guard step != 0 else { throw fail("has step 0") }
      let low = step > 0 ? 0 : -1
      let high = step > 0 ? extent : extent - 1
      let start = min(max(bounded(starts[index], extent), step > 0 ? 0 : 0), high)
      let end = min(max(bounded(ends[index], extent), low), step > 0 ? extent : extent - 1)
      result[place] =
        step > 0 ? max(0, (end - start + step - 1) / step) : max(0, (start - end - step - 1) / -step)
    }
    return result
  }
}
