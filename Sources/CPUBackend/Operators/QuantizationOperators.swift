import Kernels
import ModelBackend
import Tensors

extension Call {
  /// Whether a tensor's 8-bit codes are signed.
  func byteSign(_ tensor: RunTensor) throws(BackendError) -> ByteSign {
    switch tensor.elementType {
    case .int8: return .signed
    case .uint8: return .unsigned
    default: throw fail("\(tensor.elementType.name) where 8-bit integers are expected")
    }
  }

  /// Zero points of an input: one, or `allowed`; zero when the input is left out.
  func zeroPoints(_ index: Int, allowed: Int) throws(BackendError) -> [Int32] {
    guard let values = try optionalIntegers(index) else { return [0] }
    guard values.count == 1 || values.count == allowed else {
      throw fail("input \(index) has \(values.count) zero points, expected 1 or \(allowed)")
    }
    return values.map(Int32.init(truncatingIfNeeded:))
  }
}

/// Integers that codes are stored as, once they have a byte each or more.
private protocol Code: FixedWidthInteger, BitwiseCopyable {}
extension Int8: Code {}
extension UInt8: Code {}
extension Int16: Code {}
extension UInt16: Code {}
extension Int32: Code {}

extension OperatorTable {
  static var quantizationEntries: [OperatorEntry] {
    [
      OperatorEntry("QuantizeLinear", versions: 10...newestVersion) { _ in
        .tensors { (call) throws(BackendError) in [try quantize(call)] }
      },
      OperatorEntry("DequantizeLinear", versions: 10...newestVersion) { _ in
        .tensors { (call) throws(BackendError) in [try dequantize(call)] }
      },
      OperatorEntry("QuantizeLinear", domain: contrib) { _ in
        .tensors { (call) throws(BackendError) in [try quantize(call)] }
      },
      OperatorEntry("DequantizeLinear", domain: contrib) { _ in
        .tensors { (call) throws(BackendError) in [try dequantize(call)] }
      },
      OperatorEntry("DynamicQuantizeLinear", versions: 11...newestVersion) { _ in
        .tensors { (call) throws(BackendError) in
          let x = try call.tensor(0)
          let (codes, scale, zero) = try dynamicCodes(x, call)
          return [
            codes, try call.floats(try call.shape([])) { (out) throws(BackendError) in out[0] = scale },
            try call.make(.uint8, try call.shape([]), as: UInt8.self) { (out) throws(BackendError) in
              out[0] = zero
            },
          ]
        }
      },
      OperatorEntry("MatMulInteger", versions: 10...newestVersion) { _ in
        .tensors { (call) throws(BackendError) in
          let (a, b) = (try call.tensor(0), try call.tensor(1))
          let product = try IntegerBatch(a, b, call)
          return [
            try call.make(.int32, product.batch.result, as: Int32.self) { (out) throws(BackendError) in
              product.forEach(a, b) { operands, range in
                var part = out._mutatingExtracting(range)
                IntegerProduct.integers(operands, into: &part, threads: call.threads)
              }
            }
          ]
        }
      },
    ]
  }

  /// The codes, scale and zero point that DynamicQuantizeLinear gives.
  static func dynamicCodes(
    _ x: RunTensor, _ call: Call
  ) throws(BackendError) -> (codes: RunTensor, scale: Float, zero: UInt8) {
    guard x.elementType == .float32 else { throw call.unsupported("element type \(x.elementType.name)") }
    let bounds = ByteQuantization.bounds(x.floats, threads: call.threads)
    let span = bounds.upperBound - bounds.lowerBound
    let scale = span == 0 ? 1 : span / 255
    let zero = min(max((-bounds.lowerBound / scale).rounded(.toNearestOrEven), 0), 255)
    let zeroCode = zero.isNaN ? 0 : Int32(zero)
    let codes = try call.make(.uint8, x.shape, as: UInt8.self) { (out) throws(BackendError) in
      ByteQuantization.quantize(
        x.floats, scale: scale, zeroPoint: zeroCode, range: 0...255, into: &out, threads: call.threads)
    }
    return (codes, scale, UInt8(zeroCode))
  }

  /// MatMulInteger, times float scales (input 4), plus a float bias (input 5, may be missing).
  static func scaledIntegerProduct(_ call: Call) throws(BackendError) -> [RunTensor] {
    let (a, b) = (try call.tensor(0), try call.tensor(1))
    let product = try IntegerBatch(a, b, call)
    let scale = try call.tensor(4)
    let bias = try call.optionalTensor(5)
    let columns = product.batch.shape.n
    let fits =
      scale.elementType == .float32 && (scale.count == 1 || scale.count == columns)
      && scale.dimensions.dropLast().allSatisfy { $0 == 1 } && scale.rank <= max(a.rank, b.rank)
      && b.rank >= 2
      && bias.map { $0.count == columns } ?? true
    guard fits else {
      let sums = try call.make(.int32, product.batch.result, as: Int32.self) { (out) throws(BackendError) in
        product.forEach(a, b) { operands, range in
          var part = out._mutatingExtracting(range)
          IntegerProduct.integers(operands, into: &part, threads: call.threads)
        }
      }
      let scaled = try call.arithmetic(.multiply, try call.converted(sums, to: .float32), scale)
      guard let bias else { return [scaled] }
      return [try call.arithmetic(.add, scaled, bias)]
    }
    let addend = try call.orNone(bias)
    return [
      try call.floats(product.batch.result) { (out) throws(BackendError) in
        product.forEach(a, b) { operands, range in
          var part = out._mutatingExtracting(range)
          IntegerProduct.scaled(
            operands, scales: scale.floats, bias: addend.floats, into: &part, threads: call.threads)
        }
      }
    ]
  }

  // MARK: QuantizeLinear

  private static func quantize(_ call: Call) throws(BackendError) -> RunTensor {
    let x = try call.requireReal(try call.tensor(0))
    let scale = try call.requireReal(try call.tensor(1))
    let zero = try call.optionalTensor(2)
    let named = try call.node.elementType("output_dtype").flatMap {
      $0 == ElementType(rawValue: 0) ? nil : $0
    }
    let type = zero?.elementType ?? named ?? .uint8
    let grid = try grid(x, scale, zero, call)
    guard let range = codeRange(type) else {
      return try quantizeToFloat(x, scale, zero, type, grid, call)
    }
    if type == .uint8 || type == .int8, scale.count == 1, call.node.integer("block_size", default: 0) == 0 {
      let value = try zero.map { (zero) throws(BackendError) in try call.integers(of: zero, "the zero point")
      }?.first
      return try call.make(type, x.shape, as: UInt8.self) { (out) throws(BackendError) in
        ByteQuantization.quantize(
          x.floats, scale: scale.floats[0], zeroPoint: Int32(value ?? 0),
          range: Int32(range.lowerBound)...Int32(range.upperBound), into: &out, threads: call.threads)
      }
    }
    let zeros = try call.converted(try call.zeroPoint(zero, scale), to: .int32)
    let low = Float(range.lowerBound)
    let high = Float(range.upperBound)
    let codes = try call.make(.int32, x.shape, as: Int32.self) { (out) throws(BackendError) in
      let (values, scales) = (x.floats, scale.floats)
      let offsets = zeros.elements(Int32.self)
      grid.forEachRun { run in
        for index in 0..<run.count {
          let place = run.scale + index * run.step
          let rounded = (values[run.start + index] / scales[place]).rounded(.toNearestOrEven)
          // Clamped before the zero point is added, where it may be huge, and after.
          let code = min(max(rounded, low - 70000), high + 70000)
          let whole = (code.isNaN ? Int32(low) : Int32(code)) + offsets[place]
          out[run.start + index] = min(max(whole, Int32(low)), Int32(high))
        }
      }
    }
    return try call.converted(codes, to: type)
  }

  private static func quantizeToFloat(
    _ x: RunTensor, _ scale: RunTensor, _ zero: RunTensor?, _ type: ElementType, _ grid: QuantizationGrid,
    _ call: Call
  ) throws(BackendError) -> RunTensor {
    guard SmallFloat(type) != nil, type != .float16, type != .bfloat16 else {
      throw call.unsupported("quantization to \(type.name)")
    }
    let zeros = try call.converted(try call.zeroPoint(zero, scale), to: .float32)
    let values = try call.floats(x.shape) { (out) throws(BackendError) in
      let (inputs, scales) = (x.floats, scale.floats)
      let offsets = zeros.floats
      grid.forEachRun { run in
        for index in 0..<run.count {
          let place = run.scale + index * run.step
          out[run.start + index] = inputs[run.start + index] / scales[place] + offsets[place]
        }
      }
    }
    let saturates = call.node.integer("saturate", default: 1) != 0
    return try call.converted(values, to: type, saturates ? .saturates : .isSpecial)
  }

  private static func codeRange(_ type: ElementType) -> ClosedRange<Int>? {
    switch type {
    case .uint8: 0...255
    case .int8: -128...127
    case .uint16: 0...65535
    case .int16: -32768...32767
    case .uint4: 0...15
    case .int4: -8...7
    case .uint2: 0...3
    case .int2: -2...1
    default: nil
    }
  }

  private static func grid(
    _ x: RunTensor, _ scale: RunTensor, _ zero: RunTensor?, _ call: Call
  ) throws(BackendError) -> QuantizationGrid {
    if let zero, zero.shape != scale.shape, zero.count != 1 || scale.count != 1 {
      throw call.fail("scale \(scale.shape) and zero point \(zero.shape) differ")
    }
    return try QuantizationGrid(
      x.shape, scale: scale.shape, axis: call.node.integer("axis", default: 1),
      blockSize: call.node.integer("block_size", default: 0), call)
  }

  // MARK: DequantizeLinear

  private static func dequantize(_ call: Call) throws(BackendError) -> RunTensor {
    let (x, givenScale) = (try call.tensor(0), try call.tensor(1))
    let scale = try call.requireFloat(givenScale)
    let zero = try call.optionalTensor(2)
    if let zero, zero.elementType != x.elementType {
      throw call.fail("codes are \(x.elementType.name), zero points \(zero.elementType.name)")
    }
    let target = try call.node.elementType("output_dtype").flatMap {
      $0 == ElementType(rawValue: 0) ? nil : $0
    }
    let grid = try grid(x, scale, zero, call)
    let result: RunTensor
    switch x.elementType {
    case .int8: result = try dequantized(Int8.self, x, scale, zero, grid, call)
    case .uint8: result = try dequantized(UInt8.self, x, scale, zero, grid, call)
    case .int16: result = try dequantized(Int16.self, x, scale, zero, grid, call)
    case .uint16: result = try dequantized(UInt16.self, x, scale, zero, grid, call)
    case .int32: result = try dequantized(Int32.self, x, scale, zero, grid, call)
    case .uint4, .int4:
      let type: ElementType = x.elementType == .int4 ? .int8 : .uint8
      func unpacked(_ tensor: RunTensor) throws(BackendError) -> RunTensor {
        if type == .int8 {
          return try call.make(type, tensor.shape, as: Int8.self) { (out) throws(BackendError) in
            NibblePacking.unpackSigned(tensor.bytes, into: &out)
          }
        }
        return try call.make(type, tensor.shape, as: UInt8.self) { (out) throws(BackendError) in
          NibblePacking.unpack(tensor.bytes, into: &out)
        }
      }
      let (codes, zeros) = (try unpacked(x), try zero.map { (z) throws(BackendError) in try unpacked(z) })
      if type == .int8 {
        result = try dequantized(Int8.self, codes, scale, zeros, grid, call)
      } else {
        result = try dequantized(UInt8.self, codes, scale, zeros, grid, call)
      }
    default:
      let codes = try call.converted(x, to: .float32)
      let zeros = try call.converted(try call.zeroPoint(zero, scale), to: .float32)
      result = try call.floats(x.shape) { (out) throws(BackendError) in
        let (values, scales) = (codes.floats, scale.floats)
        let offsets = zeros.floats
        grid.forEachRun { run in
          for index in 0..<run.count {
            let place = run.scale + index * run.step
            let value = values[run.start + index] - offsets[place]
            out[run.start + index] = value * scales[place]
          }
        }
      }
    }
    return try call.converted(result, to: target ?? givenScale.elementType)
  }

  private static func dequantized<C: Code>(
    _ type: C.Type, _ x: RunTensor, _ scale: RunTensor, _ zero: RunTensor?, _ grid: QuantizationGrid,
    _ call: Call
  ) throws(BackendError) -> RunTensor {
    var zeros = zero
    if zeros == nil {
      zeros = try call.make(x.elementType, scale.shape, as: type) { (out) throws(BackendError) in
        for index in out.indices { out[index] = 0 }
      }
    }
    guard let zeros else { return x }
    return try call.floats(x.shape) { (out) throws(BackendError) in
      let (codes, scales, offsets) = (x.elements(type), scale.floats, zeros.elements(type))
      grid.forEachRun { run in
        let part = codes.extracting(run.start..<run.start + run.count)
        var target = out._mutatingExtracting(run.start..<run.start + run.count)
        if run.step == 0 {
          if run.count > 0 { scaleRun(part, scales[run.scale], offsets[run.scale], into: &target) }
        } else {
          let places = run.scale..<run.scale + run.count
          scaleRuns(part, scales.extracting(places), offsets.extracting(places), into: &target)
        }
      }
    }
  }

  private static func scaleRun<C: Code>(
    _ codes: Span<C>, _ scale: Float, _ zero: C, into out: inout MutableSpan<Float>
  ) {
    precondition(out.count == codes.count)
    let offset = Int32(truncatingIfNeeded: zero)
    for index in out.indices { out[index] = Float(Int32(truncatingIfNeeded: codes[index]) &- offset) * scale }
  }

  private static func scaleRuns<C: Code>(
    _ codes: Span<C>, _ scales: Span<Float>, _ zeros: Span<C>, into out: inout MutableSpan<Float>
  ) {
    precondition(out.count == codes.count && scales.count == codes.count && zeros.count == codes.count)
    for index in out.indices {
      let difference = Int32(truncatingIfNeeded: codes[index]) &- Int32(truncatingIfNeeded: zeros[index])
      out[index] = Float(difference) * scales[index]
    }
  }
}

extension Call {
  /// The tensor, or one without elements.
  fileprivate func orNone(_ tensor: RunTensor?) throws(BackendError) -> RunTensor {
    if let tensor { return tensor }
    return try floats(try shape([0])) { _ in }
  }

  /// The zero point, or zeros in the shape of the scale.
  fileprivate func zeroPoint(_ zero: RunTensor?, _ scale: RunTensor) throws(BackendError) -> RunTensor {
    if let zero { return zero }
    return try floats(scale.shape) { (out) throws(BackendError) in for index in out.indices { out[index] = 0 }
    }
  }

  /// Floats of any precision, or int32, as float32.
  fileprivate func requireReal(_ x: RunTensor) throws(BackendError) -> RunTensor {
    x.elementType == .int32 || SmallFloat(x.elementType) != nil || x.elementType == .float8E8M0
      ? try converted(x, to: .float32) : try requireFloat(x)
  }
}

/// A batch of 8-bit matrix products and their zero points.
struct IntegerBatch {
  let batch: MatrixBatch
  let signA: ByteSign
  let signB: ByteSign
  let zeroA: [Int32]
  let zeroB: [Int32]

  init(_ a: RunTensor, _ b: RunTensor, _ call: Call) throws(BackendError) {
    batch = try MatrixBatch(a.shape, b.shape, call)
    (signA, signB) = (try call.byteSign(a), try call.byteSign(b))
    zeroA = try call.zeroPoints(2, allowed: batch.shape.m)
    zeroB = try call.zeroPoints(3, allowed: batch.shape.n)
  }

  /// Calls `body` for every product with the range of the result that it fills.
  func forEach(_ a: RunTensor, _ b: RunTensor, _ body: (IntegerProduct.Operands, Range<Int>) -> Void) {
    let shape = batch.shape
    let (sizeA, sizeB, sizeC) = (shape.m * shape.k, shape.k * shape.n, shape.m * shape.n)
    for (index, pair) in batch.pairs.enumerated() {
      let operands = IntegerProduct.Operands(
        shape, a: a.bytes.extracting(pair.a..<pair.a + sizeA), signA: signA,
        b: b.bytes.extracting(pair.b..<pair.b + sizeB), signB: signB, zeroA: zeroA.span, zeroB: zeroB.span)
      body(operands, index * sizeC..<(index + 1) * sizeC)
    }
  }
}
