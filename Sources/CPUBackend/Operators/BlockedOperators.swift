import Kernels
import ModelBackend
import Tensors

extension OperatorTable {
  static var blockedEntries: [OperatorEntry] {
    [
      OperatorEntry("MatMulNBits", domain: contrib, half: .own) { (node) throws(BackendError) in
        .tensors { (call) throws(BackendError) in [try blockedProduct(call)] }
      }
    ]
  }

  private static func blockedProduct(_ call: Call) throws(BackendError) -> RunTensor {
    let node = call.node
    let given = try call.tensor(0)
    let a = try call.requireFloat(given)
    let codes = try call.raw(1)
    let scales = try call.requireFloat(try call.tensor(2))
    let zero = try call.optionalRaw(3)
    guard let k = node.integer("K"), let n = node.integer("N"), k > 0, n > 0, k < 1 << 31, n < 1 << 31 else {
      throw call.fail("K and N are missing")
    }
    let bits = node.integer("bits", default: 4)
    let blockSize = node.integer("block_size", default: 0)
    guard bits == 4 || bits == 8, [16, 32, 64, 128, 256].contains(blockSize) else {
      throw call.unsupported("\(bits) bits in blocks of \(blockSize)")
    }
    if let order = try call.optionalRaw(4), order.count > 0 { throw call.unsupported("g_idx") }
    guard a.rank >= 1, a.dimensions[a.rank - 1] == k else {
      throw call.fail("input \(a.shape) and K = \(k) differ")
    }
    let blockCount = (k + blockSize - 1) / blockSize
    guard n * blockCount <= 1 << 40 else { throw call.fail("K = \(k) and N = \(n) are too large") }
    let zeroByteCount = bits == 4 ? (blockCount + 1) / 2 : blockCount
    let isFloatZero = zero.map { $0.elementType != .uint8 } ?? false
    let expectedZeros = isFloatZero ? n * blockCount : n * zeroByteCount
    guard codes.bytes.count == n * blockCount * (blockSize * bits / 8), scales.count == n * blockCount,
      zero.map({ $0.count == expectedZeros }) ?? true
    else {
      throw call.fail("codes \(codes.shape), scales \(scales.shape) and zero points do not fit [\(n), \(k)]")
    }
    let bias = try call.optionalTensor(5).map { (b) throws(BackendError) in try call.requireFloat(b) }
    if let bias, bias.count != n { throw call.fail("a bias of \(bias.shape)") }
    let none = try call.floats(try call.shape([0])) { _ in }
    let floatZero = isFloatZero ? try zero.map { (z) throws(BackendError) in try call.requireFloat(z) } : nil
    let zeroPoints = isFloatZero ? none : zero ?? none
    let floatZeroPoints = floatZero ?? none
    let addend = bias ?? none
    let target = try call.shape(a.dimensions.dropLast() + [n])
    let result = try call.floats(target) { (out) throws(BackendError) in
      MatrixProduct.blocked(
        m: a.count / k, n: n, k: k, bits: bits, blockSize: blockSize, a.floats, codes: codes.bytes,
        scales: scales.floats, zeroPoints: zeroPoints.bytes,
        floatZeroPoints: floatZeroPoints.floats, bias: addend.floats, into: &out,
        threads: call.threads)
    }
    return try call.converted(result, to: given.elementType)
  }
}
