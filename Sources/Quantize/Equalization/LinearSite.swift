import Kernels
import ONNXFile
package import ONNXGraph
import Tensors

/// A linear layer of a prepared model as a matrix that can be changed.
package struct LinearSite {
  package let node: NodeID
  package let weight: ValueID
  /// Nil when the layer has no bias.
  package let bias: ValueID?
  /// Whether the weight is [N, K].
  package let isTransposed: Bool
  package let inputCount: Int
  package let outputCount: Int

  /// Nil for anything but a Gemm or MatMul with a float32 matrix that nothing else takes.
  package init?(_ node: NodeID, in model: ModelGraph) {
    let record = model[node]
    guard ["Gemm", "MatMul"].contains(record.opType), record.domain.isEmpty, record.inputs.count > 1,
      let weight = record.inputs[1], model[weight].uses.count == 1, model[weight].graphOutputCount == 0,
      let content = model.constantContent(of: weight), content.elementType == .float32,
      content.shape.rank == 2,
      (model.integer("transA", of: node) ?? 0) == 0, (model.float("alpha", of: node) ?? 1) == 1,
      (model.float("beta", of: node) ?? 1) == 1
    else { return nil }
    self.node = node
    self.weight = weight
    bias = record.inputs.count > 2 ? record.inputs[2] : nil
    if let bias {
      guard let content = model.constantContent(of: bias), content.elementType == .float32,
        content.shape.rank == 1
      else { return nil }
    }
    isTransposed = (model.integer("transB", of: node) ?? 0) != 0
    let dimensions = content.shape.dimensions
    inputCount = dimensions[isTransposed ? 1 : 0]
    outputCount = dimensions[isTransposed ? 0 : 1]
  }
}

/// The numbers of a linear layer in memory: W as [K, N], b as [N].
package struct LinearValues {
  package var weight: [Float]
  package var bias: [Float]
  package let inputCount: Int
  package let outputCount: Int

  package init(_ site: LinearSite, in model: ModelGraph) {
    (inputCount, outputCount) = (site.inputCount, site.outputCount)
    let stored = Self.floats(model.constantContent(of: site.weight))
    if site.isTransposed {
      var values = [Float](repeating: 0, count: stored.count)
      for output in 0..<site.outputCount {
        for input in 0..<site.inputCount {
          values[input * site.outputCount + output] = stored[output * site.inputCount + input]
        }
      }
      weight = values
    } else {
      weight = stored
    }
    let zeros = [Float](repeating: 0, count: site.outputCount)
    bias = site.bias.map { Self.floats(model.constantContent(of: $0)) } ?? zeros
  }

  static func floats(_ content: TensorContent?) -> [Float] {
    guard let content else { return [] }
    var values: [Float] = []
    values.reserveCapacity(content.shape.elementCount)
    FloatTiles(content).withFloats(0..<content.shape.elementCount, Scratch()) { span in
      for index in span.indices { values.append(span[index]) }
    }
    return values
  }

  /// Multiplies output channel n by `factors[n]`.
  package mutating func scaleOutputs(_ factors: [Float]) {
    for input in 0..<inputCount {
      for output in 0..<outputCount { weight[input * outputCount + output] *= factors[output] }
    }
    for output in 0..<outputCount { bias[output] *= factors[output] }
  }

  /// Multiplies what comes from input channel k by `factors[k]`.
  package mutating func scaleInputs(_ factors: [Float]) {
    for input in 0..<inputCount {
      for output in 0..<outputCount { weight[input * outputCount + output] *= factors[input] }
    }
  }

  /// Adds to the bias what a constant `shift` of the inputs gives.
  package mutating func absorbInputs(_ shift: [Float]) {
    for input in 0..<inputCount where shift[input] != 0 {
      for output in 0..<outputCount { bias[output] += shift[input] * weight[input * outputCount + output] }
    }
  }

  /// Rotates each head of the output by the Hadamard matrix of its width, over the square root of that.
  package mutating func rotateOutputs(headWidth: Int) {
    for input in 0..<inputCount {
      Hadamard.rotate(&weight, from: input * outputCount, outputCount, headWidth)
    }
    Hadamard.rotate(&bias, from: 0, outputCount, headWidth)
  }

  /// Undoes such a rotation of the inputs; the matrix is its own inverse.
  package mutating func rotateInputs(headWidth: Int) {
    for head in stride(from: 0, to: inputCount, by: headWidth) {
      Hadamard.rotateRows(&weight, from: head, headWidth, columnCount: outputCount)
    }
  }
}

/// The Hadamard matrix of Sylvester's construction, scaled to be orthogonal; symmetric, so its own inverse.
enum Hadamard {
  /// Rotates runs of `width` elements of `count` from `start` on; `width` is a power of two.
  static func rotate(_ values: inout [Float], from start: Int, _ count: Int, _ width: Int) {
    let norm = 1 / Float(width).squareRoot()
    for first in stride(from: start, to: start + count, by: width) {
      var half = 1
      while half < width {
        for block in stride(from: first, to: first + width, by: 2 * half) {
          for index in block..<(block + half) {
            let (a, b) = (values[index], values[index + half])
            values[index] = a + b
            values[index + half] = a - b
          }
        }
        half *= 2
      }
      for index in first..<(first + width) { values[index] *= norm }
    }
  }

  /// The same over `width` rows of `columnCount` elements from row `start` on.
  static func rotateRows(_ values: inout [Float], from start: Int, _ width: Int, columnCount: Int) {
    let norm = 1 / Float(width).squareRoot()
    var half = 1
    while half < width {
      for block in stride(from: start, to: start + width, by: 2 * half) {
        for row in block..<(block + half) {
          let (upper, lower) = (row * columnCount, (row + half) * columnCount)
          for column in 0..<columnCount {
            let (a, b) = (values[upper + column], values[lower + column])
            values[upper + column] = a + b
            values[lower + column] = a - b
          }
        }
      }
      half *= 2
    }
    for index in (start * columnCount)..<((start + width) * columnCount) { values[index] *= norm }
  }
}

extension ModelGraph {
  /// Stores changed numbers of a linear layer; a layer without bias gets one when it is needed.
  mutating func store(_ values: LinearValues, at site: LinearSite) {
    var weight = values.weight
    if site.isTransposed {
      for output in 0..<site.outputCount {
        for input in 0..<site.inputCount {
          weight[output * site.inputCount + input] = values.weight[input * site.outputCount + output]
        }
      }
    }
    replaceConstant(site.weight, with: weight)
    if let bias = site.bias {
      if constantContent(of: bias).flatMap(\.floats) != values.bias { replaceBias(values.bias, bias, site) }
    } else if values.bias.contains(where: { $0 != 0 }) {
      let name = "\(label(of: site.node))_bias"
      let bias = makeInitializer(
        name, .floats(values.bias, shape: [values.bias.count]), in: self[site.node].graph)
      let record = self[site.node]
      let inputs = Array(record.inputs.prefix(2)) + [bias]
      replace(
        site.node,
        with: [
          NodeDraft(
            "Gemm", name: record.name, inputs: inputs, outputs: record.outputs.compactMap { $0 },
            attributes: record.attributes.map(\.message))
        ])
    }
  }

  /// A bias may be shared with other layers, whose numbers must stay.
  private mutating func replaceBias(_ values: [Float], _ bias: ValueID, _ site: LinearSite) {
    if self[bias].uses.count == 1, self[bias].initializer != nil {
      return replaceConstant(bias, with: values)
    }
    let own = makeInitializer(
      "\(self[bias].name)_of_\(label(of: site.node))", .floats(values, shape: [values.count]),
      in: self[site.node].graph)
    setInput(2, of: site.node, to: own)
  }

  /// New numbers for an initializer of the same shape, in memory.
  mutating func replaceConstant(_ value: ValueID, with floats: [Float]) {
    guard let shape = constantContent(of: value)?.shape else { return }
    let buffer = TensorBuffer(byteCount: floats.count * 4) { bytes in
      for (index, number) in floats.enumerated() {
        let bits = number.bitPattern
        for byte in 0..<4 { bytes[index * 4 + byte] = UInt8(truncatingIfNeeded: bits >> UInt32(8 * byte)) }
      }
    }
    setContent(TensorContent(elementType: .float32, shape: shape, bytes: .buffer(buffer)), of: value)
  }
}
