import Kernels
import ModelBackend
import Tensors

/// The geometry of a convolution: [batch, channels, spatial...] with weights [outputs, channels / groups, kernel...].
struct ConvolutionPlan {
  let batch: Int
  let groups: Int
  let channelsPerGroup: Int
  let outputsPerGroup: Int
  let input: [Int]
  let kernel: [Int]
  let strides: [Int]
  let dilations: [Int]
  let padsBefore: [Int]
  let output: [Int]

  init(_ x: Shape, _ w: Shape, _ call: Call) throws(BackendError) {
    let node = call.node
    guard x.rank >= 3, w.rank == x.rank else { throw call.fail("input \(x) and weight \(w) do not fit") }
    let spatial = x.rank - 2
    groups = node.integer("group", default: 1)
    batch = x.dimensions[0]
    channelsPerGroup = w.dimensions[1]
    guard groups > 0, w.dimensions[0] % groups == 0,
      channelsPerGroup.multipliedReportingOverflow(by: groups)
        == (x.dimensions[1], false)
    else { throw call.fail("\(x.dimensions[1]) channels, weight \(w) and \(groups) groups do not fit") }
    outputsPerGroup = w.dimensions[0] / groups
    input = Array(x.dimensions[2...])
    kernel = Array(w.dimensions[2...])
    if let given = node.integers("kernel_shape"), given != kernel {
      throw call.fail("kernel_shape \(given) and weight \(w) differ")
    }
    func list(_ name: String, _ count: Int, _ value: Int) throws(BackendError) -> [Int] {
      let list = node.integers(name) ?? [Int](repeating: value, count: count)
      guard list.count == count, list.allSatisfy({ $0 >= value && $0 < 1 << 31 }) else {
        throw call.fail("\(name) is \(list)")
      }
      return list
    }
    strides = try list("strides", spatial, 1)
    dilations = try list("dilations", spatial, 1)
    let pads = try list("pads", 2 * spatial, 0)
    var before = Array(pads[..<spatial])
    var extents: [Int] = []
    let auto = node.text("auto_pad", default: "NOTSET")
    for axis in 0..<spatial {
      guard kernel[axis] > 0, kernel[axis] < 1 << 31 else { throw call.fail("the kernel is \(kernel)") }
      let reach = dilations[axis] * (kernel[axis] - 1) + 1
      switch auto {
      case "SAME_UPPER", "SAME_LOWER":
        let extent = (input[axis] + strides[axis] - 1) / strides[axis]
        let padding = max(0, (extent - 1) * strides[axis] + reach - input[axis])
        before[axis] = auto == "SAME_UPPER" ? padding / 2 : padding - padding / 2
        extents.append(extent)
      case "VALID":
        before[axis] = 0
        extents.append(max(0, (input[axis] - reach) / strides[axis] + 1))
      default:
        let padded = input[axis] + pads[axis] + pads[spatial + axis]
        guard padded >= reach else { throw call.fail("the kernel \(kernel) is larger than the input \(x)") }
        extents.append((padded - reach) / strides[axis] + 1)
      }
    }
    padsBefore = before
    output = extents
  }

  var outputCount: Int { output.reduce(1, *) }
  var inputCount: Int { input.reduce(1, *) }
  var kernelCount: Int { kernel.reduce(1, *) }
  /// Rows of the unrolled input.
  var depth: Int { channelsPerGroup * kernelCount }
  /// Whether the unrolled input is the input itself.
  var isPointwise: Bool {
    kernelCount == 1 && strides.allSatisfy { $0 == 1 } && padsBefore.allSatisfy { $0 == 0 } && output == input
  }

  func resultShape(_ call: Call) throws(BackendError) -> Shape {
    try call.shape([batch, groups * outputsPerGroup] + output)
  }

  /// One group's input as [depth, outputCount]: row r holds, for every output place, what weight r meets there.
  func unroll<E: BitwiseCopyable & Sendable>(
    _ x: Span<E>, start: Int, padding: E, into out: inout MutableSpan<E>
  ) {
    precondition(out.count == depth * outputCount && start + channelsPerGroup * inputCount <= x.count, "fits")
    let spatial = input.count
    let inputStrides = rowStrides(input)
    let (lastExtent, lastStride) = (output[spatial - 1], strides[spatial - 1])
    let rows = lastExtent == 0 ? 0 : outputCount / lastExtent
    for channel in 0..<channelsPerGroup {
      for tap in 0..<kernelCount {
        var (rest, taps) = (tap, [Int](repeating: 0, count: spatial))
        for axis in (0..<spatial).reversed() {
          taps[axis] = rest % kernel[axis]
          rest /= kernel[axis]
        }
        let target = (channel * kernelCount + tap) * outputCount
        for row in 0..<rows {
          var (rest, source, isInside) = (row, start + channel * inputCount, true)
          for axis in (0..<spatial - 1).reversed() {
            let place = rest % output[axis]
            rest /= output[axis]
            let position = place * strides[axis] - padsBefore[axis] + taps[axis] * dilations[axis]
            if position < 0 || position >= input[axis] { isInside = false }
            source += position * inputStrides[axis]
          }
          let first = taps[spatial - 1] * dilations[spatial - 1] - padsBefore[spatial - 1]
          let line = target + row * lastExtent
          for place in 0..<lastExtent {
            let position = first + place * lastStride
            let isThere = isInside && position >= 0 && position < input[spatial - 1]
            out[line + place] = isThere ? x[source + position] : padding
          }
        }
      }
    }
  }
}

extension OperatorTable {
  static var convolutionEntries: [OperatorEntry] {
    [
      OperatorEntry("Conv", half: .widened) { _ in
        .tensors { (call) throws(BackendError) in
          let given = try call.tensor(0)
          let bias = try call.optionalTensor(2).map { (b) throws(BackendError) in try call.requireFloat(b) }
          let y = try convolution(
            try call.requireFloat(given), try call.requireFloat(try call.tensor(1)), bias, call)
          return [try call.converted(y, to: given.elementType)]
        }
      },
      OperatorEntry("ConvInteger", versions: 10...newestVersion) { _ in
        .tensors { (call) throws(BackendError) in [try integerConvolution(call)] }
      },
    ]
  }

  private static func convolution(
    _ x: RunTensor, _ w: RunTensor, _ bias: RunTensor?, _ call: Call
  ) throws(BackendError) -> RunTensor {
    let plan = try ConvolutionPlan(x.shape, w.shape, call)
    let target = try plan.resultShape(call)
    if let bias {
      guard bias.count == plan.groups * plan.outputsPerGroup else {
        throw call.fail("a bias of \(bias.shape)")
      }
    }
    let product = ProductShape(m: plan.outputsPerGroup, n: plan.outputCount, k: plan.depth)
    let unrolledShape = try call.shape([plan.depth, plan.outputCount])
    let size = plan.outputsPerGroup * plan.outputCount
    let nothing: [Float] = []
    return try call.floats(target) { (out) throws(BackendError) in
      if out.isEmpty { return }
      for index in 0..<plan.batch * plan.groups {
        let start = index * plan.channelsPerGroup * plan.inputCount
        let weights = ProductOffsets(a: index % plan.groups * plan.outputsPerGroup * plan.depth, b: 0)
        var part = out._mutatingExtracting(index * size..<(index + 1) * size)
        if plan.isPointwise {
          MatrixProduct.floats(
            product, w.floats, x.bytes, batch: [ProductOffsets(a: weights.a, b: start)], bias: nothing.span,
            into: &part, threads: call.threads)
        } else {
          let unrolled = try call.floats(unrolledShape) { (rows) throws(BackendError) in
            plan.unroll(x.floats, start: start, padding: 0, into: &rows)
          }
          MatrixProduct.floats(
            product, w.floats, unrolled.bytes, batch: [weights], bias: nothing.span, into: &part,
            threads: call.threads)
        }
      }
      guard let bias else { return }
      let values = bias.floats
      let channels = plan.groups * plan.outputsPerGroup
      for row in 0..<plan.batch * channels {
        let value = values[row % channels]
        for index in row * plan.outputCount..<(row + 1) * plan.outputCount { out[index] += value }
      }
    }
  }

  private static func integerConvolution(_ call: Call) throws(BackendError) -> RunTensor {
    let (x, w) = (try call.tensor(0), try call.tensor(1))
    let plan = try ConvolutionPlan(x.shape, w.shape, call)
    let target = try plan.resultShape(call)
    let (signX, signW) = (try call.byteSign(x), try call.byteSign(w))
    let zeroX = try call.zeroPoints(2, allowed: 1)
    let zeroW = try call.zeroPoints(3, allowed: plan.groups * plan.outputsPerGroup)
    let product = ProductShape(m: plan.outputsPerGroup, n: plan.outputCount, k: plan.depth)
    let unrolledShape = try call.shape([plan.depth, plan.outputCount])
    let size = plan.outputsPerGroup * plan.outputCount
    // Padding is a zero of the real line, which is the zero point.
    let padding = UInt8(truncatingIfNeeded: zeroX[0])
    return try call.make(.int32, target, as: Int32.self) { (out) throws(BackendError) in
      if out.isEmpty { return }
      for index in 0..<plan.batch * plan.groups {
        let group = index % plan.groups
        let unrolled = try call.make(x.elementType, unrolledShape, as: UInt8.self) {
          (rows) throws(BackendError) in
          plan.unroll(
            x.bytes, start: index * plan.channelsPerGroup * plan.inputCount, padding: padding, into: &rows)
        }
        let weightSize = plan.outputsPerGroup * plan.depth
        let weights = w.bytes.extracting(group * weightSize..<(group + 1) * weightSize)
        let zeros =
          zeroW.count == 1
          ? zeroW : Array(zeroW[group * plan.outputsPerGroup..<(group + 1) * plan.outputsPerGroup])
        var part = out._mutatingExtracting(index * size..<(index + 1) * size)
        IntegerProduct.integers(
          IntegerProduct.Operands(
            product, a: weights, signA: signW, b: unrolled.bytes, signB: signX, zeroA: zeros.span,
            zeroB: zeroX.span), into: &part, threads: call.threads)
      }
    }
  }
}
